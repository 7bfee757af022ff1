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
use harness::{KubeCall, KubeFault};

use self::{
    row::{Injected, Kind, Row},
    run::{ALONE, BESIDE_OTHERS, print, run},
    story::{Told, tell_in_steps},
    world::World,
};

/// Repeats the random rows.
const SEED: &str = "DOCSPACE_FAULTS_SEED";
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
/// Of 100 pairs, so many in which both faults meet requests, at least. In the others, one keeps the operator from the
/// request of the other.
const BOTH_MEET: usize = 25;

/// All rows.
fn rows() -> Vec<Row> {
    [kubernetes::rows(), portal::rows(), views::rows()].concat()
}

/// Prints how many combinations are no row, and why.
fn tell_left_out() {
    let of_kubernetes = kubernetes::pairs().filter_map(|(call, fault)| kubernetes::left_out(call, fault));
    let of_portal = portal::pairs().filter_map(|(call, fault)| portal::left_out(call, fault));
    let at_stake =
        portal::pairs_at_stake().filter_map(|(call, fault)| portal::left_out_at_stake(call, fault));
    let mut reasons = BTreeMap::<_, usize>::new();
    for reason in of_kubernetes.chain(of_portal).chain(at_stake) {
        *reasons.entry(reason).or_default() += 1;
    }
    for (reason, count) in reasons {
        print(&format!("left out: {count} combinations: {reason}"));
    }
}

/// Rows that take no longer than a sample may. The user helps, or they would wait for the operator's next look.
fn quick(rows: Vec<Row>) -> Vec<Row> {
    let helped = rows.into_iter().map(|row| Row { helped: true, ..row });
    let is_quick = |row: &Row| (row.lasts() + row.recovers_within()).as_secs() < 120;
    helped.filter(is_quick).collect()
}

/// Pairs of rows at random, each pair as a row.
fn pairs(random: &mut Rng, rows: &[Row], count: usize) -> Vec<Row> {
    let pair = |_| {
        let [one, other] = [random.choice(rows), random.choice(rows)].map(|row| row.expect("there are rows"));
        one.with(other)
    };
    let pairs: Vec<_> = (0..100 * count).filter_map(pair).take(count).collect();
    assert_eq!(pairs.len(), count, "so few rows go together");
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
    let has_row = |call, fault, at_stake: bool| {
        let is_it = |row: &Row| {
            row.faults[0] == Injected::Portal(call, fault) && (row.kind == Kind::AtStake) == at_stake
        };
        rows.iter().any(is_it)
    };
    for (call, fault) in portal::pairs() {
        let left_out = portal::left_out(call, fault);
        assert_eq!(has_row(call, fault, false), left_out.is_none(), "{call}: {fault}");
    }
    for (call, fault) in portal::pairs_at_stake() {
        let left_out = portal::left_out_at_stake(call, fault);
        assert_eq!(has_row(call, fault, true), left_out.is_none(), "{call}: {fault}");
    }
    let calls: HashSet<_> = KubeCall::ALL.into_iter().collect();
    assert_eq!(calls.len(), KubeCall::ALL.len());
    let texts: HashSet<_> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), rows.len(), "rows have names of their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_sample_of_the_matrix() {
    let mut random = Rng::with_seed(harness::seed(SEED));
    let found = |row: &Row| FOUND.contains(&row.to_string().as_str());
    let (mut sample, others): (Vec<_>, Vec<_>) = quick(rows()).into_iter().partition(found);
    assert_eq!(sample.len(), FOUND.len());
    sample.extend(pairs(&mut random, &others, SAMPLED_PAIRS));
    let singles = SAMPLE - sample.len();
    sample.extend(random.choose_multiple(others, singles));
    run("a sample", sample, BESIDE_OTHERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make faults: takes minutes"]
async fn the_whole_matrix() {
    tell_left_out();
    let mut rows = rows();
    if let Ok(wanted) = std::env::var("DOCSPACE_FAULTS_ROWS") {
        rows.retain(|row| row.to_string().contains(&wanted));
    }
    assert!(!rows.is_empty(), "no row has this text");
    run("the matrix", rows, ALONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make faults: takes minutes"]
async fn random_pairs() {
    let mut random = Rng::with_seed(harness::seed(SEED));
    let dies = |row: &Row| {
        let dead = |fault: &Injected| matches!(fault, Injected::Kube(_, KubeFault::Dead));
        row.faults.iter().any(dead)
    };
    let mut rows = rows();
    rows.retain(|row| !dies(row));
    let told = run("pairs", pairs(&mut random, &rows, PAIRS), ALONE).await;
    let both = |told: &&Told| told.hits.iter().all(|hits| *hits > 0);
    let met = told.iter().filter(both).count();
    print(&format!("in {met} of {PAIRS} pairs, both faults met requests"));
    assert!(met * 100 >= PAIRS * BOTH_MEET, "too few");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_story_has_the_writes_at_which_the_operator_is_killed() {
    let world = World::of(&Row::without_a_fault()).await;
    let (world, _) = tell_in_steps(world).await;
    assert_eq!(world.kube_writes(), views::KUBE_WRITES);
    // And the deletion.
    assert_eq!(world.portal_writes(), views::POSTS + 1);
}
