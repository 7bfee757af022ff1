//! No false alarm: random stories of several nights on which every scheduled backup succeeds, while answers of the portal
//! fail, lag or are odd, its clock jumps, people make backups of their own, and the operator restarts.
//!
//! After every reconcile ([`night::Night`]):
//! - BackupFresh is never False.
//! - The object is never stalled; only at first contact, after five minutes without an answer of DocSpace.
//! - Ready, once True, stays True during the first hour of a row of failures.
//! - There is no POST while the portal holds the schedule, nor within ten minutes of one with an unknown outcome.
//!
//! An hour after the deadline of the first due time after the troubles, BackupFresh and Ready are True.
//!
//! Seeds differ from run to run and are printed. Environment:
//! - `DOCSPACE_TEST_SEED`: runs the story of this seed only.
//! - `DOCSPACE_TEST_STORIES`: the number of stories. With both, the seed draws the stories.
//! - `DOCSPACE_TEST_WITHOUT`: troubles to leave out ([`Trouble`]), separated by commas; other events stay the same.

mod night;
mod story;

use self::{
    night::Night,
    story::{Story, Trouble},
};

/// Number of stories, unless the environment sets it.
const STORIES: u64 = 25;

fn told<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

fn seeds() -> Vec<u64> {
    let (seed, stories) = (told("DOCSPACE_TEST_SEED"), told("DOCSPACE_TEST_STORIES"));
    if let (Some(seed), None) = (seed, stories) {
        return vec![seed];
    }
    let mut random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    // Short enough to be typed.
    (0..stories.unwrap_or(STORIES))
        .map(|_| random.u64(..1_000_000_000))
        .collect()
}

fn without() -> Vec<Trouble> {
    let names = std::env::var("DOCSPACE_TEST_WITHOUT").unwrap_or_default();
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let known = Trouble::ALL
                .into_iter()
                .find(|trouble| trouble.to_string() == name);
            known.unwrap_or_else(|| panic!("{name} is none of {:?}", Trouble::ALL.map(|it| it.to_string())))
        })
        .collect()
}

#[tokio::test]
async fn nothing_is_reported_while_every_backup_succeeds() {
    let without = without();
    let mut failed = Vec::new();
    for seed in seeds() {
        let story = Story::of(seed, &without);
        println!("seed {seed}: {story}");
        if let Err(wrong) = Night::begin(story).await.run().await {
            if failed.is_empty() {
                println!("{}", wrong.history.join("\n"));
            }
            println!("seed {seed} fails: {}", wrong.what);
            failed.push(format!("seed {seed}: {}", wrong.what));
        }
    }
    assert!(
        failed.is_empty(),
        "{} stories:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
