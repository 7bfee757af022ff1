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
//!   the portal accepted; not to the slot of another object; not at the cost of archives (`journal`).
//! - A DELETE only of what this object wrote or adopted (`journal`).
//! - After the last disturbance everything settles: the portal holds what the rightful object says, or that object has
//!   the right reason why not (`settled`, `world/ending`).
//! - Then nothing is written for a week, neither to portals nor to statuses, but for fields about backups.
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
use tokio::runtime::Runtime;

use self::{
    random::stories,
    seen::{ENOUGH, Seen},
    world::World,
};

/// Number of stories of a seed.
const STORIES: u32 = 200;
/// A failing story is made shorter in so many steps at most.
const MOST_SHRINKS: u32 = 1_000;

fn told(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// Tells the stories of a seed. A story that fails is shrunk.
fn tell(seed: u64, runtime: &Runtime) -> Seen {
    let config = Config {
        cases: STORIES,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: MOST_SHRINKS,
        ..Config::default()
    };
    let seen = RefCell::new(Seen::default());
    let outcome = TestRunner::new(config).run(&stories(), |story| {
        let told = World::new(&story, runtime).tell(&story);
        let told = told.map_err(TestCaseError::fail)?;
        seen.borrow_mut().add(&told);
        Ok(())
    });
    match outcome {
        Ok(()) => seen.into_inner(),
        Err(TestError::Fail(reason, _)) => {
            panic!("{reason}\nDOCSPACE_TEST_SEED={seed} repeats these stories")
        }
        Err(TestError::Abort(reason)) => panic!("no stories: {reason}"),
    }
}

#[test]
fn everything_settles_after_the_last_disturbance_and_then_rests() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (began, mut all) = (Instant::now(), Seen::default());
    let lasts = told("DOCSPACE_STABLE_SECONDS").map(Duration::from_secs);
    loop {
        // Short enough to be typed.
        let seed = told("DOCSPACE_TEST_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
        println!("DOCSPACE_TEST_SEED={seed} repeats these stories");
        all.add(&tell(seed, &runtime));
        if lasts.is_none_or(|lasts| began.elapsed() >= lasts) {
            break;
        }
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    println!("{:.0} stories a minute: {all}", all.stories as f64 / minutes);
    if all.stories >= ENOUGH {
        all.must_be_of_weight();
    }
}
