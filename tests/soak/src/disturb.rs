//! What happens during the run.

use std::{sync::Arc, time::Duration};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, REQUESTED_AT};
use serde_json::json;
use simulated_portal::{Fault, FaultBody};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    NORMAL, Result,
    judge::SETTLES_WITHIN,
    object::{Object, Taken},
    objects::Objects,
    operators::Operators,
    samples::Samples,
};

/// How long a portal fails.
const FAILS_FOR: Duration = Duration::from_secs(90);
/// A change of an object whose portal works is carried out within this time, also while nobody leads.
const DONE_WITHIN: Duration = Duration::from_secs(150);
/// The share of the portals that begin to fail in [`FAILURES`] and are asked for a look, and of those whose object is
/// edited. They begin one after another: requests for 40 at once take a second, and healthy objects then wait as long.
const FAILING: f64 = 0.03;
const FAILING_AT_AN_EDIT: f64 = 0.01;

/// In a short run, too, everything happens three times.
const SELDOM: u32 = 4;

const LOOKS: Duration = Duration::from_millis(500);
const EDITS: Duration = Duration::from_secs(4);
const LOST_WRITES: Duration = Duration::from_secs(15);
const ROTATIONS: Duration = Duration::from_secs(10);
const DELETIONS: Duration = Duration::from_secs(20);
const FAILURES: Duration = Duration::from_secs(30);
const ENDS_OF_LEADERS: Duration = Duration::from_secs(60);

const FAILURES_AT_LOOKS: &str = "portal failures, each with a request for a look";
const FAILURES_AT_EDITS: &str = "portal failures, each with an edit";

/// What happens, how often, and when. The looks and edits in place of failures make as much work, so that only the
/// failures differ.
const DISTURBANCES: [Disturbance; 10] = {
    use {Deed::*, When::*};
    [
        Disturbance::new(Look, "looks at objects whose portals work", LOOKS, Always),
        Disturbance::new(Edit, "edits", EDITS, Always),
        Disturbance::new(
            LostWrite,
            "edits whose write gets no answer or a failure",
            LOST_WRITES,
            WhilePortalsFail,
        ),
        Disturbance::new(Rotation, "keys rotated", ROTATIONS, Always),
        Disturbance::new(Deletion, "objects deleted and created again", DELETIONS, Always),
        Disturbance::new(
            Look,
            "looks instead of failures, while all portals work",
            FAILURES,
            WhilePortalsWork,
        )
        .at(FAILING),
        Disturbance::new(
            Edit,
            "edits instead of failures, while all portals work",
            FAILURES,
            WhilePortalsWork,
        )
        .at(FAILING_AT_AN_EDIT),
        Disturbance::new(FailureAtLook, FAILURES_AT_LOOKS, FAILURES, WhilePortalsFail).at(FAILING),
        Disturbance::new(FailureAtEdit, FAILURES_AT_EDITS, FAILURES, WhilePortalsFail).at(FAILING_AT_AN_EDIT),
        Disturbance::new(EndOfLeader, "leaders ended", ENDS_OF_LEADERS, Always),
    ]
};

/// Disturbs the operators until the end.
#[derive(Clone)]
pub struct Disturber {
    /// The objects.
    pub objects: Arc<Objects>,
    /// The operators.
    pub operators: Arc<Operators>,
    /// Where looks are recorded.
    pub samples: Samples,
    /// Seed of what happens to whom.
    pub seed: u64,
    /// When it begins.
    pub starts: Instant,
    /// How long it lasts.
    pub lasts: Duration,
}

