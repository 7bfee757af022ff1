//! The README names every reason and every Event that a user can meet.

use std::{fs, path::Path};

/// The names in the README's tables, as they stand in the columns of reasons.
fn named() -> Vec<String> {
    let words = |cell: &str| {
        cell.split(", ")
            .map(|word| word.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let rows = read("README.md");
    let rows = rows.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('|').flat_map(words).collect::<Vec<_>>())
        .collect()
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn assert_named(names: &[String]) {
    let named = named();
    let missing: Vec<_> = names.iter().filter(|name| !named.contains(name)).collect();
    assert!(missing.is_empty(), "README.md does not tell of {missing:?}");
}

/// The variants of an enum without fields.
fn variants(path: &str, name: &str) -> Vec<String> {
    let source = read(path);
    let start = format!("pub enum {name} {{\n");
    let (_, after) = source
        .split_once(&start)
        .unwrap_or_else(|| panic!("{path} has no {start}"));
    let (body, _) = after.split_once("\n}").expect("the enum ends");
    let lines = body.lines().map(str::trim);
    lines
        .filter_map(|line| line.strip_suffix(','))
        .map(Into::into)
        .collect()
}

/// The first arguments of these calls in the controller's sources, where they are literals.
fn literals(folder: &Path, before: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("tests") {
            literals(&path, before, found);
        } else if path.is_file() && !path.ends_with("tests.rs") {
            let source = fs::read_to_string(&path).expect("source is text");
            let rest = source.split(before).skip(1);
            let text = rest.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
            found.extend(text.map(Into::into));
        }
    }
}

fn literals_of_controller(before: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/controller");
    let mut found = Vec::new();
    literals(&folder, before, &mut found);
    assert!(!found.is_empty(), "nothing begins with {before}");
    found
}

#[test]
fn reasons_of_ready() {
    let reasons = variants("src/controller/reason.rs", "Reason");
    assert!(reasons.len() > 30, "{reasons:?}");
    assert_named(&reasons);
    assert_named(&["Pending".into()]);
}

#[test]
fn reasons_of_backup_fresh() {
    let reasons = variants("src/controller/fresh/mod.rs", "Freshness");
    assert!(reasons.len() > 10, "{reasons:?}");
    assert_named(&reasons);
}

#[test]
fn reasons_of_credentials_valid() {
    assert_named(&literals_of_controller("AtFault("));
    let described = ["Accepted", "ExpiresSoon", "Expired"];
    assert_named(&described.map(Into::into));
}

#[test]
fn events() {
    assert_named(&literals_of_controller("Note::normal("));
    assert_named(&literals_of_controller("Note::warning("));
}
