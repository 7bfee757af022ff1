//! Removes the operator's secrets from texts of a portal, which may echo them in any field.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use secrecy::ExposeSecret;
use serde_json::{Value, value::RawValue};

use crate::{
    portal::search::{MAX_PATTERN, Search, all_have},
    schedule::{HIDDEN, Schedule},
    secret::SharedSecret,
    text::{MAX_BYTES, MAX_CHARS, NAME_CHARS, cut, one_line, prefix, without_unseen},
};

/// The searched length of a text, in bytes; the rest is not shown.
const MAX_SEARCHED: usize = 2 * MAX_BYTES;
/// A secret that begins in the searched part is found although it ends behind it.
const LOOKED_AT: usize = MAX_SEARCHED + MAX_PATTERN;
/// The longest text that is kept for later, in bytes of JSON: a file's name has at most 255, and JSON may make six of one.
const MAX_UNREAD: usize = 2048;
/// An id that contains this many bytes of a secret is hidden.
const MUCH: usize = 16;
/// The longest id that is shown, in bytes. DocSpace's have 36.
const MAX_ID: usize = 64;

/// The secrets to hide: the API key, and the values that a schedule takes from Secrets. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Known>);

/// Secrets, and the searches for them. The searches contain the secrets, too, so they are built for the first text and
/// live no longer than one look; to build one takes longer than to read most answers.
#[derive(Default)]
struct Known {
    secrets: Vec<SharedSecret>,
    all: OnceLock<Search>,
    /// For secrets of [`MUCH`]; `None` if all have as much, as is usual.
    long: OnceLock<Option<Search>>,
}

impl Secrets {
    /// The portal's key.
    pub fn of_key(key: &SharedSecret) -> Self {
        Self::default().and(std::iter::once(key))
    }

    /// Also the values that the schedule takes from Secrets.
    pub fn and_of(&self, schedule: &Schedule) -> Self {
        let params = schedule.params.values().filter(|param| param.secret);
        self.and(params.map(|param| &param.value))
    }

    /// All secrets, without duplicates and empty ones.
    fn and<'a>(&self, more: impl Iterator<Item = &'a SharedSecret>) -> Self {
        let mut secrets = self.0.secrets.clone();
        for secret in more {
            let text = secret.expose_secret();
            let is_known = secrets.iter().any(|known| known.expose_secret() == text);
            if !text.is_empty() && !is_known {
                secrets.push(secret.clone());
            }
        }
        if secrets.len() == self.0.secrets.len() {
            return self.clone();
        }
        Self(Arc::new(Known {
            secrets,
            ..Known::default()
        }))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.secrets.len())
    }
}

/// A text of a portal as it came, in JSON. Most are never shown, so a text is read and cleaned only when it is.
#[derive(Clone, Default)]
pub struct Unread {
    json: Box<str>,
    secrets: Secrets,
}

impl Unread {
    /// The text for display.
    pub fn read(&self) -> String {
        let text: String = serde_json::from_str(&self.json).unwrap_or_default();
        Redactor::of(&self.secrets).clean(&text)
    }
}

impl From<String> for Unread {
    /// A text that no portal wrote.
    fn from(text: String) -> Self {
        Self {
            json: Value::String(text).to_string().into(),
            secrets: Secrets::default(),
        }
    }
}

impl fmt::Debug for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
}

/// Hides secrets in texts. That takes time in proportion to what is searched, whatever texts and secrets look like.
pub struct Redactor<'a> {
    secrets: &'a Secrets,
}

impl<'a> Redactor<'a> {
    /// A redactor for these secrets.
    pub fn of(secrets: &'a Secrets) -> Self {
        Self { secrets }
    }

    /// The text for display: in one line, then without the secrets, then cut. In this order, neither a removed
    /// character nor the cut can reveal a secret or a part of one.
    pub fn clean(&self, text: &str) -> String {
        cut(&self.hide(&one_line(text, LOOKED_AT)), MAX_CHARS)
    }

    /// The name for display; shorter than a text.
    pub fn name(&self, name: &str) -> String {
        cut(&self.clean(name), NAME_CHARS)
    }

    /// The id for display, as it is or hidden whole, because ids are compared. One of DocSpace's form stays unless it
    /// contains much of a secret: a short secret may be a part of it by chance. Any other stays if it is short, in plain
    /// characters, and without any secret.
    pub fn id(&self, text: &str) -> String {
        let is_of = |longest: usize, kind: fn(u8) -> bool| text.len() <= longest && text.bytes().all(kind);
        let is_shown = if is_of(36, |c| c.is_ascii_hexdigit() || c == b'-') {
            !self.long().finds_in(text)
        } else {
            is_of(MAX_ID, |c| matches!(c, b' '..=b'~')) && !self.all().finds_in(text)
        };
        if is_shown { text.into() } else { HIDDEN.into() }
    }

