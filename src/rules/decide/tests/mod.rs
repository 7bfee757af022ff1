//! The table of decisions: one situation a row.

mod contact;
mod gone;
mod proof;
mod writes;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use crate::{
    api::{
        Applied, DeletionPolicy, DocSpaceBackupSchedule, DocSpaceBackupScheduleSpec, Drift, ShownSchedule,
        Unconfirmed,
    },
    portal::{Address, Archive, Expiry, Failure, PortalError, Progress},
    rules::{
        backup::expected::{Expected, Unexpected},
        clock::PortalClock,
        credentials::Identity,
        decide::*,
        drift::Sighting,
        facts::{Bill, Deletion},
        last_queued::LastQueued,
        ownership::Ownership,
    },
    schedule::{HIDDEN, Held, Param, Storage, timetable::Timetable},
};

/// Facts with their data. Initially an object with daily backups at 3 that was never checked.
struct Scene {
    object: DocSpaceBackupSchedule,
    applied: Option<Applied>,
    corrections: Option<Tally>,
    removals: Option<Tally>,
    facts: Box<dyn Fn(&mut Facts<'_>)>,
}

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn wanted() -> Schedule {
    let spec = Scene::new().object.spec;
    let mut wanted = Schedule::without_secrets(&spec);
    wanted
        .params
        .insert("ssekey".into(), Param::secret("s3cret".into()));
    wanted
}

/// The portal's schedule for [`wanted`], with this change.
fn held(change: impl FnOnce(&mut Schedule)) -> Option<Held> {
    let mut schedule = wanted();
    schedule
        .params
        .values_mut()
        .for_each(|param| param.secret = false);
    change(&mut schedule);
    Some(Held {
        schedule,
        last_backup_time: None,
    })
}

fn error(failure: Failure) -> PortalError {
    PortalError {
        failure,
        status: None,
        message: "https://p.test: it failed".into(),
        date: None,
        retry_after: None,
    }
}

fn running() -> Asked<Option<Progress>> {
    Asked::Answered(Some(Progress {
        is_completed: false,
        progress: 42,
        error: None,
        warning: None,
        task_id: None,
    }))
}

/// What was applied an hour ago is in force.
fn in_force(facts: &mut Facts<'_>) {
    facts.expected = Ok(Expected {
        since: ago(60),
        times: Timetable::new((&wanted()).into(), "UTC").expect("UTC is known"),
        first_start: None,
        storage_type: Storage::shown("ThirdPartyConsumer"),
        deadline: SignedDuration::from_hours(2),
    });
}

fn archives(count: usize) -> Vec<Archive> {
    let archive = |number| Archive {
        id: format!("archive {number}"),
        file_name: String::new().into(),
        storage_type: 5.into(),
        created_on: now(),
        expires: Expiry::Never,
    };
    (0..count).map(archive).collect()
}

impl Scene {
    fn new() -> Self {
        let object = json!({
            "metadata": {"name": "nightly", "namespace": "docspace", "uid": "me", "generation": 1},
            "spec": {
                "portal": {"url": "https://p.test", "apiKeySecretRef": {"name": "key"}},
                "storageType": "ThirdPartyConsumer",
                "storageParams": [
                    {"key": "module", "value": "s3"},
                    {"key": "ssekey", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "sse"}}},
                ],
                "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
                "backupsStored": 7,
            },
        });
        let object = serde_json::from_value(object).expect("a valid object");
        Self {
            object,
            applied: None,
            corrections: None,
            removals: None,
            facts: Box::new(|_| {}),
        }
    }

    /// Nothing is owned yet; all facts are known; the portal holds this schedule.
    fn first_contact(held: Option<Held>) -> Self {
        Self::new().with(move |facts| {
            facts.wanted = Some(Ok(wanted()));
            facts.held = Asked::Answered(held.clone());
            facts.crd_going = Some(Ok(false));
            facts.identity = Some(Identity::default());
            facts.progress = Asked::Answered(None);
            facts.archives = Asked::Answered(Vec::new());
        })
    }

    /// The spec was applied an hour ago. The portal held the same a minute ago.
    fn applied(held: Option<Held>) -> Self {
        let seen = Sighting {
            held: held.as_ref().map(|held| held.schedule.digest()),
            at: ago(1),
            changes: 0,
        };
        let mut scene = Self::first_contact(held).with(move |facts| {
            facts.finalizer = true;
            facts.drift.sighting = Some(seen.clone());
        });
        scene.applied = Some(Applied {
            time: Time(ago(60)),
            reason: AppliedReason::Created,
            generation: 1,
            uid: "me".into(),
            url: "https://p.test".into(),
            host_header: None,
            schedule: wanted().shown_as_applied(),
            secrets: Vec::new(),
        });
        scene
    }

    fn with(mut self, change: impl Fn(&mut Facts<'_>) + 'static) -> Self {
        let before = self.facts;
        self.facts = Box::new(move |facts| {
            before(facts);
            change(facts);
        });
        self
    }

    fn spec(mut self, change: impl FnOnce(&mut DocSpaceBackupScheduleSpec)) -> Self {
        change(&mut self.object.spec);
        self
    }

    /// A different schedule was applied.
    fn had_applied(mut self, change: impl FnOnce(&mut ShownSchedule)) -> Self {
        change(&mut self.applied.as_mut().expect("applied").schedule);
        self
    }

    fn corrected(mut self, minutes_ago: i64) -> Self {
        self.corrections = Some(Tally {
            count: 1,
            last_time: Time(ago(minutes_ago)),
        });
        self
    }

    fn deleted(self, minutes_ago: i64) -> Self {
        self.with(move |facts| facts.deletion = Some(Deletion::begins(ago(minutes_ago))))
    }

    fn step(&self) -> Step {
        let mut facts = Facts {
            ownership: self.applied.as_ref().map_or(Ownership::None, Ownership::Ours),
            corrections: self.corrections.as_ref(),
            removals: self.removals.as_ref(),
            write_recorded: true,
            access: Some(Ok(access())),
            ..Facts::new(&self.object.spec, now())
        };
        (self.facts)(&mut facts);
        decide(&facts)
    }
}

