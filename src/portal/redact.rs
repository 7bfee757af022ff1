//! Keeps our secrets out of what a portal says, whatever it echoes in whatever field.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use secrecy::{ExposeSecret, SecretString};

use super::text::clean;
use crate::schedule::{HIDDEN, Schedule};

/// Hides secrets in texts: the API key, and the values that a schedule takes from Secrets. Cheap to clone.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Each once, and none empty.
    secrets: Vec<SecretString>,
    /// Made when the first text comes.
    search: OnceLock<Search>,
}

enum Search {
    Nothing,
    For(AhoCorasick),
    /// More secrets than can be searched for: every text is hidden.
    Impossible,
}

impl Redactor {
    /// Hides the portal's key.
    pub fn of_key(key: &SecretString) -> Self {
        Self::of([key])
    }

    /// Hides the values that the schedule takes from Secrets, too.
    pub fn and_of(&self, schedule: &Schedule) -> Self {
        let params = schedule.params.values().filter(|param| param.secret);
        Self::of(self.0.secrets.iter().chain(params.map(|param| &param.value)))
    }

    fn of<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let mut secrets: Vec<_> = secrets
            .into_iter()
            .filter(|secret| !secret.expose_secret().is_empty())
            .cloned()
            .collect();
        secrets.sort_by(|a, b| a.expose_secret().cmp(b.expose_secret()));
        secrets.dedup_by(|a, b| a.expose_secret() == b.expose_secret());
        Self(Arc::new(Inner {
            secrets,
            search: OnceLock::new(),
        }))
    }

    /// The text fit to be shown: first without the secrets, then cleaned, lest a cut leaves a part of one.
    pub fn clean(&self, text: &str) -> String {
        clean(&self.hide(text))
    }

    /// The text with `(hidden)` in place of each secret, in whatever case of letters: that of a host, say, is changed on its
    /// way. Secrets that overlap or touch are hidden as one, so that no part of any of them stays.
    pub fn hide(&self, text: &str) -> String {
        let mut shown = String::new();
        let mut end = 0;
        for found in self.found(text) {
            shown.push_str(&text[end..found.start]);
            shown.push_str(HIDDEN);
            end = found.end;
        }
        shown.push_str(&text[end..]);
        shown
    }

    /// Whether there is a secret in the text.
    pub fn finds_in(&self, text: &str) -> bool {
        !self.found(text).is_empty()
    }

    /// Where the text must not be shown, from its beginning to its end.
    fn found(&self, text: &str) -> Vec<Range<usize>> {
        let search = match self.0.search.get_or_init(|| self.0.search()) {
            Search::Nothing => return Vec::new(),
            Search::Impossible => return std::iter::once(0..text.len()).collect(),
            Search::For(search) => search,
        };
        let mut found: Vec<Range<usize>> = Vec::new();
        // They come in the order of their ends, so a longer one may take in several before it.
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

impl Inner {
    fn search(&self) -> Search {
        if self.secrets.is_empty() {
            return Search::Nothing;
        }
        // The only kind that keeps no copy of the secrets as they are.
        let search = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .prefilter(false)
            .ascii_case_insensitive(true)
            .build(self.secrets.iter().map(ExposeSecret::expose_secret));
        search.map_or(Search::Impossible, Search::For)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} secrets)", self.0.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn redactor<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Redactor {
        let secrets: Vec<SecretString> = secrets.into_iter().map(Into::into).collect();
        Redactor::of(&secrets)
    }

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let redactor = redactor(["sk-1", "sk-1-longer", ""]);
        assert_eq!(
            redactor.hide("key sk-1, sse 'sk-1-longer', bucket mine"),
            "key (hidden), sse '(hidden)', bucket mine"
        );
    }

    #[test]
    fn no_part_of_one_that_overlaps_another_stays() {
        assert_eq!(redactor(["abc", "bcdef", "cd"]).hide("-abcdef-"), "-(hidden)-");
        assert_eq!(redactor(["ab", "aba"]).hide("ababab"), "(hidden)");
        assert_eq!(redactor(["b", "d", "abcde"]).hide("abcde"), "(hidden)");
        assert_eq!(
            redactor(["sk-AbC"]).hide("https://SK-aBc.test"),
            "https://(hidden).test"
        );
    }

    #[test]
    fn many_that_are_the_same_make_no_more_than_one_mark() {
        let redactor = redactor(std::iter::repeat_n("d", 31));
        assert_eq!(redactor.hide("Access denied"), "Access (hidden)enie(hidden)");
        let text = "d".repeat(1 << 20);
        assert_eq!(redactor.hide(&text), HIDDEN);
    }

    #[test]
    fn a_debug_print_tells_how_many_and_nothing_else() {
        let redactor = redactor(["sk-1"]);
        redactor.hide("sk-1");
        assert_eq!(format!("{redactor:?}"), "Redactor(1 secrets)");
    }

    fn holds(text: &str, secret: &str) -> bool {
        text.to_ascii_lowercase().contains(&secret.to_ascii_lowercase())
    }

    proptest! {
        /// Of few letters, so that secrets overlap, repeat and hold each other; `d` is in the mark itself.
        #[test]
        fn no_secret_stays_and_only_marks_are_added(secrets in vec("[aAbd]{0,4}", 0..40), text in "[aAbdD ]{0,80}") {
            let redactor = redactor(secrets.iter().map(String::as_str));
            let shown = redactor.hide(&text);
            let pieces: Vec<_> = shown.split(HIDDEN).collect();
            for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
                prop_assert!(pieces.iter().all(|piece| !holds(piece, secret)), "{secret} in {shown}");
            }
            let marks = pieces.len() - 1;
            prop_assert!(shown.len() <= text.len() + marks * HIDDEN.len());
            prop_assert_eq!(marks > 0, redactor.finds_in(&text));
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
