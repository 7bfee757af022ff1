//! No order of answers makes BackupFresh True without an archive that the portal listed twice, half an hour apart.
//!
//! Seeds differ from run to run and are printed; `DOCSPACE_TEST_SEED` replays one.

use std::collections::BTreeMap;

use proptest::{
    collection::vec,
    option,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};

use crate::{
    api::Status,
    portal::{Archive, Expiry},
    rules::{
        backup::{
            audit_trail::AuditTrail,
            next_question::awaited,
            tests::{
                evidence::{error, held, run, spec},
                *,
            },
        },
        facts::{Asked, Facts},
    },
};

/// A check: minutes since the last one, and every answer that the portal may give.
#[derive(Clone, Debug)]
struct Step {
    minutes: i64,
    restarted: bool,
    /// Which of the archives are listed; or the history fails.
    history: Option<Vec<bool>>,
    /// An archive appears: its storage and how many minutes ago it was made (or is said to have been).
    archive: Option<(i64, i64, Expiry)>,
    progress: Option<Option<(u8, bool, bool)>>,
    trail: Trail,
    queued: Option<i64>,
    other: bool,
}

/// The answer of the audit trail.
#[derive(Clone, Debug)]
enum Trail {
    NotAsked,
    Fails,
    NotAvailable,
    /// Ends of runs, so many minutes ago: of manual, of scheduled and of failed ones.
    Answers([Option<i64>; 3]),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ago = || -30..3000_i64;
    let minutes = prop_oneof![4 => 1..31_i64, 2 => 31..180_i64, 1 => 180..2000_i64];
    let expires = prop_oneof![Just(Expiry::Never), Just(Expiry::AtNextCleaning)];
    let step = (
        (minutes, prop::bool::weighted(0.1)),
        option::weighted(0.8, vec(prop::bool::weighted(0.8), 40)),
        option::weighted(
            0.5,
            (prop_oneof![8 => Just(3_i64), 1 => 0..7_i64], ago(), expires),
        ),
        option::of(option::of((0..3_u8, any::<bool>(), any::<bool>()))),
        prop_oneof![
            2 => Just(Trail::NotAsked),
            1 => Just(Trail::Fails),
            2 => Just(Trail::NotAvailable),
            2 => [option::of(ago()), option::of(ago()), option::of(ago())].prop_map(Trail::Answers),
        ],
        (option::of(ago()), any::<bool>()),
    );
    let step = step.prop_map(
        |((minutes, restarted), history, archive, progress, trail, (queued, other))| Step {
            minutes,
            restarted,
            history,
            archive,
            progress,
            trail,
            queued,
            other,
        },
    );
    vec(step, 1..30)
}

/// The archives that the portal listed, and when.
type Listings = BTreeMap<String, Vec<Timestamp>>;

struct Story {
    now: Timestamp,
    expected: Expected,
    status: Status,
    seen: Option<Seen>,
    archives: Vec<Archive>,
    listings: Listings,
}

impl Story {
    fn new() -> Self {
        Self {
            now: at(FRIDAY),
            expected: expected(),
            status: Status::default(),
            seen: None,
            archives: Vec::new(),
            listings: Listings::new(),
        }
    }