    /// The text in this JSON, to be read when it is shown.
    pub fn unread(&self, json: &RawValue) -> Unread {
        let json = Some(json.get()).filter(|json| json.len() <= MAX_UNREAD);
        Unread {
            json: json.unwrap_or_default().into(),
            secrets: self.secrets.clone(),
        }
    }

    /// The text with `(hidden)` instead of each secret, case-insensitive because, for example, hosts change their case.
    /// Overlapping or adjacent secrets are hidden as one, so that no part of them stays.
    fn hide(&self, text: &str) -> String {
        let shown = prefix(text, MAX_SEARCHED);
        let mut hidden = String::new();
        let mut end = 0;
        for found in self.all().found(prefix(text, LOOKED_AT)) {
            if found.start >= shown.len() {
                break;
            }
            hidden.push_str(&shown[end..found.start]);
            hidden.push_str(HIDDEN);
            end = found.end;
        }
        hidden.push_str(shown.get(end..).unwrap_or_default());
        hidden
    }

    /// Whether the text contains a secret, as far as it is ever shown.
    pub fn finds_in(&self, text: &str) -> bool {
        let most = LOOKED_AT;
        let forms = [one_line(text, most), without_unseen(text).take(most).collect()];
        forms.iter().any(|text| self.all().finds_in(text))
    }

    fn all(&self) -> &Search {
        let known = &self.secrets.0;
        known.all.get_or_init(|| Search::of(&known.secrets, 1))
    }

