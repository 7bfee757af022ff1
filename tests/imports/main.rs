//! What each file of `src` may import: no circle between files, no arrow upwards, and no I/O in the rules.

mod graph;

use std::{collections::BTreeSet, fs, path::Path};

use graph::{Graph, sources};

/// Rooms, from the lowest to the highest. A file imports from its own and from those below.
const ROOMS: [&[&str]; 7] = [
    &[
        "cluster", "dns_name", "error", "secret", "selector", "shares", "text",
    ],
    &["api"],
    &["schedule", "lease"],
    &["portal", "telemetry"],
    &["rules"],
    &["controller"],
    &["check", "cli", "import", "release"],
];
/// What `src/rules` may not import, by the first segments of a path.
const IO: [&str; 12] = [
    "fastrand",
    "futures",
    "kube::Api",
    "kube::Client",
    "kube::api",
    "kube::client",
    "kube::runtime",
    "reqwest",
    "std::env",
    "std::fs",
    "std::net",
    "tokio",
];
/// What it may not call: the machine's clock.
const CLOCK: &str = "::now(";
/// What of `portal` makes calls.
const CALLS: [&str; 3] = ["Portal", "Portals", "Options"];
/// Longer than this, a file is two files.
const MOST_LINES: usize = 400;

#[test]
fn no_files_import_each_other() {
    let graph = Graph::of(&sources());
    assert!(graph.len() > 60, "{} files", graph.len());
    assert_eq!(graph.circle(), None);
}

#[test]
fn no_file_imports_from_a_room_above_its_own() {
    let height = |file: &str| {
        let room = file.split(['/', '.']).nth(1).unwrap_or_default();
        ROOMS.iter().position(|rooms| rooms.contains(&room))
    };
    let graph = Graph::of(&sources());
    let upwards: Vec<_> = graph
        .arrows()
        .filter(|(from, to)| height(from).is_some_and(|from| height(to).is_none_or(|to| to > from)))
        .collect();
    assert!(upwards.is_empty(), "{upwards:#?}");
}

#[test]
fn rules_import_no_io_and_read_no_clock() {
    let sources = sources();
    let rules: Vec<_> = sources
        .iter()
        .filter(|source| source.file.starts_with("src/rules/"))
        .collect();
    assert!(rules.len() > 20, "{} files", rules.len());
    for source in rules {
        let (file, imports) = (&source.file, source.imports());
        for import in imports {
            let of = |forbidden: &&str| import == *forbidden || import.starts_with(&format!("{forbidden}::"));
            assert!(!IO.iter().any(of), "{file} imports {import}");
            let call = import.strip_prefix("crate::portal::");
            assert!(
                !call.is_some_and(|call| CALLS.contains(&call)),
                "{file} imports {import}"
            );
        }
        assert!(!source.body.contains(CLOCK), "{file} calls {CLOCK}");
    }
}

#[test]
fn no_file_is_longer_than_it_should_be() {
    let long: BTreeSet<_> = graph::files(Path::new("src"))
        .into_iter()
        .filter(|file| {
            let text = fs::read_to_string(file).expect("source is text");
            text.lines().count() > MOST_LINES
        })
        .collect();
    assert!(long.is_empty(), "over {MOST_LINES} lines: {long:?}");
}
