//! What the run promises, and whether it was kept.

use std::{collections::HashMap, sync::Arc, time::Duration};

use harness::quantile;
use simulated_portal::Request;

use crate::{
    NORMAL, Result,
    disturb::Happened,
    objects::{Object, Objects},
    operators::INTERVAL,
    samples::{Sample, Span, Taken},
};

/// The chart's memory limit leaves room above this, in MiB.
const MOST_RESIDENT: f64 = 112.0;

/// All objects are Ready within this time after the last disturbance: the ten minutes in which a write whose outcome is
/// unknown is not repeated, and two looks.
pub const SETTLES_WITHIN: Duration = Duration::from_secs(16 * 60);
/// How long everything is watched at rest: two looks at each object, which come 10 % late at most.
const RESTS_FOR: Duration = Duration::from_secs(INTERVAL.as_secs() * 22 / 10);
/// In a shorter run, growth and times are told but not judged, nor is whether enough has happened.
const JUDGED_FROM: Duration = Duration::from_secs(30 * 60);

/// How a run ended.
pub struct Ending {
    /// How long it took until all was in order.
    pub settled: Result<Duration>,
    /// When [`rest`] began, since the start.
    pub rests_from: Duration,
    /// How many writes were sent to portals in it.
    pub written_at_rest: usize,
    /// All that the operators ever said, and all that the API server shows.
    pub told: String,
}

/// How long everything is watched after a run that lasted so long.
pub fn rest(lasts: Duration) -> Duration {
    RESTS_FOR.min(lasts / NORMAL)
}

