//! Prepares texts of a portal for display: bounded, and in one line.

/// The longest text of a portal that is repeated, in characters.
pub const MAX_CHARS: usize = 256;

/// One line of at most [`MAX_CHARS`] characters.
pub fn clean(text: &str) -> String {
    // A character has at most four bytes; one more character than is shown makes `cut` notice the rest.
    cut(&one_line(text, 4 * (MAX_CHARS + 1)))
}

/// One line of some `most` bytes: control and invisible formatting characters and runs of blanks become a blank.
pub fn one_line(text: &str, most: usize) -> String {
    // Invisible characters could disguise a message or hide text.
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut line = String::new();
    for word in text
        .split(|c: char| c.is_whitespace() || unseen(c))
        .filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if line.len() >= most {
                return line;
            }
            line.push(c);
        }
    }
    line
}

/// At most [`MAX_CHARS`] characters of a line.
pub fn cut(line: &str) -> String {
    if line.chars().count() <= MAX_CHARS {
        return line.into();
    }
    let shown: String = line.chars().take(MAX_CHARS - 1).collect();
    format!("{}…", shown.trim_end())
}

/// As many bytes of a text as fit, whole characters only.
pub fn prefix(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
