//! Removes the operator's secrets from texts of a portal, which may echo them in any field.

use std::{cell::OnceCell, fmt, ops::Range, sync::Arc};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use secrecy::ExposeSecret;

use crate::{
    portal::text::{clean, cut, one_line, prefix},
    schedule::{HIDDEN, Schedule, without_controls},
    secret::SharedSecret,
};

/// The searched length of a text, in bytes; the rest is not shown.
const MAX_SEARCHED: usize = 4 * 1024;
/// An id that contains this many bytes of a secret is hidden.
const MUCH: usize = 16;

/// The secrets to hide: the API key, and the values that a schedule takes from Secrets. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Vec<SharedSecret>>);

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
        let mut secrets = self.clone();
        for secret in more {
            let text = secret.expose_secret();
            let is_known = secrets.0.iter().any(|known| known.expose_secret() == text);
            if !text.is_empty() && !is_known {
                Arc::make_mut(&mut secrets.0).push(secret.clone());
            }
        }
        secrets
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// Hides secrets in the texts of one answer.
pub struct Redactor<'a> {
    secrets: &'a Secrets,
    /// Built for the first text. It contains the secrets, so it lives only while the answer is read.
    search: OnceCell<Search>,
}

enum Search {
    Nothing,
    For(AhoCorasick),
    /// Too many secrets to search for: every text is hidden.
    Impossible,
}

impl<'a> Redactor<'a> {
    /// A redactor for these secrets.
    pub fn of(secrets: &'a Secrets) -> Self {
        Self {
            secrets,
            search: OnceCell::new(),
        }
    }

    /// The text for display: in one line, then without the secrets, then cut. In this order, neither a removed
    /// character nor the cut can reveal a secret or a part of one.
    pub fn clean(&self, text: &str) -> String {
        cut(&self.hide(&one_line(text, self.most_searched())))
    }

    /// The id for display. Ids are compared, so an id of DocSpace's form stays unchanged unless it contains much of a
    /// secret: a short secret may be a part of it by chance.
    pub fn id(&self, text: &str) -> String {
        let is_id = text.len() <= 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        match is_id && self.found(text).iter().all(|found| found.len() < MUCH) {
            true => clean(text),
            false => self.clean(text),
        }
    }

    /// The text with `(hidden)` instead of each secret, case-insensitive because, for example, hosts change their case.
    /// Overlapping or adjacent secrets are hidden as one, so that no part of them stays.
    pub fn hide(&self, text: &str) -> String {
        let searched = prefix(text, self.most_searched());
        let shown = prefix(text, MAX_SEARCHED);
        let mut hidden = String::new();
        let mut end = 0;
        for found in self
            .found(searched)
            .into_iter()
            .filter(|found| found.start < shown.len())
        {
            hidden.push_str(&shown[end..found.start]);
            hidden.push_str(HIDDEN);
            end = found.end;
        }
        hidden.push_str(shown.get(end..).unwrap_or_default());
        hidden
    }

    /// Whether the text contains a secret.
    pub fn finds_in(&self, text: &str) -> bool {
        let most = self.most_searched();
        let forms = [one_line(text, most), without_controls(text).take(most).collect()];
        forms
            .iter()
            .any(|text| !self.found(prefix(text, most)).is_empty())
    }

    /// Ignores secrets that begin beyond the displayed part.
    fn most_searched(&self) -> usize {
        let lengths = self.secrets.0.iter().map(|secret| secret.expose_secret().len());
        MAX_SEARCHED + lengths.max().unwrap_or_default()
    }

    /// The ranges to hide, in order.
    fn found(&self, text: &str) -> Vec<Range<usize>> {
        let search = match self.search.get_or_init(|| self.secrets.search()) {
            Search::Nothing => return Vec::new(),
            Search::Impossible => return std::iter::once(0..text.len()).collect(),
            Search::For(search) => search,
        };
        let mut found: Vec<Range<usize>> = Vec::new();
        // Matches are ordered by their ends, so a longer one may include several before it.
        for next in search.find_overlapping_iter(text).map(|found| found.range()) {
            let mut start = next.start;
            while let Some(last) = found.pop_if(|last| last.end >= start) {
                start = start.min(last.start);
            }
            found.push(start..next.end);
        }
        found
    }
}

impl Secrets {
    /// The secrets as they are, and as `one_line` changes them.
    fn search(&self) -> Search {
        if self.0.is_empty() {
            return Search::Nothing;
        }
        let forms = |secret: &SharedSecret| {
            let text = secret.expose_secret();
            [
                text.to_owned(),
                one_line(text, usize::MAX),
                without_controls(text).collect(),
            ]
        };
        let mut patterns: Vec<_> = self
            .0
            .iter()
            .flat_map(forms)
            .filter(|text| !text.is_empty())
            .collect();
        patterns.sort();
        patterns.dedup();
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .prefilter(false)
            .ascii_case_insensitive(true)
            .build(&patterns);
        search.map_or(Search::Impossible, Search::For)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

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
        let secret = "0123456789";
        let text = format!("{}{secret}", "x".repeat(MAX_SEARCHED - 4));
        let shown = Redactor::of(&secrets([secret])).hide(&text);
        assert!(shown.ends_with("x(hidden)"), "{}", &shown[shown.len() - 20..]);
    }

    #[test]
    fn what_makes_a_text_fit_to_be_shown_puts_none_together() {
        let all = secrets(["sk-123", "a b", "two\nlines"]);
        let redactor = Redactor::of(&all);
        for text in ["sk-1\u{1}23", "a \n b", "two\nlines", "two lines", "twolines"] {
            assert!(redactor.finds_in(text), "{text:?}");
        }
        assert_eq!(redactor.clean("a\n\tb and two\r\nlines"), "(hidden) and (hidden)");
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
        assert_eq!(Redactor::of(&short).id("an archive"), "(hidden)n (hidden)rchive");
        assert_eq!(Redactor::of(&secrets([id])).id(id), HIDDEN);
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
