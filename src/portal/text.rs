//! Makes texts of a portal fit to be shown: bounded, in one line, and without our secrets.

use secrecy::{ExposeSecret, SecretString};

use crate::schedule::{HIDDEN, Schedule};

/// No text of a portal is repeated beyond this many characters.
pub const MAX_CHARS: usize = 256;

/// One line of at most [`MAX_CHARS`] characters: control and invisible formatting characters and runs of blanks
/// become a blank.
pub fn clean(text: &str) -> String {
    // Bidirectional controls could make a message read as another one.
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    };
    let mut line = String::new();
    let mut chars = 0;
    for word in text
        .split(|c: char| c.is_whitespace() || unseen(c))
        .filter(|word| !word.is_empty())
    {
        let blank = usize::from(!line.is_empty());
        let length = word.chars().count();
        if chars + blank + length > MAX_CHARS {
            let room = MAX_CHARS.saturating_sub(chars + blank + 1);
            line.extend((blank > 0).then_some(' '));
            line.extend(word.chars().take(room));
            line.push('…');
            return line;
        }
        line.extend((blank > 0).then_some(' '));
        line.push_str(word);
        chars += blank + length;
    }
    line
}

/// What must not come back in a message, should a portal echo it.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Vec<SecretString>);

impl Secrets {
    /// The key of the portal.
    pub fn of_key(key: &SecretString) -> Self {
        Self(vec![key.clone()])
    }

    /// These, and the values that the schedule takes from Secrets.
    pub fn and_of(&self, schedule: &Schedule) -> Self {
        let params = schedule.params.values().filter(|param| param.secret);
        Self(
            self.0
                .iter()
                .cloned()
                .chain(params.map(|param| param.value.clone()))
                .collect(),
        )
    }

    /// The text fit to be shown: first without the secrets, then cleaned, lest a cut leaves a part of one.
    pub fn clean(&self, text: &str) -> String {
        clean(&self.hide(text))
    }

    /// The text with each of them replaced by `(hidden)`.
    pub fn hide(&self, text: &str) -> String {
        let mut secrets: Vec<&str> = self
            .0
            .iter()
            .map(ExposeSecret::expose_secret)
            .filter(|s| !s.is_empty())
            .collect();
        // The longest first, so that no rest of it stays where a shorter one is part of it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
            .into_iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Param;

    #[test]
    fn a_text_is_one_bounded_line() {
        assert_eq!(clean(" a\r\n\tb\u{0}c\u{202e}d "), "a b c d");
        assert_eq!(clean(""), "");
        let long = clean(&"ä".repeat(300));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MAX_CHARS, true));
        let words = clean(&"word ".repeat(300));
        assert!(
            words.chars().count() <= MAX_CHARS && words.ends_with('…'),
            "{words}"
        );
        assert_eq!(clean(&"x".repeat(MAX_CHARS)).chars().count(), MAX_CHARS);
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let mut schedule = Schedule {
            storage_type: 5,
            params: Default::default(),
            period: 0,
            hour: 3,
            day: 0,
            backups_stored: 7,
            dump: false,
        };
        schedule
            .params
            .insert("ssekey".into(), Param::secret("sk-1-longer".to_owned().into()));
        schedule
            .params
            .insert("empty".into(), Param::secret(String::new().into()));
        schedule.params.insert("bucket".into(), Param::plain("mine"));
        let secrets = Secrets::of_key(&"sk-1".to_owned().into()).and_of(&schedule);
        assert_eq!(
            secrets.hide("key sk-1, sse 'sk-1-longer', bucket mine"),
            "key (hidden), sse '(hidden)', bucket mine"
        );
    }
}
