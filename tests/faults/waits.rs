//! What a story waits for.

use std::time::{Duration, Instant};

use harness::{ApiFront, KubeCall};
use tokio::time::sleep;

use crate::{
    checks,
    row::Begins,
    world::{World, condition_is, is_observed, reason},
};

/// A fault meets its first request within this time.
const IS_MET_WITHIN: Duration = Duration::from_secs(60);
/// The operator has nothing more to write when it writes nothing for this long.
const QUIET: Duration = Duration::from_secs(2);
/// It comes to that within this time.
const IS_QUIET_WITHIN: Duration = Duration::from_secs(60);
/// The user asks again after this time where an object is stalled.
const ASKS_EVERY: Duration = Duration::from_secs(3);

impl World {
    /// Changes everything that a user changes.
    pub async fn change(&mut self) {
        if self.row.merges() {
            // So that there is something to merge.
            self.change_hour(6).await;
            self.rotate_storage().await;
        }
        self.change_hour(5).await;
        if self.row.wiped {
            self.wipe_status().await;
        }
        self.rotate_storage().await;
        self.new_key().await;
    }

    /// Changes everything while the fault lasts.
    pub async fn lives_with_the_fault(&mut self) -> Vec<u64> {
        match self.row.begins {
            // It meets what changes from now on.
            Begins::Start if self.row.views() => self.watches().await,
            Begins::Start => self.is_met().await,
            _ => {}
        }
        self.change().await;
        self.outlasts_the_fault().await
    }

    /// Waits until the operator watches what the faults are about.
    async fn watches(&mut self) {
        let calls: Vec<_> = self.row.kube_calls().collect();
        let is_watched = |world: &Self, call| world.fronts().any(|front| front.has_done(call));
        let all = move |world: &Self| calls.iter().all(|call| is_watched(world, *call));
        self.until("the changes are watched", IS_MET_WITHIN, all).await;
    }

    /// Waits until the fault meets a request. Some are made at a look only that finds nothing to write, and those of a night
    /// at one that the user asks for.
    pub async fn is_met(&mut self) {
        let began = Instant::now();
        let met = |world: &Self| world.row.is_met(&world.hits());
        while !met(self) {
            assert!(
                began.elapsed() < IS_MET_WITHIN,
                "the fault meets no request\n{}",
                self.shown()
            );
            if self.row.begins == Begins::Night {
                self.look(met).await;
                continue;
            }
            let soon = Instant::now() + ASKS_EVERY;
            let over = |world: &Self| met(world) || Instant::now() >= soon;
            self.until("the fault meets a request", 2 * ASKS_EVERY, over)
                .await;
            if (self.row.begins == Begins::Ready || self.is_as_wanted()) && !met(self) {
                self.request().await;
            }
        }
    }

    /// Waits until the fault has met a request and has lasted its time, and ends it.
    pub async fn outlasts_the_fault(&mut self) -> Vec<u64> {
        let began = Instant::now();
        let lasts = self.row.lasts();
        self.is_met().await;
        let over = move |_: &Self| began.elapsed() >= lasts;
        self.until("the fault has lasted its time", 2 * lasts, over).await;
        self.stands_by().await;
        checks::metrics_tell_nothing(self).await;
        self.recover()
    }

    /// Waits until all is as the manifest says. Meanwhile the user does what the documentation says.
    pub async fn settles(&mut self, deadline: Duration) -> Duration {
        self.comes_to("all is as the manifest says", deadline, Self::is_as_wanted)
            .await
    }

    /// The same for another goal.
    pub async fn comes_to(
        &mut self,
        what: &str,
        deadline: Duration,
        goal: impl Fn(&Self) -> bool,
    ) -> Duration {
        let began = Instant::now();
        let mut passed = false;
        while !goal(self) {
            let left = deadline.checked_sub(began.elapsed());
            let Some(left) = left else {
                panic!("{what}: not within {deadline:?}\n{}", self.shown())
            };
            let object = self.object();
            let told = object.as_deref().map_or("", reason);
            if told == "OutcomeUnknown" && !passed {
                passed = true;
                self.ten_minutes_pass().await;
            }
            if told == "NotConverging" && object.as_deref().is_some_and(is_observed) {
                // The documentation says so, and for all that the operator knows, the portal refuses this schedule.
                self.change_hour(self.manifest.hour + 1).await;
            } else if self.row.helped && object.is_some_and(|object| condition_is(&object, "Stalled", "True"))
            {
                self.request().await;
            }
            let soon = Instant::now() + ASKS_EVERY;
            let done = |world: &Self| goal(world) || Instant::now() >= soon;
            self.until(what, left + ASKS_EVERY, done).await;
        }
        began.elapsed()
    }

    /// Waits until the object is gone.
    pub async fn goes(&mut self, deadline: Duration) -> Duration {
        let gone = |world: &Self| world.object().is_none();
        self.until("the object goes", deadline, gone).await
    }

    /// Waits until the operator writes nothing more.
    pub async fn is_quiet(&mut self) {
        let written = |world: &Self| (world.kube_writes(), world.portal_writes());
        let mut before = written(self);
        let mut since = Instant::now();
        let began = Instant::now();
        while since.elapsed() < QUIET {
            assert!(
                began.elapsed() < IS_QUIET_WITHIN,
                "the operator goes on writing\n{}",
                self.shown()
            );
            self.tend().await;
            sleep(QUIET / 20).await;
            let now = written(self);
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
    }

    /// The operator comes to rest: a look finds nothing to write but that it was asked for. The portal has all already, but
    /// a list after a lost watch may still tell of a Secret.
    pub async fn rests(&mut self) {
        let began = Instant::now();
        self.is_quiet().await;
        let written = self.portal_writes();
        loop {
            let before = self.kube_calls();
            self.look_at_rest().await;
            assert_eq!(self.portal_writes(), written, "a look at rest\n{}", self.shown());
            let after = self.kube_calls().into_iter().zip(before);
            let more: Vec<_> = after
                .flat_map(|(mut after, before)| after.split_off(before.len()))
                .collect();
            if more == [KubeCall::PatchStatus] {
                return;
            }
            assert!(
                began.elapsed() < self.rests_within(),
                "a look at rest writes {more:?}\n{}",
                self.shown()
            );
        }
    }

    /// A watch that is still dead tells nothing of a request.
    fn rests_within(&self) -> Duration {
        IS_QUIET_WITHIN.max(self.row.recovers_within())
    }

    async fn look_at_rest(&mut self) {
        let asked = self.request().await;
        let told = |world: &Self| {
            let object = world.object();
            let status = object.as_ref().and_then(|object| object.status.as_ref());
            status.is_some_and(|status| status.last_handled_reconcile_at.as_ref() == Some(&asked))
        };
        self.until("the request is handled", self.rests_within(), told)
            .await;
        self.is_quiet().await;
    }

    /// The writes of each operator.
    fn kube_calls(&self) -> Vec<Vec<KubeCall>> {
        let of = |front: &ApiFront| {
            let asked = front.asked().into_iter().map(|asked| asked.call);
            asked.filter(|call| call.is_write()).collect()
        };
        self.fronts().map(of).collect()
    }

    pub fn kube_writes(&self) -> usize {
        self.kube_calls().concat().len()
    }

    pub fn portal_writes(&self) -> usize {
        let requests = self.server.log().requests();
        requests.iter().filter(|request| request.is_write()).count()
    }
}