    fn look(&mut self, step: &Step) -> ConditionState {
        self.now += SignedDuration::from_mins(step.minutes);
        let now = self.now;
        let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
        if let Some((storage_type, minutes, expires)) = step.archive {
            self.archives.push(Archive {
                id: format!("archive {}", self.archives.len()),
                file_name: String::new().into(),
                storage_type: storage_type.into(),
                created_on: ago(minutes),
                expires,
            });
        }
        let listed: Option<Vec<Archive>> = step.history.as_ref().map(|listed| {
            let listed = listed.iter().chain(std::iter::repeat(&true));
            let archives = self.archives.iter().zip(listed);
            archives
                .filter(|(_, listed)| **listed)
                .map(|(archive, _)| archive.clone())
                .collect()
        });
        for archive in listed.iter().flatten() {
            self.listings.entry(archive.id.clone()).or_default().push(now);
        }
        let trail = |times: &[Option<i64>; 3]| AuditTrail {
            manual_completed: times[0].map(ago).into_iter().collect(),
            completed: times[1].map(ago).into_iter().collect(),
            failed: times[2].map(ago).into_iter().collect(),
            ..AuditTrail::default()
        };
        let spec = spec();
        let mut facts = Facts {
            held: Asked::Answered(Some(held(step.queued.map(ago)))),
            archives: listed.ok_or_else(error).into(),
            events: match &step.trail {
                Trail::NotAsked => Asked::NotYet,
                Trail::Fails => Asked::Failed(error()),
                Trail::NotAvailable => Asked::Answered(None),
                Trail::Answers(times) => Asked::Answered(Some(trail(times))),
            },
            other: Asked::Answered(step.other.then(|| held(step.queued.map(ago)))),
            ..Facts::new(&spec, now)
        };
        let seen = self.seen.take().filter(|_| !step.restarted);
        let mut record = Record::of(&self.status, seen.as_ref());
        if let Some(progress) = &step.progress {
            let progress =
                progress.map(|(id, failed, over)| run(&id.to_string(), failed.then_some("boom"), over));
            record.absorb_progress(progress.as_ref(), now);
            facts.progress = Asked::Answered(progress);
        }
        let awaited = awaited(&self.expected, &record, &facts);
        record.absorb(&facts, &self.expected, awaited);
        let judged = judge(Ok(&self.expected), &record, facts.last_backup_time().into(), now);
        self.seen = Some(record.keep(&mut self.status));
        judged
    }

    /// An archive of the schedule that the portal listed twice, half an hour apart, made since the due time that
    /// counts.
    fn is_proved(&self) -> bool {
        let due = self.expected.deadline_passed(self.now).expect("a daily schedule");
        self.archives.iter().any(|archive| {
            let times = self.listings.get(&archive.id);
            let apart = times.is_some_and(|times| {
                times[times.len() - 1].duration_since(times[0]) >= SignedDuration::from_mins(30)
            });
            archive.storage_type == 3.into() && apart && archive.created_on >= due
        })
    }
}

/// Runs the stories of a seed, which differs from run to run unless the environment sets it.
fn runner(cases: u32) -> TestRunner {
    let seed = match std::env::var("DOCSPACE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("DOCSPACE_TEST_SEED is a number"),
        Err(_) => fastrand::u64(..1_000_000_000),
    };
    println!("seed {seed}: {cases} stories");
    TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn fresh_means_listed_twice_half_an_hour_apart() {
    let told = runner(2000).run(&steps(), |steps| {
        let mut story = Story::new();
        for step in &steps {
            let judged = story.look(step);
            if judged.reason == Freshness::BackupFound.to_string() {
                prop_assert!(story.is_proved(), "{step:?} at {}: {:?}", story.now, story.status);
            }
            prop_assert_eq!(
                judged.status == "True",
                judged.reason == Freshness::BackupFound.to_string()
            );
        }
        Ok(())
    });
    if let Err(wrong) = told {
        panic!("{wrong}");
    }
}

#[test]
fn random_stories_do_come_to_fresh_backups() {
    const STORIES: u32 = 1500;
    let mut runner = runner(STORIES);
    let mut seen = BTreeMap::<String, usize>::new();
    for _ in 0..STORIES {
        let steps = steps().new_tree(&mut runner).expect("a story").current();
        let mut story = Story::new();
        for step in &steps {
            *seen.entry(story.look(step).reason).or_default() += 1;
        }
    }
    for freshness in [
        BackupFound,
        NotDueYet,
        Running,
        Confirming,
        NoEvidence,
        Overdue,
        Failed,
        Vanished,
        Dropped,
    ] {
        assert!(seen.contains_key(&freshness.to_string()), "{freshness}: {seen:?}");
    }
}
