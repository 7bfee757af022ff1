//! Label selectors as `kubectl -l` reads them. kube has the type, but reads no text.

use kube::core::{Expression, Selector};

/// The longest name and value of a label, in characters.
const LONGEST: usize = 63;
/// The longest prefix of a label's name, in characters.
const LONGEST_PREFIX: usize = 253;

/// Reads a selector: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a` and `!a`, several of them separated by commas. An
/// empty text selects everything.
///
/// # Errors
/// A part is none of these, or contains something that cannot be the name or value of a label.
pub fn parse(text: &str) -> Result<Selector, String> {
    if text.trim().is_empty() {
        return Ok(Selector::default());
    }
    let mut in_a_list = false;
    let parts = text.split(|c| {
        in_a_list = c == '(' || in_a_list && c != ')';
        c == ',' && !in_a_list
    });
    parts.map(expression).collect()
}

fn expression(text: &str) -> Result<Expression, String> {
    let text = text.trim();
    let read = if let Some(name) = text.strip_prefix('!') {
        name_of(name).map(Expression::DoesNotExist)
    } else if let Some((name, value)) = text.split_once("!=") {
        pair(name, value).map(|(name, value)| Expression::NotEqual(name, value))
    } else if let Some((name, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        pair(name, value).map(|(name, value)| Expression::Equal(name, value))
    } else if let Some((before, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        set(before, values)
    } else {
        name_of(text).map(Expression::Exists)
    };
    read.ok_or_else(|| {
        format!("{text:?} is no condition on a label; write for example shard=a, shard in (a,b), shard notin (a,b) or !shard")
    })
}

fn pair(name: &str, value: &str) -> Option<(String, String)> {
    Some((name_of(name)?, value_of(value)?))
}

fn set(before: &str, values: &str) -> Option<Expression> {
    let (name, operator) = before.trim().rsplit_once(char::is_whitespace)?;
    let name = name_of(name)?;
    let values = values.split(',').map(value_of).collect::<Option<_>>()?;
    match operator {
        "in" => Some(Expression::In(name, values)),
        "notin" => Some(Expression::NotIn(name, values)),
        _ => None,
    }
}

/// The name of a label, which may have a domain as its prefix.
fn name_of(text: &str) -> Option<String> {
    let text = text.trim();
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let is_domain = |prefix: &str| {
        let of_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_part = |part: &str| part.chars().all(of_domain) && ends_well(part);
        prefix.len() <= LONGEST_PREFIX && prefix.split('.').all(is_part)
    };
    (is_word(name) && prefix.is_none_or(is_domain)).then(|| text.into())
}

fn value_of(text: &str) -> Option<String> {
    let text = text.trim();
    (text.is_empty() || is_word(text)).then(|| text.into())
}

fn is_word(text: &str) -> bool {
    let of_word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.len() <= LONGEST && text.chars().all(of_word) && ends_well(text)
}

/// Whether it begins and ends with a letter or a digit.
fn ends_well(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_read_as_kubectl_does() {
        for (text, read) in [
            ("", ""),
            (" ", ""),
            ("shard=a", "shard=a"),
            (" shard == a ", "shard=a"),
            ("shard!=a", "shard!=a"),
            ("shard in ( b, a )", "shard in (a,b)"),
            ("shard in (a)", "shard in (a)"),
            ("shard notin(a,b)", "shard notin (a,b)"),
            ("shard", "shard"),
            ("!shard, ! other", "!shard,!other"),
            (
                "example.com/shard=a_B.1,shard notin (a,b),!x",
                "example.com/shard=a_B.1,shard notin (a,b),!x",
            ),
            // Labels may be empty.
            ("shard=", "shard="),
            ("shard in (,a)", "shard in (,a)"),
        ] {
            assert_eq!(
                parse(text).map(|selector| selector.to_string()).as_deref(),
                Ok(read),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        let (long, domain) = ("a".repeat(64), format!("{}.b/c", "a".repeat(252)));
        for text in [
            ",",
            "shard=a,",
            "shard=a,,b",
            "=a",
            "!",
            "shard a",
            "shard>1",
            "shard in a",
            "shard in (a",
            "shard in a)",
            "shard in ((a))",
            "shard in (a))",
            "shard in (a b)",
            "in (a)",
            "shard isin (a)",
            "shard=(a)",
            "shard=a=b",
            "!shard=a",
            "shard=-a",
            "shard=a-",
            "shard=ä",
            "/shard",
            "Example.com/shard",
            "a..b/shard",
            "a/b/c",
            "shard=a\nb",
            &long,
            &domain,
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains("shard in (a,b)"), "{said}");
        }
        assert!(
            parse("a=b,shard in a").is_err_and(|said| said.starts_with("\"shard in a\" is no condition"))
        );
    }
}
