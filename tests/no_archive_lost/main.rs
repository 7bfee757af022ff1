//! A POST of the operator never deletes archives by surprise. Unless adoptionPolicy is Always or the same spec change
//! lowered backupsStored, no POST makes the portal's cleaner, at a pass before the next run, delete an archive that it
//! would have kept without the POST.
//!
//! Random stories run against the real [`decide`](docspace_backup_operator::rules::decide::decide): each starts with
//! a portal and an object, followed by edits with a reconcile after each. The facts come from the state of a simulated
//! portal, and plans are carried out on it. At every POST, the cleaner runs on two copies of the portal: one with the
//! POST, one without. `PROPTEST_CASES` and `PROPTEST_RNG_SEED` select other stories than the fixed ones.
//!
//! The stories leave out scheduled archives without a storage, because no client can see them: the history does not list
//! them, but the cleaner counts them among the archives to keep, and so deletes others.

#[allow(dead_code, unused_imports, reason = "the stable stories use all of it")]
#[path = "../in_process/mod.rs"]
mod in_process;
mod random;
mod seen;
mod story;
mod world;

use std::cell::RefCell;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use self::{random::stories, seen::Seen, story::Story, world::World};

/// Number of random stories, unless the environment sets it.
const STORIES: u32 = 600;

fn config() -> Config {
    let asked = Config::default();
    let told = |name: &str| std::env::var_os(name).is_some();
    Config {
        cases: if told("PROPTEST_CASES") {
            asked.cases
        } else {
            STORIES
        },
        rng_seed: if told("PROPTEST_RNG_SEED") {
            asked.rng_seed
        } else {
            RngSeed::Fixed(7)
        },
        failure_persistence: None,
        ..asked
    }
}

/// Runs a story to its end, or to the first POST that deletes archives without permission.
fn tell(story: &Story, runtime: &tokio::runtime::Runtime) -> Result<Seen, String> {
    let mut world = World::new(story, runtime);
    for step in &story.steps {
        world.happens(&step.edit);
        world.operator_looks(&step.look)?;
    }
    Ok(world.seen)
}

#[test]
fn no_write_costs_archives_by_surprise() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let seen = RefCell::new(Seen::default());
    let config = config();
    let cases = config.cases;
    let outcome = TestRunner::new(config).run(&stories(), |story| {
        let told = tell(&story, &runtime).map_err(TestCaseError::fail)?;
        seen.borrow_mut().add(&told);
        Ok(())
    });
    match outcome {
        Ok(()) if cases >= STORIES => seen.borrow().must_be_of_weight(),
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("no stories: {reason}"),
    }
}