    fn long(&self) -> &Search {
        let known = &self.secrets.0;
        let long = known
            .long
            .get_or_init(|| (!all_have(&known.secrets, MUCH)).then(|| Search::of(&known.secrets, MUCH)));
        long.as_ref().unwrap_or_else(|| self.all())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use serde_json::value::to_raw_value;

    use super::*;

    fn secrets<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Secrets {
        let secrets: Vec<SharedSecret> = secrets.into_iter().map(Into::into).collect();
        Secrets::default().and(secrets.iter())
    }

    #[track_caller]
    fn hides<const N: usize>(which: [&str; N], text: &str, shown: &str) {
        assert_eq!(Redactor::of(&secrets(which)).hide(text), shown);
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let text = "key sk-1, sse 'sk-1-longer', bucket mine";
        hides(
            ["sk-1", "sk-1-longer", ""],
            text,
            "key (hidden), sse '(hidden)', bucket mine",
        );
        hides(["sk-AbC"], "https://SK-aBc.test", "https://(hidden).test");
        hides([], "sk-1", "sk-1");
    }

    #[test]
    fn no_part_of_one_that_overlaps_another_stays() {
        hides(["abc", "bcdef", "cd"], "-abcdef-", "-(hidden)-");
        hides(["ab", "aba"], "ababab", "(hidden)");
        hides(["b", "d", "abcde"], "abcde", "(hidden)");
    }

    #[test]
    fn a_text_of_any_length_makes_a_bounded_one() {
        let all = secrets(std::iter::repeat_n("d", 31));
        let redactor = Redactor::of(&all);
        assert_eq!(redactor.hide("Access denied"), "Access (hidden)enie(hidden)");
        assert_eq!(redactor.hide(&"d".repeat(1 << 20)), HIDDEN);
        let shown = redactor.hide(&"d ".repeat(1 << 20));
        assert!(
            shown.len() <= MAX_SEARCHED * (1 + HIDDEN.len()),
            "{} bytes",
            shown.len()
        );
    }

    #[test]
    fn one_that_lies_across_the_end_is_hidden_whole() {
        let long = "0123456789".repeat(7);
        // The second one begins in the last byte that is searched, and has more bytes than a pattern.
        for (secret, before) in [("0123456789", 1_020), (long.as_str(), 1_023)] {
            let text = format!("{}{secret}", "x".repeat(before));
            let shown = Redactor::of(&secrets([secret])).hide(&text);
            assert!(shown.ends_with("x(hidden)"), "{}", &shown[shown.len() - 20..]);
        }
    }

    #[test]
    fn of_a_long_text_only_the_beginning_is_searched() {
        let text = format!("{}sk-123", "x".repeat(2 * MAX_BYTES + MAX_PATTERN));
        assert!(!Redactor::of(&secrets(["sk-123"])).finds_in(&text));
    }

    #[test]
    fn a_text_that_no_portal_wrote_is_read_as_it_is() {
        assert_eq!(Unread::from("a \"b\".tar.gz".to_owned()).read(), "a \"b\".tar.gz");
    }

    #[test]
    fn what_makes_a_text_fit_to_be_shown_puts_none_together() {
        let all = secrets(["sk-123", "a b", "two\nlines"]);
        let redactor = Redactor::of(&all);
        for text in ["sk-1\u{1}23", "a \n b", "two\nlines", "two lines", "twolines"] {
            assert!(redactor.finds_in(text), "{text:?}");
        }
        assert_eq!(redactor.clean("a\n\tb and two\r\nlines"), "(hidden) and (hidden)");
        // What follows one that has lost the end of a line stays.
        assert_eq!(redactor.clean("twolines, a b!"), "(hidden), (hidden)!");
        assert_eq!(
            redactor
                .clean(&format!("{} sk-123", "x".repeat(252)))
                .matches("sk")
                .count(),
            0
        );
    }

    #[test]
    fn ids_are_compared_so_a_short_secret_leaves_them_as_they_are() {
        let id = "0f1e2d3c-0000-0000-0000-00000000a1b2";
        let short = secrets(["a", "0000"]);
        assert_eq!(Redactor::of(&short).id(id), id);
        assert_eq!(Redactor::of(&short).id("an archive"), HIDDEN);
        assert_eq!(Redactor::of(&short).id("the-newest"), "the-newest");
        assert_eq!(Redactor::of(&secrets([id])).id(id), HIDDEN);
    }

    #[test]
    fn a_secret_is_as_long_as_its_shortest_form() {
        // Where all have as much, one search does for all.
        let all_have_much = |other: &str| all_have(&["0123456789abcdef".into(), other.into()], MUCH);
        assert!(all_have_much("0123456789abcdef\n"));
        assert!(!all_have_much("0123456789abcde\n"));
    }

    #[test]
    fn what_begins_like_a_long_secret_is_hidden_as_far_as_that_would_reach() {
        let secret = format!("{}{}", "0123456789".repeat(7), "ä".repeat(2000));
        let all = secrets([secret.as_str()]);
        let redactor = Redactor::of(&all);
        for (text, shown) in [
            (format!("<{secret}>"), "<(hidden)"),
            (format!("<{}>", &secret[..MAX_PATTERN]), "<(hidden)"),
            (format!("<{}>", &secret[..MAX_PATTERN - 1]), "<012345"),
        ] {
            assert!(redactor.clean(&text).starts_with(shown), "{text:.80}");
        }
        // Its end may lie within a character of something else.
        let short = secrets([&secret[..MAX_PATTERN + 1]]);
        let text = format!("{}äx", &secret[..MAX_PATTERN]);
        assert_eq!(Redactor::of(&short).clean(&text), "(hidden)x");
        assert_eq!(redactor.id(&secret), HIDDEN);
        assert_eq!(redactor.name(&secret), HIDDEN);
        let later = redactor.unread(&to_raw_value(&secret[..300]).expect("JSON"));
        assert_eq!(
            (later.read().as_str(), format!("{later:?}").as_str()),
            (HIDDEN, "a text")
        );
        // A secret of several lines is also found in one line, with blanks or without.
        let lines = format!("BEGIN\n{}\nEND", "0123456789".repeat(7));
        let all = secrets([lines.as_str()]);
        for text in [lines.clone(), lines.replace('\n', "")] {
            assert_eq!(Redactor::of(&all).clean(&text), HIDDEN, "{text}");
        }
    }

    #[test]
    fn names_and_ids_are_short() {
        let none = Secrets::default();
        let redactor = Redactor::of(&none);
        assert_eq!(redactor.id(&"x".repeat(MAX_ID)), "x".repeat(MAX_ID));
        for odd in [
            "x".repeat(MAX_ID + 1),
            "ä".into(),
            "a\u{202e}b".into(),
            "a\nb".into(),
        ] {
            assert_eq!(redactor.id(&odd), HIDDEN, "{odd:?}");
        }
        assert_eq!(redactor.name(&"x".repeat(1000)).chars().count(), NAME_CHARS);
        assert_eq!(redactor.clean(&"x".repeat(1000)).chars().count(), MAX_CHARS);
    }

    #[test]
    fn a_debug_print_tells_how_many_and_nothing_else() {
        assert_eq!(format!("{:?}", secrets(["sk-1", "sk-1"])), "1 secrets");
    }

    fn holds(text: &str, secret: &str) -> bool {
        text.to_ascii_lowercase().contains(&secret.to_ascii_lowercase())
    }

    proptest! {
        /// Of few letters, so that secrets overlap, repeat and hold each other; `d` is in the mark itself.
        #[test]
        fn no_secret_stays_and_only_marks_are_added(which in vec("[aAbd]{0,4}", 0..40), text in "[aAbdD ]{0,80}") {
            let all = secrets(which.iter().map(String::as_str));
            let redactor = Redactor::of(&all);
            let shown = redactor.hide(&text);
            let pieces: Vec<_> = shown.split(HIDDEN).collect();
            for secret in which.iter().filter(|secret| !secret.is_empty()) {
                prop_assert!(pieces.iter().all(|piece| !holds(piece, secret)), "{secret} in {shown}");
            }
            let marks = pieces.len() - 1;
            prop_assert!(shown.len() <= text.len() + marks * HIDDEN.len());
            prop_assert!(marks == 0 || redactor.finds_in(&text));
            // What is shown is what was there, in its order.
            let mut rest = text.as_str();
            for piece in pieces {
                let at = rest.find(piece);
                prop_assert!(at.is_some(), "{piece} of {shown} is not in {text}");
                rest = &rest[at.unwrap_or_default() + piece.len()..];
            }
        }
    }
}