/// A figure, and what it may be.
pub struct Row {
    /// What it is.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// What it should be.
    pub goal: Goal,
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Goal {
    /// Anything: it is only told.
    None,
    /// No more than this.
    AtMost(f64),
    /// No less than this: otherwise the run has tried nothing.
    AtLeast(f64),
}

impl Row {
    /// Whether the goal is met. What is not a number meets none.
    pub fn is_met(&self) -> bool {
        match self.goal {
            Goal::None => true,
            Goal::AtMost(most) => self.value <= most,
            Goal::AtLeast(least) => self.value >= least,
        }
    }
}

/// The figures of a run that lasted so long.
pub fn verdict(
    objects: &Objects,
    taken: &Taken,
    happened: &Happened,
    ending: &Ending,
    lasts: Duration,
) -> Vec<Row> {
    let judged = |goal: Goal| if lasts >= JUDGED_FROM { goal } else { Goal::None };
    let mut rows = Vec::new();
    let mut row = |name: &str, value: f64, goal: Goal| {
        let name = name.to_owned();
        rows.push(Row { name, value, goal });
    };
    match &ending.settled {
        Ok(time) => row(
            "time until all were in order after the last disturbance, s",
            time.as_secs_f64(),
            Goal::AtMost(SETTLES_WITHIN.as_secs_f64()),
        ),
        Err(error) => row(&error.to_string(), f64::NAN, Goal::AtMost(0.0)),
    }
    row(
        "writes to portals after that, in two looks at each object",
        ending.written_at_rest as f64,
        Goal::AtMost(0.0),
    );
    row(
        "what was not carried out in time, or failed",
        happened.failures.len() as f64,
        Goal::AtMost(0.0),
    );
    // The first minute and the last one may have none.
    let minutes = (lasts.as_secs() / 60).saturating_sub(2);
    row(
        "leaders ended",
        taken.takeovers.len() as f64,
        judged(Goal::AtLeast(minutes as f64)),
    );
    row(
        "of the failures of portals, a call met",
        objects.failures_met() as f64,
        Goal::AtLeast(happened.failures_of_portals() as f64 / 2.0),
    );

    let (sent, carried_out) = (objects.writes(), objects.carried_out());
    let unheard = sent
        .iter()
        .filter(|write| write.status != Some(200) || !write.answered);
    let changes: usize = objects.all.iter().map(|object| object.changes()).sum();
    row("changes of schedules, with creations", changes as f64, Goal::None);
    row(
        "POSTs that a portal carried out beyond the changes of its object",
        beyond_changes(objects, &carried_out) as f64,
        Goal::AtMost(0.0),
    );
    row(
        "writes that a portal carried out, the same as the one before",
        twice(&carried_out) as f64,
        Goal::AtMost(0.0),
    );
    row(
        "writes whose answer was lost or a failure",
        unheard.count() as f64,
        judged(Goal::AtLeast(10.0)),
    );
    let told = &ending.told;
    let panics = told.lines().filter(|line| line.contains("panicked")).count();
    row("panics", panics as f64, Goal::AtMost(0.0));
    let keys = objects.keys().iter().filter(|key| told.contains(*key)).count();
    row(
        "keys in logs, objects, Events and metrics",
        keys as f64,
        Goal::AtMost(0.0),
    );

    let flat = judged(Goal::AtMost(1.05));
    let resident = |from, to| {
        let (from, to) = (lasts.mul_f64(from), lasts.mul_f64(to));
        median(&taken.long_lived, from, to, |sample| sample.resident)
    };
    let last_fifth = resident(0.8, 1.0);
    row(
        "resident, shard b, MiB (median of the last fifth)",
        last_fifth,
        Goal::None,
    );
    row(
        "the same / that of the middle fifth",
        last_fifth / resident(0.4, 0.6),
        flat,
    );
    // While portals hang, their number is one of chance.
    let descriptors = |from, to| median(&taken.long_lived, from, to, |sample| sample.descriptors as f64);
    let at_rest = descriptors(ending.rests_from, Duration::MAX);
    row("descriptors, shard b, at rest (median)", at_rest, Goal::None);
    row(
        "the same / that before portals fail",
        at_rest / descriptors(Duration::ZERO, lasts / NORMAL),
        flat,
    );
    let all = taken.long_lived.iter().chain(taken.pair.iter().flatten());
    let most = all.map(|sample| sample.resident).fold(0.0, f64::max);
    row(
        "most that was resident in an operator, MiB",
        most,
        Goal::AtMost(MOST_RESIDENT),
    );
    let longest = taken.takeovers.iter().map(|takeover| takeover.took).max();
    let longest = longest.unwrap_or_default();
    row(
        "longest time without a leader of shard a, s",
        longest.as_secs_f64(),
        Goal::None,
    );

    let is_led = |look: &&Span| !taken.takeovers.iter().any(|takeover| takeover.overlaps(look));
    let [a, b] = &taken.looks;
    for (whose, looks) in [
        ("shard b", b.clone()),
        (
            "shard a while somebody leads",
            a.iter().filter(is_led).copied().collect(),
        ),
    ] {
        let (before, after): (Vec<Span>, Vec<Span>) = looks.iter().partition(|look| look.at < lasts / NORMAL);
        let (normal, then) = (p99(&before), p99(&after));
        row(
            &format!("request to answer before portals fail, p99, {whose}, s"),
            normal,
            Goal::None,
        );
        row(
            &format!("the same while others fail, healthy objects of {whose}, s"),
            then,
            Goal::None,
        );
        row("ratio", then / normal, judged(Goal::AtMost(2.0)));
    }
    row(
        "request to answer, p99, shard a, also while nobody leads, s",
        p99(a),
        Goal::None,
    );
    rows
}

/// The POSTs that a portal carried out beyond the changes of its object.
fn beyond_changes(objects: &Objects, carried_out: &[Request]) -> usize {
    let mut posts = HashMap::<_, usize>::new();
    for write in carried_out.iter().filter(|write| write.method == "POST") {
        *posts.entry(write.tenant_id).or_default() += 1;
    }
    let of = |object: &Arc<Object>| posts.get(&Some(object.portal.tenant_id())).copied();
    let beyond = |object| of(object).unwrap_or_default().saturating_sub(object.changes());
    objects.all.iter().map(beyond).sum()
}

fn p99(looks: &[Span]) -> f64 {
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

/// Writes to a portal that are the same as the one before them.
fn twice(writes: &[Request]) -> usize {
    let mut last = HashMap::new();
    writes
        .iter()
        .filter(|write| {
            let posted = (write.method == "POST").then(|| write.body.clone());
            let before = last.insert(write.tenant_id, posted.clone());
            before == Some(posted)
        })
        .count()
}
