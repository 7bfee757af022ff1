//! Eventually stable: whatever happened, after the last disturbance each slot of a portal comes to hold what its rightful
//! object says, and then nothing is written any more.
//!
//! Random stories, without Kubernetes and HTTP: several objects come, change, go and move between the slots of two portals;
//! portals fail, forget, are changed by people and make backups; writes are lost, late or ignored; Secrets change; the operator
//! ends at any point and loses its memory; Kubernetes does not take a status. The operator's own functions decide, with the
//! real index of claims; statuses go through Kubernetes' JSON.
//!
//! What must hold:
//! - A POST only where the portal differs; not while an earlier one may still be carried out; not again of a schedule that
//!   the portal accepted; not to the slot of another object; not at the cost of archives. What others changed is restored
//!   only after two looks at least 10 s apart, once a day, and what the portal removed once a month (`journal`).
//! - A DELETE only for a deleted object with deletionPolicy Delete, of what this object wrote or adopted (`journal`).
//! - After the last disturbance everything settles, with few looks and writes: the portal holds what the rightful object
//!   says, or that object has the right reason why not (`settled`, `world/ending`).
//! - Then nothing is written while each object is looked at twice, or for a week: neither to portals nor to finalizers or
//!   statuses, but for a few fields about backups. Nor is the portal called more often than its intervals say.
//! - When all objects go, their schedules go with them, and no others.
//!
//! Every run tells new stories, and prints their seed. Environment:
//! - `DOCSPACE_TEST_SEED`: repeats the stories of this seed.
//! - `DOCSPACE_STABLE_SECONDS`: tells stories of new seeds for so long (`make stable`).

mod claims;
#[allow(dead_code, unused_imports, reason = "the other tests use all of it")]
#[path = "../in_process/mod.rs"]
mod in_process;
mod installation;
mod journal;
mod kubernetes;
mod operator;
mod random;
mod seen;
mod settled;
mod story;
mod world;

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use self::{random::stories, seen::Seen, world::World};

/// Number of stories of a seed.
const STORIES: u32 = 60;
/// A failing story is made shorter in so many steps at most.
const MOST_SHRINKS: u32 = 1_000;

fn told(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// Tells the stories of a seed. A story that fails is shrunk, and told aloud.
fn tell(seed: u64) -> Result<Seen, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = Config {
        cases: STORIES,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: MOST_SHRINKS,
        ..Config::default()
    };
    let seen = RefCell::new(Seen::default());
    let outcome = TestRunner::new(config).run(&stories(), |story| {
        let told = World::new(&story, &runtime, false).tell(&story);
        let told = told.map_err(TestCaseError::fail)?;
        seen.borrow_mut().add(&told);
        Ok(())
    });
    let failed = match outcome {
        Ok(()) => return Ok(seen.into_inner()),
        Err(TestError::Fail(_, story)) => World::new(&story, &runtime, true).tell(&story).err(),
        Err(TestError::Abort(reason)) => Some(format!("no stories: {reason}")),
    };
    let reason = failed.unwrap_or_else(|| "a story fails, but not a second time".into());
    Err(format!(
        "{reason}\nDOCSPACE_TEST_SEED={seed} repeats these stories"
    ))
}

/// Tells stories until the time is over, at once with the same function on each other processor.
fn tell_all(given: Option<u64>, end: Option<Instant>) -> Result<Seen, String> {
    let mut all = Seen::default();
    loop {
        // Short enough to be typed.
        let seed = given.unwrap_or_else(|| fastrand::u64(..1_000_000_000));
        println!("DOCSPACE_TEST_SEED={seed} repeats these stories");
        all.add(&tell(seed)?);
        if given.is_some() || end.is_none_or(|end| Instant::now() >= end) {
            return Ok(all);
        }
    }
}

#[test]
fn everything_settles_after_the_last_disturbance_and_then_rests() {
    let began = Instant::now();
    let end = told("DOCSPACE_STABLE_SECONDS").map(|seconds| began + Duration::from_secs(seconds));
    let given = told("DOCSPACE_TEST_SEED");
    let threads = match given {
        // The same stories need be told only once.
        Some(_) => 1,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut all = Seen::default();
    std::thread::scope(|scope| {
        let tellers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| tell_all(given, end)))
            .collect();
        for teller in tellers {
            match teller.join().expect("a thread that ends") {
                Ok(seen) => all.add(&seen),
                Err(reason) => panic!("{reason}"),
            }
        }
    });
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    println!("{:.0} stories a minute: {all}", all.stories as f64 / minutes);
    all.must_be_of_weight();
}
