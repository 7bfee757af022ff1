//! A strict reader of OpenMetrics text, as far as the operator makes use of it.

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// All that was read.
#[derive(Debug, Default)]
pub struct Scrape {
    /// Type by family.
    pub families: BTreeMap<String, String>,
    /// Value by the sample's name and labels.
    pub samples: BTreeMap<(String, Labels), f64>,
}

impl Scrape {
    /// Reads a text; panics where it is not as it should be.
    pub fn of(text: &str) -> Self {
        assert!(text.ends_with("\n# EOF\n"), "no # EOF at the end");
        let mut scrape = Self::default();
        let mut family = Family::default();
        for line in text.trim_end_matches("# EOF\n").lines() {
            match line.strip_prefix("# ") {
                Some(description) => scrape.describe(&mut family, description),
                None => scrape.sample(&family, line),
            }
        }
        scrape.check_histograms();
        scrape
    }

    fn describe(&mut self, family: &mut Family, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (kind, name) = (words.next().expect("a word"), words.next().expect("a name"));
        let rest = words.next().expect("a text");
        assert!(is_name(name) && !rest.is_empty(), "{line}");
        if family.name != name {
            assert!(!self.families.contains_key(name), "{name} comes twice");
            *family = Family {
                name: name.into(),
                ..Family::default()
            };
        }
        assert!(family.described.insert(kind.into()), "{line}: twice");
        match kind {
            "HELP" => {}
            "TYPE" => {
                assert!(
                    ["counter", "gauge", "histogram", "info"].contains(&rest),
                    "{line}"
                );
                family.kind = rest.into();
                self.families.insert(name.into(), rest.into());
            }
            "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
            _ => panic!("{line}"),
        }
    }

    fn sample(&mut self, family: &Family, line: &str) {
        let at = line.find(['{', ' ']).expect("a name");
        let (name, rest) = line.split_at(at);
        let suffix = name
            .strip_prefix(family.name.as_str())
            .expect("within its family");
        let allowed: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => panic!("{line}: before its type"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (Labels::new(), rest),
        };
        let value = value.strip_prefix(' ').expect("a blank");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(value.is_finite(), "{line}");
        assert!(family.kind == "gauge" || value >= 0.0, "{line}");
        let before = self.samples.insert((name.into(), labels), value);
        assert!(before.is_none(), "{line}: twice");
    }

    /// Buckets only grow, and the last has all.
    fn check_histograms(&self) {
        for ((name, labels), count) in &self.samples {
            let Some(name) = name.strip_suffix("_count") else {
                continue;
            };
            let mut buckets: Vec<_> = self
                .samples
                .iter()
                .filter(|((bucket, _), _)| *bucket == format!("{name}_bucket"))
                .filter_map(|((_, of), count)| {
                    let mut of = of.clone();
                    let bound = of.remove("le").expect("a bound");
                    let bound = bound.replace("+Inf", "inf").parse::<f64>().expect("a number");
                    (of == *labels).then_some((bound, *count))
                })
                .collect();
            buckets.sort_by(|one, other| one.partial_cmp(other).expect("numbers"));
            assert!(
                buckets.is_sorted_by_key(|(_, count)| *count),
                "{name}: {buckets:?}"
            );
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
        }
    }

    /// The value of a sample with exactly these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        self.samples.get(&(name.into(), labels)).copied()
    }
}

#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    described: BTreeSet<String>,
}

/// Labels up to the closing brace, and what is behind it.
pub fn labels(mut rest: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    loop {
        let (name, value) = rest.split_once("=\"").expect("a label");
        assert!(is_name(name), "{name}");
        let mut text = String::new();
        let mut characters = value.char_indices();
        rest = loop {
            match characters.next().expect("an end of the value") {
                (at, '"') => break &value[at + 1..],
                (_, '\\') => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => text.push('\n'),
                    Some(escaped @ ('\\' | '"')) => text.push(escaped),
                    _ => panic!("{value}: an unknown escape"),
                },
                (_, character) => text.push(character),
            }
        };
        assert!(labels.insert(name.into(), text).is_none(), "{name} comes twice");
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (labels, rest.strip_prefix('}').expect("a closing brace")),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
