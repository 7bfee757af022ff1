//! The suite again with two operators, while the leader is stopped or killed repeatedly.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use harness::{control_plane, unused};

use crate::world::{
    replicas::{REPLICAS, TALLY},
    rights::{ACCOUNT, roles},
};

/// Modules that test a single process, or no process at all.
const SKIPPED: [&str; 10] = [
    "crd::",
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
/// Lower bounds: tests with two operators, and leaders that end in each way.
const AT_LEAST: [(&str, usize); 4] = [("two", 85), ("write", 100), ("TERM", 90), ("KILL", 20)];
/// Lower bound of the tests that pass.
const TESTS: usize = 90;

/// Prints how often leaders were ended, and how many worlds ran a single process.
#[test]
#[ignore = "takes minutes; make churn"]
fn the_suite_passes_while_the_leader_is_ended_again_and_again() {
    let plane = control_plane();
    let mut suite = Command::new(env::current_exe().expect("this program"));
    suite.args(["--test-threads", THREADS]);
    for module in SKIPPED {
        suite.args(["--skip", module]);
    }
    plane.hand_on(&mut suite);
    let mut suite = suite
        .env(REPLICAS, "2")
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    let lines = BufReader::new(suite.stdout.take().expect("piped")).lines();
    let lines = lines.map_while(Result::ok).inspect(|line| println!("{line}"));
    let output: Vec<_> = lines.collect();
    let status = suite.wait().expect("it ends");

    let tally = fs::read_to_string(plane.folder().join(TALLY)).expect("worlds were made");
    let mut counts = BTreeMap::<&str, usize>::new();
    for line in tally.lines() {
        *counts.entry(line).or_default() += 1;
    }
    for (what, count) in &counts {
        println!("{count:5} {what}");
    }
    assert!(status.success(), "the suite failed");
    let summary = output
        .iter()
        .find_map(|line| line.strip_prefix("test result: ok. "));
    let passed = summary.and_then(|summary| summary.split(' ').next()?.parse::<usize>().ok());
    assert!(passed.is_some_and(|passed| passed >= TESTS), "{passed:?} tests");
    for (what, least) in AT_LEAST {
        let count = counts.get(what).copied().unwrap_or_default();
        assert!(count >= least, "{count} {what}");
    }

    let account = format!(":{ACCOUNT}");
    let refused = plane.audit().refused(&account);
    assert!(refused.is_empty(), "the operator lacks rights: {refused:?}");
    let unused = unused(roles(), &plane.audit().used(&account));
    assert!(unused.is_empty(), "rights that nothing makes use of: {unused:?}");
}