/// How often something happened, and what did not end as it should.
#[derive(Clone, Debug, Default)]
pub struct Happened {
    /// What, and how often.
    pub counts: Vec<(&'static str, usize)>,
    /// What went wrong.
    pub failures: Vec<String>,
}

impl Happened {
    /// How often a portal failed.
    pub fn failures_of_portals(&self) -> usize {
        let failures = self
            .counts
            .iter()
            .filter(|(name, _)| [FAILURES_AT_LOOKS, FAILURES_AT_EDITS].contains(name));
        failures.map(|(_, count)| count).sum()
    }
}

/// What is done to an object. Each ends well, or says what went wrong.
#[derive(Clone, Copy)]
enum Deed {
    Look,
    Edit,
    LostWrite,
    Rotation,
    Deletion,
    FailureAtLook,
    FailureAtEdit,
    EndOfLeader,
}

#[derive(Clone, Copy)]
enum When {
    Always,
    WhilePortalsWork,
    WhilePortalsFail,
}

#[derive(Clone, Copy)]
struct Disturbance {
    deed: Deed,
    name: &'static str,
    every: Duration,
    when: When,
    /// It is done to this share of the objects each time, else to one.
    share: Option<f64>,
}

impl Disturbance {
    const fn new(deed: Deed, name: &'static str, every: Duration, when: When) -> Self {
        let share = None;
        Self {
            deed,
            name,
            every,
            when,
            share,
        }
    }

