//! The suite again with two operators, while the leader is stopped or killed repeatedly.

use std::{collections::BTreeMap, env, fs, process::Command};

use fastrand::Rng;
use harness::{control_plane, seed, unused};

use crate::world::{
    replicas::{REPLICAS, TALLY},
    rights::{ACCOUNT, roles},
};

/// Modules that test a single process, or no process at all.
const SKIPPED: [&str; 11] = [
    "crd::",
    "fields::",
    "leader::",
    "metrics::",
    "process::",
    "proxied::",
    "release::",
    "replicas::",
    "shards::",
    "unlisted::",
    "upgrades::",
];
/// Tests wait most of the time, so more threads than cores.
const THREADS: &str = "10";
/// Lower bounds of a whole run: tests with two operators, and leaders that end in each way.
const AT_LEAST: [(&str, usize); 4] = [("two", 85), ("write", 100), ("TERM", 90), ("KILL", 20)];
/// Lower bound of the tests that fit two operators.
const TESTS: usize = 90;
/// `make test` runs a third.
const PART: usize = 3;

/// Only a whole run tells which rights nothing uses.
#[test]
#[ignore = "takes minutes; make churn"]
fn the_whole_suite_passes_while_the_leader_is_ended_again_and_again() {
    run(&tests(), 1);
    let unused = unused(roles(), &control_plane().audit().used(&account()));
    assert!(unused.is_empty(), "rights that nothing makes use of: {unused:?}");
}

#[test]
#[ignore = "takes minutes; make test runs it after the suite"]
fn a_random_part_of_the_suite_passes_while_the_leader_is_ended_again_and_again() {
    let tests = tests();
    let mut random = Rng::with_seed(seed("DOCSPACE_CHURN_SEED"));
    run(random.choose_multiple(&tests, tests.len() / PART), PART);
}

/// The names of the tests that fit two operators.
fn tests() -> Vec<String> {
    let listed = this_program().args(["--list", "--format", "terse"]).output();
    let listed = String::from_utf8(listed.expect("this program runs").stdout).expect("UTF-8");
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let fit = |name: &&str| !SKIPPED.iter().any(|module| name.starts_with(module));
    let tests: Vec<_> = names.filter(fit).map(Into::into).collect();
    assert!(tests.len() >= TESTS, "{} tests", tests.len());
    tests
}

/// Runs these tests, one `part`th of all, with two operators, and expects that they pass within the rights of the chart.
/// Prints how often leaders were ended, and how many worlds ran a single process.
fn run<'a>(tests: impl IntoIterator<Item = &'a String>, part: usize) {
    let plane = control_plane();
    let mut suite = this_program();
    suite.args(["--test-threads", THREADS, "--exact"]).args(tests);
    plane.hand_on(&mut suite);
    let status = suite.env(REPLICAS, "2").status().expect("this program runs");

    let tally = fs::read_to_string(plane.folder().join(TALLY)).expect("worlds were made");
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in tally.lines() {
        *counts.entry(line).or_default() += 1;
    }
    for (what, count) in &counts {
        println!("{count:5} {what}");
    }
    assert!(status.success(), "the suite failed");
    for (what, least) in AT_LEAST {
        let count = counts.get(what).copied().unwrap_or_default();
        // Of a part, chance decides more.
        let least = if part == 1 { least } else { least / part / 2 };
        assert!(count >= least, "{count} {what}");
    }
    let refused = plane.audit().refused(&account());
    assert!(refused.is_empty(), "the operator lacks rights: {refused:?}");
}

fn this_program() -> Command {
    Command::new(env::current_exe().expect("this program"))
}

fn account() -> String {
    format!(":{ACCOUNT}")
}
