//! Rows side by side, and the table of what they showed.

use std::{
    env,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    row::Row,
    story::{Told, tell},
};

/// So many rows of a sample run at a time, beside other tests. `DOCSPACE_FAULTS_AT_ONCE` names another number.
pub const BESIDE_OTHERS: usize = 12;
/// So many rows run at a time, where nothing else does. Most of the time, they wait.
pub const ALONE: usize = 20;

/// Rows that took longer to recover are told at the end.
const LONG: Duration = Duration::from_secs(30);

/// A row and what became of it.
struct Ended {
    row: Row,
    /// Or why it failed.
    told: Result<Told, String>,
    took: Duration,
}

/// Runs the rows, prints a line for each and a summary, and fails if one failed.
pub async fn run(what: &str, mut rows: Vec<Row>, at_once: usize) -> Vec<Told> {
    // The longest first, or they would be alone at the end.
    rows.sort_by_key(|row| std::cmp::Reverse(row.recovers_within() + row.lasts()));
    let began = Instant::now();
    let given = env::var("DOCSPACE_FAULTS_AT_ONCE").ok();
    let at_once = given.map_or(at_once, |number| number.parse().expect("a number"));
    let (count, places) = (rows.len(), Arc::new(Semaphore::new(at_once)));
    let mut tasks = JoinSet::new();
    for row in rows {
        let places = places.clone();
        tasks.spawn(async move {
            let _place = places.acquire_owned().await.expect("never closed");
            let began = Instant::now();
            let told = tokio::spawn({
                let row = row.clone();
                async move { tell(&row).await }
            });
            let told = told.await.map_err(|error| said(error.into_panic()));
            Ended {
                row,
                told,
                took: began.elapsed(),
            }
        });
    }
    let mut ended = Vec::new();
    while let Some(row) = tasks.join_next().await {
        let row = row.expect("a row does not panic here");
        print(&row.line());
        ended.push(row);
    }
    print(&summary(what, &ended, began.elapsed()));
    for row in &ended {
        let slow = row.told.as_ref().ok().filter(|told| told.recovered > LONG);
        if let Some(told) = slow {
            print(&format!("{} s: {}", told.recovered.as_secs(), row.row));
        }
    }
    assert_eq!(ended.len(), count);
    let failed = ended
        .iter()
        .filter_map(|row| Some((&row.row, row.told.as_ref().err()?)));
    let failed: Vec<_> = failed.map(|(row, why)| format!("{row}\n{why}\n")).collect();
    assert!(
        failed.is_empty(),
        "{} rows failed\n{}",
        failed.len(),
        failed.join("\n")
    );
    ended.into_iter().filter_map(|row| row.told.ok()).collect()
}

impl Ended {
    fn line(&self) -> String {
        let took = self.took.as_secs_f32();
        match &self.told {
            Ok(told) => {
                let hits: Vec<_> = told.hits.iter().map(ToString::to_string).collect();
                let recovered = told.recovered.as_secs_f32();
                format!(
                    "ok   {} | hits {} | recovered after {recovered:.1} s | {took:.0} s",
                    self.row,
                    hits.join(", ")
                )
            }
            Err(why) => {
                let why = why.lines().next().unwrap_or_default();
                format!("FAIL {} | {why} | {took:.0} s", self.row)
            }
        }
    }
}

fn summary(what: &str, ended: &[Ended], took: Duration) -> String {
    let told: Vec<_> = ended.iter().filter_map(|row| row.told.as_ref().ok()).collect();
    let hits: u64 = told.iter().flat_map(|told| &told.hits).sum();
    let times: Vec<_> = told.iter().map(|told| told.recovered).collect();
    let at = |share| harness::quantile(&times, share).unwrap_or_default().as_secs_f32();
    format!(
        "{what}: {} rows, {} failed; {hits} requests met a fault; recovered after {:.1} s (median), {:.1} s (p90), {:.1} s \
         (longest); {} s",
        ended.len(),
        ended.len() - told.len(),
        at(0.5),
        at(0.9),
        at(1.0),
        took.as_secs()
    )
}

/// Also if the test's output is captured: it is the report.
pub fn print(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn said(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()))
        .unwrap_or_else(|| "a panic without words".into())
}
