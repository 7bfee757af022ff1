//! How long objects and shards wait, as figures of the report.

use std::time::Duration;

use harness::quantile;

use crate::{
    judge::{Goal, LOOK_TAKES, LOOKS_WITHIN, Row},
    object::Recovery,
    operators::{LEASE_DURATION, RETRY_PERIOD},
    samples::{Span, Taken, Takeover},
};

/// A leader that is told to end gives up the Lease once its writes under way have ended; they get this long.
const WRITE_GRACE: Duration = Duration::from_secs(8);
/// How late a handover may be: requests take time.
const SLACK: Duration = Duration::from_secs(3);
/// docs/high-availability.md: the next leader reads the Lease within a retry period after it was given up.
const AFTER_SIGTERM: Duration =
    Duration::from_secs(WRITE_GRACE.as_secs() + RETRY_PERIOD.as_secs() + SLACK.as_secs());
/// docs/high-availability.md: the Lease expires. The standby sees the last renewal up to a retry period late, and looks
/// up to a retry period after the end.
const AFTER_SIGKILL: Duration =
    Duration::from_secs(LEASE_DURATION.as_secs() + 2 * RETRY_PERIOD.as_secs() + SLACK.as_secs());

/// After a passing failure, pauses grow up to the interval: the next look is no later than a periodic one.
const AFTER_PASSING: Duration = Duration::from_secs(LOOKS_WITHIN.as_secs() + LOOK_TAKES.as_secs());
/// docs/conditions.md: after a refusal, the next look comes after twice the interval.
const AFTER_REFUSAL: Duration = Duration::from_secs(2 * LOOKS_WITHIN.as_secs() + LOOK_TAKES.as_secs());

/// The times until another operator has the Lease of shard a.
pub fn handovers(taken: &Taken, judged: impl Fn(Goal) -> Goal) -> Vec<Row> {
    let row = |how: &str, killed: bool, most: Duration| {
        let takeovers = taken
            .takeovers
            .iter()
            .filter(|takeover| takeover.killed == killed);
        let times: Vec<_> = takeovers.map(|takeover| takeover.span.took).collect();
        let name = |what: &str| format!("{how} of the leader until another has the Lease, {what}, s");
        [
            Row::new(name("median"), seconds(&times, 0.5), Goal::None),
            Row::new(
                name("longest"),
                seconds(&times, 1.0),
                judged(Goal::AtMost(most.as_secs_f64())),
            ),
        ]
    };
    let stopped = row("SIGTERM", false, AFTER_SIGTERM);
    let killed = row("SIGKILL", true, AFTER_SIGKILL);
    stopped.into_iter().chain(killed).collect()
}

/// The times from the end of a portal's failure until its object is in order.
///
/// An operator that begins to lead spreads its looks over an interval again. So those of shard a may be put off by each
/// new leader, and are judged from the last one's beginning.
pub fn recoveries(recoveries: &[Recovery], taken: &Taken) -> Vec<Row> {
    let mut rows = Vec::new();
    let [none, ends]: [&[Takeover]; 2] = [&[], &taken.takeovers];
    for (shard, takeovers, since) in [("b", none, ""), ("a", ends, ", under its last leader")] {
        let all: Vec<_> = recoveries
            .iter()
            .filter(|recovery| recovery.shard == shard)
            .collect();
        let times: Vec<_> = all.iter().map(|recovery| recovery.span.took).collect();
        for (what, share) in [("median", 0.5), ("p99", 0.99), ("longest", 1.0)] {
            let name = format!("portal works until object in order, {what}, shard {shard}, s");
            rows.push(Row::new(name, seconds(&times, share), Goal::None));
        }
        for (refused, what, most) in [
            (false, "passing failure", AFTER_PASSING),
            (true, "refusal", AFTER_REFUSAL),
        ] {
            let kind = all.iter().filter(|recovery| recovery.refused == refused);
            let led = kind.map(|recovery| (since_led(&recovery.span, takeovers), &recovery.object));
            // A short run has no refusals.
            let Some((longest, object)) = led.max() else {
                continue;
            };
            let name = format!("longest after a {what}, shard {shard}{since} ({object}), s");
            rows.push(Row::new(
                name,
                longest.as_secs_f64(),
                Goal::AtMost(most.as_secs_f64()),
            ));
        }
    }
    rows
}

/// The part of a recovery after the last new leader of shard a.
fn since_led(recovery: &Span, takeovers: &[Takeover]) -> Duration {
    let begins = takeovers.iter().map(|takeover| takeover.idle().end());
    let last = begins.filter(|begin| *begin <= recovery.end()).max();
    recovery.end() - recovery.at.max(last.unwrap_or_default())
}

/// The times from a request of a look at a healthy object to its answer, before and while other portals fail.
pub fn looks(taken: &Taken, faults_from: Duration, judged: impl Fn(Goal) -> Goal) -> Vec<Row> {
    let [a, b] = &taken.looks;
    let led = |look: &Span| while_led(look, &taken.takeovers);
    let alone = |look: &&Span| {
        let mut catching_up = taken.takeovers.iter().map(Takeover::catching_up);
        catching_up.all(|span| span.overlap(look).is_zero())
    };
    let twice = judged(Goal::AtMost(2.0));
    let mut rows = Vec::new();
    for (whose, looks, goal) in [
        ("shard b", b.clone(), Goal::None),
        (
            "shard b while shard a does not catch up",
            b.iter().filter(alone).copied().collect(),
            twice,
        ),
        (
            "shard a without the time in which nobody leads",
            a.iter().map(led).collect(),
            twice,
        ),
    ] {
        let (before, after): (Vec<Span>, Vec<Span>) = looks.iter().partition(|look| look.at < faults_from);
        let (normal, then) = (p99(&before), p99(&after));
        let name = |when: &str| format!("request to answer {when}, p99, {whose}, s");
        rows.push(Row::new(name("before portals fail"), normal, Goal::None));
        rows.push(Row::new(name("while other portals fail"), then, Goal::None));
        rows.push(Row::new("ratio", then / normal, goal));
    }
    rows.push(Row::new(
        "request to answer, p99, shard a, also while nobody leads, s",
        p99(a),
        Goal::None,
    ));
    rows
}

/// The look without the time in which nobody led: no look is left out, and a wait for the next leader is not its fault.
fn while_led(look: &Span, takeovers: &[Takeover]) -> Span {
    let idle = takeovers.iter().map(|takeover| takeover.idle().overlap(look));
    Span {
        at: look.at,
        took: look.took.saturating_sub(idle.sum()),
    }
}

fn p99(looks: &[Span]) -> f64 {
    let times: Vec<_> = looks.iter().map(|look| look.took).collect();
    seconds(&times, 0.99)
}

fn seconds(times: &[Duration], share: f64) -> f64 {
    quantile(times, share).map_or(f64::NAN, |time| time.as_secs_f64())
}
