//! What the run promises, and whether it was kept.

use std::{collections::HashMap, time::Duration};

use harness::quantile;
use simulated_portal::Request;

use crate::{
    NORMAL, Result,
    disturb::Happened,
    objects::Objects,
    operators::Operators,
    samples::{Look, Sample, Samples},
};

/// All objects are Ready within this time after the last disturbance: the ten minutes in which a write whose outcome is
/// unknown is not repeated, and the longest pause before the next look.
pub const SETTLES_WITHIN: Duration = Duration::from_secs(25 * 60);
/// In a shorter run, memory and times are told but not judged.
const JUDGED_FROM: Duration = Duration::from_secs(30 * 60);

/// A figure, and the most that it may be.
pub struct Row {
    /// What it is.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// The most; `None` if it is only told.
    pub goal: Option<f64>,
}

impl Row {
    fn new(name: impl Into<String>, value: f64, goal: Option<f64>) -> Self {
        Self {
            name: name.into(),
            value,
            goal,
        }
    }

    /// Whether the goal is met.
    pub fn is_met(&self) -> bool {
        // Not a number is not met.
        self.goal.is_none_or(|goal| self.value <= goal)
    }
}

/// The figures of a run that lasted so long.
pub fn verdict(
    objects: &Objects,
    operators: &Operators,
    samples: &Samples,
    happened: &Happened,
    settled: Result<Duration>,
    lasts: Duration,
) -> Vec<Row> {
    let (taken, log) = (samples.taken(), operators.log());
    let goal = |goal: f64| (lasts >= JUDGED_FROM).then_some(goal);
    let mut rows = Vec::new();
    match settled {
        Ok(time) => rows.push(Row::new(
            "time until all were Ready after the last disturbance, s",
            time.as_secs_f64(),
            Some(SETTLES_WITHIN.as_secs_f64()),
        )),
        Err(error) => rows.push(Row::new(error.to_string(), f64::NAN, Some(0.0))),
    }
    let written = objects.writes();
    rows.push(Row::new(
        "writes that reached portals",
        written.len() as f64,
        None,
    ));
    rows.push(Row::new(
        "writes carried out twice",
        twice(&written) as f64,
        Some(0.0),
    ));
    rows.push(Row::new(
        "deeds that were not carried out in time",
        happened.failures.len() as f64,
        Some(0.0),
    ));
    let panics = log.lines().filter(|line| line.contains("panicked")).count();
    rows.push(Row::new("panics", panics as f64, Some(0.0)));
    let keys = objects.keys().iter().filter(|key| log.contains(*key)).count();
    rows.push(Row::new("keys in logs", keys as f64, Some(0.0)));

    let growth = |value: fn(&Sample) -> f64| {
        let of = |from, to| median(&taken.lasting, lasts.mul_f64(from), lasts.mul_f64(to), value);
        (of(0.8, 1.0), of(0.8, 1.0) / of(0.4, 0.6))
    };
    let (resident, grows) = growth(|sample| sample.resident);
    rows.push(Row::new(
        "resident at the end, shard b, MiB (median of the last fifth)",
        resident,
        None,
    ));
    rows.push(Row::new("the same / that of the middle fifth", grows, goal(1.05)));
    let (descriptors, grow) = growth(|sample| sample.descriptors as f64);
    rows.push(Row::new("descriptors at the end, shard b", descriptors, None));
    rows.push(Row::new("the same / that of the middle fifth", grow, goal(1.05)));
    let most = |samples: &[Sample]| samples.iter().map(|sample| sample.resident).fold(0.0, f64::max);
    rows.push(Row::new(
        "most that was resident in an operator, MiB",
        most(&taken.lasting).max(most(&taken.pair)),
        Some(112.0),
    ));
    for (shard, looks) in ["a", "b"].into_iter().zip(&taken.looks) {
        let (before, after): (Vec<Look>, Vec<Look>) = looks.iter().partition(|look| look.at < lasts / NORMAL);
        let (normal, then) = (p99(&before), p99(&after));
        rows.push(Row::new(
            format!("request to answer before portals fail, p99, shard {shard}, s"),
            normal,
            None,
        ));
        rows.push(Row::new(
            format!("the same while others fail, healthy objects of shard {shard}, s"),
            then,
            None,
        ));
        rows.push(Row::new("ratio", then / normal, goal(2.0)));
    }
    rows
}

fn p99(looks: &[Look]) -> f64 {
    let times: Vec<_> = looks.iter().map(|look| look.took).collect();
    quantile(&times, 0.99).map_or(f64::NAN, |time| time.as_secs_f64())
}

fn median(samples: &[Sample], from: Duration, to: Duration, value: fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<_> = samples
        .iter()
        .filter(|sample| (from..to).contains(&sample.at))
        .map(value)
        .collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// POSTs that a portal carried out although the one before it, without a DELETE in between, had the same body.
fn twice(writes: &[Request]) -> usize {
    let mut last = HashMap::new();
    let carried_out = writes.iter().filter(|write| write.status == Some(200));
    carried_out
        .filter(|write| {
            let body = (write.method == "POST").then(|| write.body.clone());
            let before = last.insert(write.tenant_id, body.clone());
            body.is_some() && before == Some(body)
        })
        .count()
}
