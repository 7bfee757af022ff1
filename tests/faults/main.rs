//! Every request of the operator to Kubernetes and every call of a portal, with everything that can go wrong with it.
//!
//! A row of the matrix is a request and a fault. Each row tells the same story, with an operator and a portal of its own.

mod checks;
mod kubernetes;
mod manifest;
mod night;
mod portal;
mod row;
mod run;
mod seen;
mod story;
mod views;
mod waits;
mod world;

use std::collections::{BTreeMap, HashSet};

use fastrand::Rng;
use harness::KubeCall;

use self::{
    row::{Injected, Row},
    run::{ALONE, BESIDE_OTHERS, print, run, seed},
};

/// The rows of a sample.
const SAMPLE: usize = 40;
/// Rows that found a fault of the operator: they are in each sample.
const FOUND: [&str; 4] = [
    "patch finalizer: 404, at the deletion",
    "patch status: 404, when Ready",
    "discovery: 404, at the deletion",
    "GET schedule: 401, at the deletion",
];

/// Of these, pairs at random.
const SAMPLED_PAIRS: usize = 6;
/// The pairs of a whole run.
const PAIRS: usize = 100;

/// All rows, or those whose text contains `DOCSPACE_FAULTS_ROWS`.
fn rows() -> Vec<Row> {
    let mut rows = [kubernetes::rows(), portal::rows(), views::rows()].concat();
    if let Ok(wanted) = std::env::var("DOCSPACE_FAULTS_ROWS") {
        rows.retain(|row| row.to_string().contains(&wanted));
    }
    rows
}

/// Prints how many combinations are no row, and why.
fn tell_left_out() {
    let of_kubernetes = kubernetes::pairs().filter_map(|(call, fault)| kubernetes::left_out(call, fault));
    let of_portal = portal::pairs().filter_map(|(call, fault)| portal::left_out(call, fault));
    let mut reasons = BTreeMap::<_, usize>::new();
    for reason in of_kubernetes.chain(of_portal) {
        *reasons.entry(reason).or_default() += 1;
    }
    for (reason, count) in reasons {
        print(&format!("left out: {count} combinations: {reason}"));
    }
}

/// Rows that take no longer than a sample may.
fn quick(rows: Vec<Row>) -> Vec<Row> {
    let is_quick = |row: &Row| (row.lasts() + row.recovers_within()).as_secs() < 120;
    rows.into_iter().filter(is_quick).collect()
}

/// Pairs of rows at random, each pair as a row.
fn pairs(random: &mut Rng, rows: &[Row], count: usize) -> Vec<Row> {
    let mut pairs: Vec<Row> = Vec::new();
    while pairs.len() < count {
        let [one, other] = [random.choice(rows), random.choice(rows)].map(|row| row.expect("there are rows"));
        pairs.extend(one.with(other));
    }
    pairs
}

#[test]
fn each_request_has_a_row_for_each_fault_or_a_reason_why_not() {
    let rows = rows();
    for (call, fault) in kubernetes::pairs() {
        let has_row = rows
            .iter()
            .any(|row| row.faults[0] == Injected::Kube(call, fault));
        assert_eq!(
            has_row,
            kubernetes::left_out(call, fault).is_none(),
            "{call}: {fault}"
        );
    }
    for (call, fault) in portal::pairs() {
        let has_row = rows
            .iter()
            .any(|row| row.faults[0] == Injected::Portal(call, fault));
        assert_eq!(
            has_row,
            portal::left_out(call, fault).is_none(),
            "{call}: {fault}"
        );
    }
    let calls: HashSet<_> = KubeCall::ALL.into_iter().collect();
    assert_eq!(calls.len(), KubeCall::ALL.len());
    let texts: HashSet<_> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), rows.len(), "rows have names of their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_sample_of_the_matrix() {
    let mut random = Rng::with_seed(seed());
    let found = |row: &Row| FOUND.contains(&row.to_string().as_str());
    let (mut sample, others): (Vec<_>, Vec<_>) = rows().into_iter().partition(found);
    assert_eq!(sample.len(), FOUND.len());
    let others = quick(others);
    sample.extend(pairs(&mut random, &others, SAMPLED_PAIRS));
    let singles = SAMPLE - sample.len();
    sample.extend(random.choose_multiple(others, singles));
    run("a sample", sample, BESIDE_OTHERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make faults: takes minutes"]
async fn the_whole_matrix() {
    tell_left_out();
    run("the matrix", rows(), ALONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make faults: takes minutes"]
async fn random_pairs() {
    let mut random = Rng::with_seed(seed());
    let pairs = pairs(&mut random, &quick(rows()), PAIRS);
    run("pairs", pairs, ALONE).await;
}
