//! The tree of the architecture page is the repository's, and paths that pages name exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::{block_after, pages, path, read};

const PAGE: &str = "docs/architecture.md";
const HEADING: &str = "## The tree";
/// Paths that begin so are the repository's.
const FOLDERS: [&str; 5] = ["src/", "tests/", "deploy/", "docs/", "crds/"];

/// Names are in lower case; comments are not, or have more than one word.
fn is_name(chunk: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    !chunk.is_empty() && chunk.chars().all(allowed)
}

/// The paths of the tree, folders with a slash at the end.
fn tree() -> Vec<String> {
    let page = read(PAGE);
    let (mut paths, mut folders) = (Vec::new(), Vec::<(usize, String)>::new());
    for line in block_after(&page, HEADING).lines() {
        let names = line.trim_start();
        let depth = line.len() - names.len();
        folders.retain(|(other, _)| *other < depth);
        let parent = folders.last().map(|(_, name)| name.clone()).unwrap_or_default();
        let names: Vec<_> = names
            .split("  ")
            .map(str::trim)
            .filter(|chunk| !chunk.is_empty())
            .collect();
        let names: Vec<_> = names.into_iter().take_while(|chunk| is_name(chunk)).collect();
        assert!(!names.is_empty(), "a line without a path: {line}");
        paths.extend(names.iter().map(|name| format!("{parent}{name}")));
        if let [name] = names[..]
            && name.ends_with('/')
        {
            folders.push((depth, format!("{parent}{name}")));
        }
    }
    paths
}

fn exists(name: &str) -> bool {
    let file = path(name);
    if name.ends_with('/') {
        file.is_dir()
    } else {
        file.is_file()
    }
}

#[test]
fn every_path_in_the_tree_exists() {
    let tree = tree();
    assert!(tree.len() > 60, "{tree:?}");
    let missing: Vec<_> = tree.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "{PAGE} names {missing:#?}");
}

/// Where the tree goes into a folder, it names all that is there.
#[test]
fn every_module_is_in_the_tree() {
    let mut named = BTreeMap::<PathBuf, BTreeSet<String>>::new();
    for name in tree().iter().filter(|name| name.starts_with("src/")) {
        let file = Path::new(name);
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            named.entry(folder.into()).or_default().insert(name);
        }
    }
    let mut missing = Vec::new();
    for (folder, named) in named {
        let Ok(entries) = fs::read_dir(path(&folder)) else {
            missing.push(folder.display().to_string());
            continue;
        };
        for entry in entries {
            let name = entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned();
            let is_test = name == "tests" || name == "tests.rs";
            if !is_test && !named.contains(&name) {
                missing.push(folder.join(name).display().to_string());
            }
        }
    }
    assert!(missing.is_empty(), "the tree of {PAGE} lacks {missing:#?}");
}

#[test]
fn every_path_that_a_page_names_exists() {
    let mut missing = BTreeSet::new();
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        for code in text.split('`').skip(1).step_by(2) {
            let is_path = FOLDERS.iter().any(|folder| code.starts_with(folder)) && is_name(code);
            if is_path {
                count += 1;
                if !path(code).exists() {
                    missing.insert(format!("{}: {code}", page.display()));
                }
            }
        }
    }
    assert!(count > 30, "only {count} paths");
    assert!(missing.is_empty(), "{missing:#?}");
}
