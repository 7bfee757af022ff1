//! Every request of the operator to Kubernetes and every call of a portal, with everything that can go wrong with it.
//!
//! A row of the matrix is a request and a fault. Each row tells the same story, with an operator and a portal of its own.

mod checks;
mod kubernetes;
mod manifest;
mod portal;
mod row;
mod run;
mod seen;
mod story;
mod world;

use std::collections::HashSet;

use harness::KubeCall;

use self::{
    kubernetes::left_out,
    row::Injected,
    row::Row,
    run::{run, seed},
};

/// The rows of a sample.
const SAMPLE: usize = 40;
/// Rows that found a fault of the operator: they are in each sample.
const FOUND: [&str; 3] = [
    "patch finalizer: 404, at the deletion",
    "patch status: 404, when Ready",
    "discovery: 404, at the deletion",
];

/// All rows, or those whose text contains `DOCSPACE_FAULTS_ROWS`.
fn rows() -> Vec<Row> {
    let mut rows = kubernetes::rows();
    if let Ok(wanted) = std::env::var("DOCSPACE_FAULTS_ROWS") {
        rows.retain(|row| row.to_string().contains(&wanted));
    }
    rows
}

#[test]
fn each_request_has_a_row_for_each_fault_or_a_reason_why_not() {
    let rows = kubernetes::rows();
    for (call, fault) in kubernetes::pairs() {
        let has_row = rows
            .iter()
            .any(|row| row.faults[0] == Injected::Kube(call, fault));
        assert_eq!(has_row, left_out(call, fault).is_none(), "{call}: {fault}");
    }
    let calls: HashSet<_> = KubeCall::ALL.into_iter().collect();
    assert_eq!(calls.len(), KubeCall::ALL.len());
    let texts: HashSet<_> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), rows.len(), "rows have names of their own");
}

#[tokio::test]
async fn a_random_sample_of_the_matrix() {
    let mut random = fastrand::Rng::with_seed(seed());
    let quick = |row: &Row| (row.lasts() + row.recovers_within()).as_secs() < 120;
    let found = |row: &Row| FOUND.contains(&row.to_string().as_str());
    let (mut sample, others): (Vec<_>, Vec<_>) = kubernetes::rows().into_iter().partition(found);
    assert_eq!(sample.len(), FOUND.len());
    let quick = others.into_iter().filter(quick);
    sample.extend(random.choose_multiple(quick, SAMPLE - FOUND.len()));
    run("a sample", sample).await;
}

#[tokio::test]
#[ignore = "make faults: takes minutes"]
async fn the_whole_matrix() {
    run("the matrix", rows()).await;
}
