//! Makes texts of a portal fit to be shown: bounded, and in one line.

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
