//! Finds secrets in a text. That takes time in proportion to the text, whatever it and the secrets look like.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use secrecy::ExposeSecret;

use crate::{
    secret::SharedSecret,
    text::{one_line, prefix, without_unseen},
};

/// The searched length of a secret, in bytes. What begins with it counts as the whole secret.
pub const MAX_PATTERN: usize = 64;

/// A search for secrets; it contains what they begin with.
pub enum Search {
    /// There is nothing to find.
    Nothing,
    /// For these.
    For {
        /// What they begin with.
        patterns: AhoCorasick,
        /// How long the secret of each pattern is at most, in bytes.
        lengths: Vec<usize>,
    },
    /// Too many secrets to search for: all of a text is found.
    Impossible,
}

impl Search {
    /// A search for those of at least so many bytes, as they are and as a cleaned text has them, in any case.
    pub fn of(secrets: &[SharedSecret], shortest: usize) -> Self {
        let mut patterns: Vec<_> = secrets.iter().flat_map(patterns).collect();
        patterns.retain(|(_, length)| *length >= shortest);
        if patterns.is_empty() {
            return Self::Nothing;
        }
        // Of those that begin alike, the longest comes last.
        patterns.sort();
        patterns.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = next.1;
            }
            same
        });
        let (patterns, lengths): (Vec<_>, _) = patterns.into_iter().unzip();
        let built = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .prefilter(false)
            .ascii_case_insensitive(true)
            .build(&patterns);
        built.map_or(Self::Impossible, |patterns| Self::For { patterns, lengths })
    }

    /// Whether there is something to hide.
    pub fn finds_in(&self, text: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::For { patterns, .. } => patterns.is_match(text),
            Self::Impossible => true,
        }
    }

    /// The ranges to hide, in order and apart.
    pub fn found(&self, text: &str) -> Vec<Range<usize>> {
        let (patterns, lengths) = match self {
            Self::Nothing => return Vec::new(),
            Self::Impossible => return std::iter::once(0..text.len()).collect(),
            Self::For { patterns, lengths } => (patterns, lengths),
        };
        // How far what begins at each place reaches.
        let mut ends = vec![0; text.len()];
        for found in patterns.find_overlapping_iter(text) {
            let end = text.len().min(found.start() + lengths[found.pattern()]);
            ends[found.start()] = end.max(ends[found.start()]);
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (start, end) in ends.into_iter().enumerate().filter(|(_, end)| *end > 0) {
            // What follows a pattern may be something else than the secret, and end elsewhere.
            let end = (end..text.len()).find(|at| text.is_char_boundary(*at));
            let end = end.unwrap_or(text.len());
            match ranges.last_mut() {
                Some(last) if last.end >= start => last.end = last.end.max(end),
                _ => ranges.push(start..end),
            }
        }
        ranges
    }
}

/// Whether each of them has at least so many bytes, as it is and as a cleaned text has it.
pub fn all_have(secrets: &[SharedSecret], least: usize) -> bool {
    let mut patterns = secrets.iter().flat_map(patterns);
    patterns.all(|(_, length)| length >= least)
}

/// How a secret may begin in a text, and how long it is then at most.
fn patterns(secret: &SharedSecret) -> impl Iterator<Item = (String, usize)> {
    let text = secret.expose_secret();
    let forms = [
        prefix(text, MAX_PATTERN + 4).to_owned(),
        one_line(text, MAX_PATTERN + 1),
        without_unseen(text).take(MAX_PATTERN + 1).collect(),
    ];
    let whole = text.len();
    let forms = forms.into_iter().filter(|form| !form.is_empty());
    forms.map(move |form| match form.len() {
        length @ ..=MAX_PATTERN => (form, length),
        _ => (prefix(&form, MAX_PATTERN).into(), whole),
    })
}
