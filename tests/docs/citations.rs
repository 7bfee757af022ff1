//! What comments cite of DocSpace's behaviour is explained on its page, and what the page explains was recorded.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{files, has_extension, links::anchors, path, read};

const PAGE: &str = "docs/docspace.md";

/// How something is cited, and how its anchors begin. Numbers follow: one, several, or from one to another.
const NUMBERED: [(&str, &str); 4] = [
    ("R ", "r-"),
    ("trap ", "trap-"),
    ("traps ", "trap-"),
    ("next-runs ", "next-runs-"),
];

/// Sources as one line each, so that a citation is not torn apart where a comment's line ends.
fn sources() -> Vec<(String, String)> {
    let rust = |file: &std::path::Path| {
        !file.starts_with("tests/recordings") && !file.starts_with("tests/docs") && has_extension(file, "rs")
    };
    let sources = ["src", "tests"].map(|folder| files(folder, rust)).concat();
    let one_line = |text: String| {
        let lines = text
            .lines()
            .map(|line| line.trim().trim_start_matches(['/', '!']).trim());
        lines.collect::<Vec<_>>().join(" ")
    };
    let sources = sources.into_iter();
    sources
        .map(|file| (file.display().to_string(), one_line(read(file))))
        .collect()
}

/// The numbers at the beginning of a text: `3, 21 and 223`, or the ends of `10–18`.
fn numbers(mut text: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    loop {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(number) = text[..digits].parse() else {
            return numbers;
        };
        numbers.push(number);
        text = &text[digits..];
        let Some(rest) = [", ", " and ", " to ", "–"]
            .iter()
            .find_map(|between| text.strip_prefix(between))
        else {
            return numbers;
        };
        text = rest;
    }
}

/// What follows each place where this word begins.
fn after<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(word) {
        let before = text[..at].chars().next_back();
        if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-') {
            found.push(&text[at + word.len()..]);
        }
    }
    found
}

/// The anchors that a source cites.
fn cited(text: &str) -> BTreeSet<String> {
    let mut cited = BTreeSet::new();
    for (word, anchor) in NUMBERED {
        let capital = word[..1].to_uppercase() + &word[1..];
        let mut places = after(text, word);
        if capital != word {
            places.extend(after(text, &capital));
        }
        let numbers = places.into_iter().flat_map(numbers);
        cited.extend(numbers.map(|number| format!("{anchor}{number}")));
    }
    for rest in after(text, "story ") {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-');
        let name = &rest[..end.unwrap_or(rest.len())];
        if stories().contains(name) {
            cited.insert(format!("story-{name}"));
        }
    }
    cited
}

/// The names of the recorded stories.
fn stories() -> BTreeSet<String> {
    let entries = fs::read_dir(path("tests/recordings/stories")).expect("a folder");
    let files = entries.map(|entry| entry.expect("an entry").path());
    files
        .map(|file| file.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect()
}

/// The numbers of recordings, or of due times.
fn recorded(list: impl Fn(&str, &Value) -> Option<Vec<Value>>) -> BTreeSet<String> {
    let mut recorded = BTreeSet::new();
    for file in files("tests/recordings", |file| has_extension(file, "json")) {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let content: Value = serde_json::from_str(&read(&file)).expect("JSON");
        let items = list(&name, &content).into_iter().flatten();
        recorded.extend(items.filter_map(|item| Some(item.get("id")?.as_u64()?.to_string())));
    }
    recorded
}

#[test]
fn everything_that_is_cited_is_on_the_page() {
    let there_are = anchors(&read(PAGE));
    let mut missing = BTreeSet::new();
    let mut count = 0;
    for (file, text) in sources() {
        let cited = cited(&text);
        count += cited.len();
        let gone = cited.into_iter().filter(|anchor| !there_are.contains(anchor));
        missing.extend(gone.map(|anchor| format!("{anchor} ({file})")));
    }
    assert!(count > 200, "only {count} citations were found");
    assert!(missing.is_empty(), "{PAGE} does not explain {missing:#?}");
}

#[test]
fn everything_on_the_page_was_recorded() {
    let exchanges = recorded(|_, content| content.as_array().cloned());
    let due_times = recorded(|name, content| {
        let rows = (name == "next-runs").then(|| content.get("rows"))?;
        rows?.as_array().cloned()
    });
    let (mut told, mut stories_told) = (0, BTreeSet::new());
    for anchor in anchors(&read(PAGE)) {
        if let Some(number) = anchor.strip_prefix("r-") {
            assert!(exchanges.contains(number), "there is no recording {number}");
            told += 1;
        } else if let Some(number) = anchor.strip_prefix("next-runs-") {
            assert!(due_times.contains(number), "next-runs has no row {number}");
        } else if let Some(name) = anchor.strip_prefix("story-") {
            stories_told.insert(name.to_owned());
        }
    }
    assert!(told > 100, "only {told} recordings");
    assert_eq!(stories_told, stories());
}

/// The page refers to itself as the sources do.
#[test]
fn citations_are_found() {
    let text = "so (trap 4, R 312, story cleaner-pass). Traps 10 to 12 and 16; R 337–341, 814. FOR 3, next-runs 77–79 R x";
    let expected = [
        "trap-4",
        "r-312",
        "story-cleaner-pass",
        "trap-10",
        "trap-12",
        "trap-16",
        "r-337",
        "r-341",
        "r-814",
        "next-runs-77",
        "next-runs-79",
    ];
    assert_eq!(cited(text), expected.map(Into::into).into());
}