/// A short form of a step.
fn short(step: &Step) -> String {
    match step {
        Step::Ask(need) => format!("observe {need:?}"),
        Step::Do(plan) => plan.to_string(),
    }
}

fn access() -> Access {
    Access {
        namespace: "docspace".into(),
        address: Address::parse("https://p.test", None).expect("an address"),
        key: "key".into(),
        ca: None,
    }
}

fn check(rows: Vec<(&str, Scene, &str)>) {
    let wrong: Vec<_> = rows
        .iter()
        .map(|(name, scene, expected)| (name, short(&scene.step()), expected))
        .filter(|(_, plan, expected)| plan != *expected)
        .map(|(name, plan, expected)| format!("{name}: {plan}, expected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The portal accepted the schedule two minutes ago and never showed it.
fn never_shown(facts: &mut Facts<'_>) {
    facts.unconfirmed = Some(Unconfirmed {
        accepted_time: Time(ago(2)),
        checks: 5,
    });
}

/// An earlier check found that the portal itself had removed the schedule again.
fn removed_before(facts: &mut Facts<'_>) {
    let drift = Drift {
        since: Time(ago(20)),
        correction_waits: false,
        removed_by_portal: true,
    };
    facts.drift.recorded = Some((Box::leak(Box::new(drift)), None));
    facts.last_queued = LastQueued::NoSchedule;
}

/// The schedule was applied to another address.
fn moved(facts: &mut Facts<'_>) {
    if let Ownership::Ours(applied) = facts.ownership {
        facts.ownership = Ownership::Elsewhere(applied);
    }
}

fn earlier_hour(schedule: &mut Schedule) {
    schedule.hour = 5;
}

#[test]
fn facts_are_asked_for_in_order_and_only_when_needed() {
    let absent = || Scene::first_contact(None);
    check(vec![
        ("nothing is known", Scene::new(), "observe Secrets"),
        (
            "the schedule is known",
            Scene::new().with(|f| f.wanted = Some(Ok(wanted()))),
            "observe Schedule",
        ),
        (
            "settings are due",
            absent().with(|f| (f.identity_due, f.identity) = (true, None)),
            "observe Identity",
        ),
        (
            "in sync, settings not due",
            Scene::applied(held(|_| {})).with(|f| f.identity = None),
            "nothing",
        ),
        (
            "settings are read before a write",
            absent().with(|f| f.identity = None),
            "observe Identity",
        ),
        (
            "settings are read before an adoption",
            Scene::first_contact(held(|_| {})).with(|f| f.identity = None),
            "observe Identity",
        ),
        (
            "archives are counted before a write",
            absent().with(|f| f.archives = Asked::NotYet),
            "observe Archives",
        ),
        (
            "archives do not matter when as few are kept already",
            Scene::first_contact(held(earlier_hour)).with(|f| f.archives = Asked::NotYet),
            "write Created",
        ),
        (
            "archives matter when the portal keeps more",
            Scene::first_contact(held(|s| s.backups_stored = 8)).with(|f| f.archives = Asked::NotYet),
            "observe Archives",
        ),
        (
            "progress is read before a correction",
            Scene::applied(held(earlier_hour)).with(|f| f.progress = Asked::NotYet),
            "observe Progress",
        ),
    ]);
}
