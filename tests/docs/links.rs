//! Relative links lead to files that exist, and to anchors that their pages have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{pages, path, read};

/// GitHub shows the beginning of a README; a reader should see all of this one.
const LONGEST_README: usize = 6 * 1024;

/// A page without its blocks of code, and without code within lines.
fn prose(page: &str) -> String {
    let mut in_block = false;
    let mut prose = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            assert!(line.matches('`').count() % 2 == 0, "code in two lines: {line}");
            let outside = line.split('`').step_by(2);
            prose.extend(outside);
            prose.push('\n');
        }
    }
    assert!(!in_block, "a block of code does not end");
    prose
}

/// The anchor that GitHub gives to a heading.
fn anchor_of(heading: &str) -> String {
    // A link in a heading counts by its text.
    let mut text = String::new();
    let mut rest = heading;
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    let kept = text
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The anchors of a page: of its headings, numbered where they repeat, and those that it sets itself.
pub fn anchors(page: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut counts = BTreeMap::<String, usize>::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        if line.starts_with('#') {
            let anchor = anchor_of(line.trim_start_matches('#'));
            let count = counts.entry(anchor.clone()).or_default();
            anchors.insert(match *count {
                0 => anchor,
                before => format!("{anchor}-{before}"),
            });
            *count += 1;
        }
        for set in line.split("<a id=\"").skip(1) {
            let id = set.split('"').next().expect("an id");
            assert!(anchors.insert(id.into()), "the anchor {id} is there twice");
        }
    }
    anchors
}

/// What the links of a page lead to, without those to other sites.
fn links(page: &str) -> Vec<String> {
    let prose = prose(page);
    // A link's text may be in two lines, its address not.
    let addresses = prose.split("](").skip(1).map(|rest| {
        let (address, _) = rest.split_once(')').expect("a link ends");
        address.to_owned()
    });
    addresses.filter(|address| !address.contains("://")).collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() >= 15, "{pages:?}");
    let (mut count, mut dead) = (0, Vec::new());
    for page in &pages {
        for link in links(&read(page)) {
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().expect("a folder").join(file),
            };
            let leads = match fs::canonicalize(path(&target)) {
                Err(_) => false,
                Ok(absolute) => {
                    let root = fs::canonicalize(path("")).expect("the repository");
                    absolute.starts_with(root)
                        && (anchor.is_empty() || anchors(&read(&target)).contains(anchor))
                }
            };
            if !leads {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(count >= 80, "only {count} links");
    assert!(dead.is_empty(), "dead links: {dead:#?}");
}

#[test]
fn every_page_is_linked() {
    let mut linked = BTreeSet::new();
    for page in pages() {
        for link in links(&read(&page)) {
            let file = link.split('#').next().expect("a file");
            let folder = page.parent().unwrap_or(Path::new(""));
            linked.extend(fs::canonicalize(path(folder).join(file)));
        }
    }
    for page in pages() {
        let absolute = fs::canonicalize(path(&page)).expect("a page");
        assert!(
            page == Path::new("README.md") || linked.contains(&absolute),
            "no page links to {}",
            page.display()
        );
    }
}

#[test]
fn the_readme_is_short() {
    let length = read("README.md").len();
    assert!(length <= LONGEST_README, "README.md has {length} bytes");
}

#[test]
fn anchors_are_githubs() {
    let page = "# One `--flag`, two\n## What's *new*?\n## A [link](x.md#y) here\n## a link here\n```\n# none\n```\n\
                <a id=\"r-1\"></a>1\n";
    let expected = [
        "one---flag-two",
        "whats-new",
        "a-link-here",
        "a-link-here-1",
        "r-1",
    ];
    assert_eq!(anchors(page), expected.map(Into::into).into());
    assert_eq!(
        links("[a](b.md#c) `[d](e)` [f](https://g) [h\ni](j)"),
        ["b.md#c", "j"]
    );
}
