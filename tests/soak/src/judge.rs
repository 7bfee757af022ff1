//! What the run promises, and whether it was kept.

use std::{collections::HashMap, sync::Arc, time::Duration};

use simulated_portal::Request;

use crate::{
    NORMAL, Result,
    disturb::Happened,
    object::{Object, Recovery},
    objects::{Objects, Rest},
    operators::INTERVAL,
    samples::{Sample, Taken},
    waits,
};

/// The chart's memory limit leaves room above this, in MiB.
const MOST_RESIDENT: f64 = 112.0;

/// All objects are Ready within this time after the last disturbance: the ten minutes in which a write whose outcome is
/// unknown is not repeated, and two looks.
pub const SETTLES_WITHIN: Duration = Duration::from_secs(16 * 60);
/// Each object is looked at within this time after its last look: looks are spread by 10 %.
pub const LOOKS_WITHIN: Duration = Duration::from_secs(INTERVAL.as_secs() * 11 / 10);
/// How long a due look may take, with its turn.
pub const LOOK_TAKES: Duration = Duration::from_secs(10);
/// How long everything is watched at rest: two looks at each object.
const RESTS_FOR: Duration = Duration::from_secs(LOOKS_WITHIN.as_secs() * 2 + LOOK_TAKES.as_secs());
/// The share of the portal failures that a call meets. In a short run, the leader's end may last longer than a failure.
const MET: f64 = 0.95;
const MET_IN_A_SHORT_RUN: f64 = 0.5;
/// In a shorter run, growth and times are told but not judged, nor is whether enough has happened.
const JUDGED_FROM: Duration = Duration::from_secs(30 * 60);

/// How a run ended.
pub struct Ending {
    /// How long it took until all was in order.
    pub settled: Result<Duration>,
    /// When [`rest`] began, since the start.
    pub rests_from: Duration,
    /// What portals got in it.
    pub rest: Rest,
    /// The recoveries from failures of portals.
    pub recoveries: Vec<Recovery>,
    /// All that the operators ever said, and all that the API server shows.
    pub told: String,
}

/// How long everything is watched after a run that lasted so long.
pub fn rest(lasts: Duration) -> Duration {
    RESTS_FOR.min(lasts / NORMAL)
}

/// How often each object is looked at in a rest that lasts so long: never for sure if it is shorter than an interval.
fn looks_at_rest(rest: Duration) -> f64 {
    let time = rest.saturating_sub(LOOK_TAKES);
    (time.as_millis() / LOOKS_WITHIN.as_millis()) as f64
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
    /// A figure with its goal.
    pub fn new(name: impl Into<String>, value: f64, goal: Goal) -> Self {
        let name = name.into();
        Self { name, value, goal }
    }

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
    let is_judged = lasts >= JUDGED_FROM;
    let judged = |goal: Goal| if is_judged { goal } else { Goal::None };
    let mut rows = Vec::new();
    let mut row = |name: &str, value: f64, goal: Goal| rows.push(Row::new(name, value, goal));
    match &ending.settled {
        Ok(time) => row(
            "time until all were in order after the last disturbance, s",
            time.as_secs_f64(),
            Goal::AtMost(SETTLES_WITHIN.as_secs_f64()),
        ),
        Err(error) => row(&error.to_string(), f64::NAN, Goal::AtMost(0.0)),
    }
    row(
        "writes to portals at rest",
        ending.rest.writes as f64,
        Goal::AtMost(0.0),
    );
    let looks = match looks_at_rest(rest(lasts)) {
        0.0 => Goal::None,
        looks => Goal::AtLeast(looks),
    };
    row(
        &format!(
            "fewest looks at an object in {:.0} s of rest",
            rest(lasts).as_secs_f64()
        ),
        ending.rest.fewest_looks as f64,
        looks,
    );
    row(
        "steps that failed or were not done in time",
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
    let failures = happened.failures_of_portals() as f64;
    let met = if is_judged { MET } else { MET_IN_A_SHORT_RUN };
    row(
        "portal failures that a call met",
        objects.failures_met() as f64,
        Goal::AtLeast((failures * met).ceil()),
    );
    let over = ending.recoveries.iter().filter(|recovery| recovery.is_over);
    row(
        "portal failures after which the object was in order again",
        over.count() as f64,
        Goal::AtLeast(failures),
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
        "writes carried out that repeat the one before",
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
    row("ratio to the middle fifth", last_fifth / resident(0.4, 0.6), flat);
    // While portals hang, their number is one of chance.
    let descriptors = |from, to| median(&taken.long_lived, from, to, |sample| sample.descriptors as f64);
    let at_rest = descriptors(ending.rests_from, Duration::MAX);
    row("descriptors, shard b, at rest (median)", at_rest, Goal::None);
    row(
        "ratio to before portals fail",
        at_rest / descriptors(Duration::ZERO, lasts / NORMAL),
        flat,
    );
    let all = taken.long_lived.iter().chain(taken.pair.iter().flatten());
    let peak = all.map(|sample| sample.peak).fold(0.0, f64::max);
    row(
        "peak resident memory of an operator, MiB",
        peak,
        Goal::AtMost(MOST_RESIDENT),
    );
    rows.extend(waits::handovers(taken, judged));
    rows.extend(waits::recoveries(&ending.recoveries, taken));
    rows.extend(waits::looks(taken, lasts / NORMAL, judged));
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