    const fn at(mut self, share: f64) -> Self {
        self.share = Some(share);
        self
    }
}

impl Disturber {
    /// Does everything by turns until the end.
    pub async fn run(&self) -> Happened {
        let mut tasks = JoinSet::new();
        for (number, disturbance) in DISTURBANCES.into_iter().enumerate() {
            let random = fastrand::Rng::with_seed(self.seed.wrapping_add(number as u64));
            tasks.spawn(self.clone().repeat(disturbance, random));
        }
        let mut happened = Happened::default();
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((name, results)) => {
                    happened.counts.push((name, results.len()));
                    let failed = results.into_iter().filter_map(Result::err);
                    happened
                        .failures
                        .extend(failed.map(|error| format!("{name}: {error}")));
                }
                Err(panic) => happened.failures.push(panic.to_string()),
            }
        }
        let place = |name| {
            DISTURBANCES
                .iter()
                .position(|disturbance| disturbance.name == name)
        };
        happened.counts.sort_by_key(|(name, _)| place(*name));
        happened
    }

    fn ends(&self) -> Instant {
        self.starts + self.lasts
    }

    async fn repeat(
        self,
        disturbance: Disturbance,
        mut random: fastrand::Rng,
    ) -> (&'static str, Vec<Result<()>>) {
        let Disturbance { deed, name, .. } = disturbance;
        // It takes ten minutes.
        if matches!(deed, Deed::LostWrite) && self.lasts < SETTLES_WITHIN {
            return (name, Vec::new());
        }
        let objects = self.objects.all.len() as f64;
        let number = disturbance
            .share
            .map_or(1, |share| (objects * share).ceil() as u32);
        // Everything happens in a short run, too.
        let every = disturbance.every.min(self.lasts / SELDOM) / number;
        let portals_fail = self.starts + self.lasts / NORMAL;
        let (from, until) = match disturbance.when {
            When::Always => (self.starts, self.ends()),
            When::WhilePortalsWork => (self.starts, portals_fail),
            When::WhilePortalsFail => (portals_fail, self.ends()),
        };
        let mut next = from + every;
        let mut running = JoinSet::new();
        let mut ends_of_leaders = Vec::new();
        while next < until {
            sleep_until(next).await;
            next += every;
            match deed {
                // By turns: whom to end next is known once somebody leads.
                Deed::EndOfLeader => {
                    let kill = !ends_of_leaders.len().is_multiple_of(2);
                    let ended = self.operators.end_leader(kill).await;
                    ends_of_leaders.push(ended.map(|ended| self.samples.takeover(kill, ended)));
                    next = next.max(Instant::now());
                }
                _ => self.spawn(deed, &mut random, &mut running),
            }
        }
        let mut results = ends_of_leaders;
        while let Some(ended) = running.join_next().await {
            results.push(ended.unwrap_or_else(|panic| Err(panic.into())));
        }
        (name, results)
    }

    fn spawn(&self, deed: Deed, random: &mut fastrand::Rng, running: &mut JoinSet<Result<()>>) {
        if let Some(taken) = self.objects.take(random) {
            let random = fastrand::Rng::with_seed(random.u64(..));
            running.spawn(self.clone().act(deed, taken, random));
        }
    }

    async fn act(self, deed: Deed, taken: Taken, mut random: fastrand::Rng) -> Result<()> {
        let (objects, object) = (&self.objects, &taken.0.clone());
        let done = match deed {
            Deed::Look => {
                let asked = Instant::now();
                let done = self.look(object, &mut random).await?;
                self.samples.look(object.shard, asked);
                done
            }
            Deed::Edit => {
                let generation = objects.edit(object, &mut random).await?.metadata.generation;
                let is_done = |shown: Option<&DocSpaceBackupSchedule>| {
                    shown.is_some_and(|shown| {
                        object.is_in_order(shown) && shown.metadata.generation >= generation
                    })
                };
                objects.wait(&object.name, DONE_WITHIN, is_done).await
            }
            // Its effect is awaited at the end of the run.
            Deed::LostWrite => {
                let fault = match random.u8(..4) {
                    0 => Fault::bad_gateway(),
                    1 => Fault::reset(),
                    2 => Fault::truncated(),
                    _ => Fault::lost_answer(),
                };
                objects.lose_a_write(object, fault);
                objects.edit(object, &mut random).await?;
                true
            }
            Deed::Rotation => {
                objects.rotate(object).await?;
                self.look(object, &mut random).await?
            }
            Deed::Deletion => {
                objects.delete(object).await?;
                let is_gone = objects
                    .wait(&object.name, DONE_WITHIN, |shown| shown.is_none())
                    .await;
                if !is_gone || object.portal.schedule(false).is_some() {
                    return Err(format!("{} is not gone, or its schedule is not", object.name).into());
                }
                objects.create_one(object).await?;
                objects
                    .wait(&object.name, DONE_WITHIN, |shown| {
                        shown.is_some_and(|shown| object.is_in_order(shown))
                    })
                    .await
            }
            Deed::FailureAtLook | Deed::FailureAtEdit => {
                let (fault, refuses) = self.fault(&mut random);
                let fault = objects.fail(object, fault);
                let asked = match deed {
                    Deed::FailureAtEdit => objects.edit(object, &mut random).await.map(drop),
                    _ => self.request(object, &mut random).await.map(drop),
                };
                let until = Instant::now() + FAILS_FOR.min(self.lasts / SELDOM);
                sleep_until(until.min(self.ends())).await;
                objects.heal(object, fault, refuses);
                asked?;
                true
            }
            Deed::EndOfLeader => unreachable!("it is done to no object"),
        };
        match done {
            true => Ok(()),
            false => Err(format!("{} was not done within {DONE_WITHIN:?}", object.name).into()),
        }
    }

    /// Requests a reconcile; it returns the value of the annotation.
    async fn request(&self, object: &Object, random: &mut fastrand::Rng) -> Result<String> {
        let now = format!("{:016x}", random.u64(..));
        let patch = json!({"metadata": {"annotations": {REQUESTED_AT: now}}});
        self.objects.patch(object, patch).await?;
        Ok(now)
    }

    /// Requests a reconcile and waits for the answer, by which all is in order.
    async fn look(&self, object: &Object, random: &mut fastrand::Rng) -> Result<bool> {
        let now = self.request(object, random).await?;
        let answered = |shown: Option<&DocSpaceBackupSchedule>| {
            let status = shown.and_then(|shown| shown.status.as_ref());
            let is_answer =
                status.is_some_and(|status| status.last_handled_reconcile_at.as_ref() == Some(&now));
            is_answer && shown.is_some_and(|shown| object.is_in_order(shown))
        };
        Ok(self.objects.wait(&object.name, DONE_WITHIN, answered).await)
    }

    /// A failure of a portal, and whether it refuses the key.
    fn fault(&self, random: &mut fastrand::Rng) -> (Fault, bool) {
        // A short run has those after which the operator soon asks again.
        let kinds = if self.lasts < SETTLES_WITHIN { 4 } else { 10 };
        let fault = match random.u8(..kinds) {
            0 => Fault::bad_gateway(),
            1 => Fault::answer(500, FaultBody::Empty),
            2 => Fault::reset(),
            3 => Fault::truncated(),
            4 | 5 => Fault::hang(),
            6 => Fault::lost_answer(),
            7 => Fault::answer(200, FaultBody::Html),
            8 => Fault::too_many_requests(Some(20)),
            _ => return (Fault::answer(401, FaultBody::Empty), true),
        };
        (fault, false)
    }
}
