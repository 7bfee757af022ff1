//! Prepares texts that strangers wrote for display: in one line, bounded, and without characters that nobody sees.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};

/// The longest text that is repeated, in characters.
pub const MAX_CHARS: usize = 256;
/// The longest text that is repeated, in bytes: all characters of a text in two-byte letters.
pub const MAX_BYTES: usize = 2 * MAX_CHARS;
/// The longest name that is repeated, in characters. As many as a portal's alias may have.
pub const NAME_CHARS: usize = 100;

/// One line of at most [`MAX_CHARS`] characters.
pub fn clean(text: &str) -> String {
    // One byte more than is shown makes `cut` notice the rest.
    cut(&one_line(text, MAX_BYTES + 1), MAX_CHARS)
}

/// One line of some `most` bytes: control and invisible characters and runs of blanks become a blank.
pub fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    for word in text.split(is_gap).filter(|word| !word.is_empty()) {
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

/// The text without the characters that [`one_line`] replaces, other than blanks.
pub fn without_unseen(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| *c == ' ' || !is_gap(*c))
}

/// A blank, or a character that could disguise a text or hide a part of it: Unicode's control and format characters
/// (bidirectional controls, zero widths, soft hyphens, tags, annotations), and those that are ignored where nothing is
/// known of them (variation selectors, fillers).
fn is_gap(c: char) -> bool {
    match c {
        ' '..='~' => c == ' ',
        _ if c.is_control() || c.is_whitespace() => true,
        _ => {
            CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
                || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        }
    }
}

/// At most this many characters of a line, and [`MAX_BYTES`] bytes.
pub fn cut(line: &str, most: usize) -> String {
    let fits =
        |line: &str, (chars, bytes): (usize, usize)| line.len() <= bytes && line.chars().count() <= chars;
    if fits(line, (most, MAX_BYTES)) {
        return line.into();
    }
    let shown = prefix(line, MAX_BYTES - '…'.len_utf8());
    let end = shown
        .char_indices()
        .nth(most - 1)
        .map_or(shown.len(), |(at, _)| at);
    format!("{}…", shown[..end].trim_end())
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_one_bounded_line() {
        assert_eq!(clean(" a\r\n\tb\u{0}c\u{202e}d "), "a b c d");
        assert_eq!(clean(""), "");
        let long = clean(&"ä".repeat(300));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MAX_CHARS - 1, true));
        let words = clean(&"word ".repeat(300));
        assert!(
            words.chars().count() <= MAX_CHARS && words.ends_with('…'),
            "{words}"
        );
        assert_eq!(clean(&"x".repeat(MAX_CHARS)).chars().count(), MAX_CHARS);
        assert_eq!(clean(&"x".repeat(MAX_CHARS + 1)).chars().count(), MAX_CHARS);
        assert_eq!(cut(&"x".repeat(9), 8), "xxxxxxx…");
        assert_eq!(cut("x", 1), "x");
    }

    #[test]
    fn what_nobody_sees_is_not_shown() {
        for (first, last) in [
            ('\0', '\u{1f}'),
            ('\u{7f}', '\u{a0}'),
            ('\u{ad}', '\u{ad}'),
            ('\u{34f}', '\u{34f}'),
            ('\u{600}', '\u{605}'),
            ('\u{61c}', '\u{61c}'),
            ('\u{6dd}', '\u{6dd}'),
            ('\u{70f}', '\u{70f}'),
            ('\u{8e2}', '\u{8e2}'),
            ('\u{115f}', '\u{1160}'),
            ('\u{180b}', '\u{180f}'),
            ('\u{200b}', '\u{200f}'),
            ('\u{2028}', '\u{202f}'),
            ('\u{205f}', '\u{206f}'),
            ('\u{3164}', '\u{3164}'),
            ('\u{fe00}', '\u{fe0f}'),
            ('\u{feff}', '\u{feff}'),
            ('\u{ffa0}', '\u{ffa0}'),
            ('\u{fff9}', '\u{fffb}'),
            ('\u{110bd}', '\u{110bd}'),
            ('\u{13430}', '\u{1343f}'),
            ('\u{1bca0}', '\u{1bca3}'),
            ('\u{1d173}', '\u{1d17a}'),
            ('\u{e0000}', '\u{e0fff}'),
        ] {
            for c in first..=last {
                assert_eq!(clean(&format!("a{c}b")), "a b", "{c:?}");
                assert_eq!(
                    without_unseen(&format!("a{c}b c")).collect::<String>(),
                    "ab c",
                    "{c:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_seen_stays() {
        for text in ["Zürich", "Москва", "東京", "مكة", "👍", "a\u{301}", "✓ ok"] {
            assert_eq!(clean(text), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_bounded_line(text in any::<String>(), times in 1..200_usize) {
            let shown = clean(&text.repeat(times));
            prop_assert!(shown.len() <= MAX_BYTES && shown.chars().count() <= MAX_CHARS);
            prop_assert!(!shown.chars().any(|c| c != ' ' && is_gap(c)), "{shown:?}");
            prop_assert_eq!(clean(&shown), shown);
        }
    }
}
