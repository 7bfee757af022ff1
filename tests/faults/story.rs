//! The one story that every row tells: an object comes, is changed and goes, and its Secret is rotated. Somewhere in it,
//! the fault begins and ends.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    checks,
    row::{Begins, Row},
    world::{World, condition_is, is_observed, reason},
};

/// Without a fault, everything is done within this time.
const WITHOUT_A_FAULT: Duration = Duration::from_secs(90);
/// A fault meets its first request within this time.
const IS_MET_WITHIN: Duration = Duration::from_secs(60);
/// The operator has nothing more to write when it writes nothing for this long.
const QUIET: Duration = Duration::from_secs(2);
/// It comes to that within this time.
const IS_QUIET_WITHIN: Duration = Duration::from_secs(60);
/// The user asks again after this time where an object is stalled.
const ASKS_EVERY: Duration = Duration::from_secs(3);
/// What a row showed.
#[derive(Clone, Debug)]
pub struct Told {
    /// How many requests each fault met.
    pub hits: Vec<u64>,
    /// From its end until all was as the manifest says.
    pub recovered: Duration,
}

/// Tells the story of a row; fails where it is not as promised.
pub async fn tell(row: &Row) -> Told {
    let world = World::of(row).await;
    match row.kills() {
        true => tell_in_steps(world).await,
        false => tell_with_a_fault(world).await,
    }
}

/// The same story with time for each change, so that its writes can be counted. The operator is killed at one of them.
async fn tell_in_steps(mut world: World) -> Told {
    world.fail();
    world.start().await;
    world.create().await;
    let within = world.row.recovers_within();
    let mut recovered = world.settles(within).await;
    world.is_quiet().await;
    world.change_hour(5).await;
    recovered = recovered.max(world.settles(within).await);
    world.is_quiet().await;
    world.rotate_storage().await;
    recovered = recovered.max(world.settles(within).await);
    world.is_quiet().await;
    checks::while_it_is_there(&mut world).await;
    world.delete().await;
    recovered = recovered.max(world.goes(within).await);
    world.is_quiet().await;
    assert_eq!(world.killed, 1, "kills\n{}", world.shown());
    checks::at_the_end(&mut world).await;
    Told {
        hits: vec![world.killed],
        recovered,
    }
}

async fn tell_with_a_fault(mut world: World) -> Told {
    let row = &world.row.clone();
    if row.begins == Begins::Start {
        world.fail();
    }
    world.start().await;
    world.create().await;
    if row.begins != Begins::Start {
        world.settles(WITHOUT_A_FAULT).await;
    }
    let mut told = None;
    if row.begins == Begins::Ready {
        world.fail();
    }
    match row.begins {
        Begins::Deletion => world.change().await,
        Begins::Night => {
            world.change().await;
            world.settles(WITHOUT_A_FAULT).await;
            // Or the operator would take a write from before the night for one of the morning.
            world.is_quiet().await;
            told = Some(world.sees_a_night().await);
        }
        Begins::Start | Begins::Ready => {
            let hits = world.lives_with_the_fault().await;
            let recovered = world.settles(row.recovers_within()).await;
            told = Some(Told { hits, recovered });
        }
    }
    world.is_quiet().await;
    checks::while_it_is_there(&mut world).await;
    if row.begins == Begins::Deletion {
        world.fail();
    }
    world.delete().await;
    let hits = match row.begins {
        Begins::Deletion => world.outlasts_the_fault().await,
        _ => Vec::new(),
    };
    let gone = world.goes(row.recovers_within()).await;
    world.is_quiet().await;
    checks::at_the_end(&mut world).await;
    told.unwrap_or(Told {
        hits,
        recovered: gone,
    })
}

impl World {
    /// Changes everything that a user changes.
    async fn change(&mut self) {
        self.change_hour(5).await;
        if self.row.wiped {
            self.wipe_status().await;
        }
        self.rotate_storage().await;
        self.new_key().await;
    }

    /// Changes everything while the fault lasts.
    async fn lives_with_the_fault(&mut self) -> Vec<u64> {
        if self.row.begins == Begins::Start {
            self.is_met().await;
        }
        self.change().await;
        self.outlasts_the_fault().await
    }

    /// Waits until the fault meets a request. Some are made at a look only that finds nothing to write.
    async fn is_met(&mut self) {
        let began = Instant::now();
        let met = |world: &Self| world.row.is_met(&world.hits());
        while !met(self) {
            assert!(
                began.elapsed() < IS_MET_WITHIN,
                "the fault meets no request\n{}",
                self.shown()
            );
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
        self.recover()
    }

    /// Waits until all is as the manifest says. Meanwhile the user does what the documentation says.
    pub async fn settles(&mut self, deadline: Duration) -> Duration {
        let began = Instant::now();
        let mut passed = false;
        while !self.is_as_wanted() {
            let left = deadline.checked_sub(began.elapsed());
            let Some(left) = left else {
                panic!("not as the manifest says within {deadline:?}\n{}", self.shown())
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
            } else if object.is_some_and(|object| condition_is(&object, "Stalled", "True")) {
                self.request().await;
            }
            let soon = Instant::now() + ASKS_EVERY;
            let done = |world: &Self| world.is_as_wanted() || Instant::now() >= soon;
            self.until("all is as the manifest says", left + ASKS_EVERY, done)
                .await;
        }
        began.elapsed()
    }

    /// Waits until the object is gone.
    async fn goes(&mut self, deadline: Duration) -> Duration {
        let gone = |world: &Self| world.object().is_none();
        self.until("the object goes", deadline, gone).await
    }

    /// Waits until the operator writes nothing more.
    async fn is_quiet(&mut self) {
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

    fn kube_writes(&self) -> usize {
        let asked = self.front.asked();
        asked.iter().filter(|asked| asked.call.is_write()).count()
    }

    fn portal_writes(&self) -> usize {
        let requests = self.server.log().requests();
        requests.iter().filter(|request| request.is_write()).count()
    }
}
