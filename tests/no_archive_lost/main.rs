//! Our POST never costs archives by surprise. Without adoptionPolicy Always, no POST but one whose spec change
//! lowered the number makes the portal's cleaner, at a pass before the next run, delete an archive that it would
//! have left without the POST.
//!
//! Random stories are told to the real [`decide`](docspace_backup_operator::controller::decide::decide): a portal
//! and an object to begin with, then edits with a look of the operator after each. The facts come from the state of
//! a simulated portal, plans are carried out on it, and at every POST two copies of it meet the cleaner: one with
//! the POST, one without. `PROPTEST_CASES` and `PROPTEST_RNG_SEED` look further than the fixed stories.
//!
//! One thing is left out, as no client can see it: scheduled archives whose storage is gone, or never was. The
//! history does not list them, and the cleaner counts them among those that are kept, so that it deletes others.

mod portal;
mod random;
mod seen;
mod story;
mod world;

use std::cell::RefCell;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use self::{random::stories, seen::Seen, story::Story, world::World};

/// As many random stories are told, where the environment does not say.
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

/// Tells a story to its end, or to the first POST that costs archives which nobody gave away.
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
