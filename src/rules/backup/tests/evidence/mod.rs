//! How evidence changes the record: one check a row.

mod many;
mod missed;
mod odd_times;
mod runs;

use crate::{
    api::{DocSpaceBackupScheduleSpec, LastRun, to_second},
    portal::{Archive, Expiry, Failure, PortalError, Progress},
    rules::{
        backup::{audit_trail::AuditTrail, next_question::awaited, tests::*},
        facts::{Asked, Facts},
        sample,
    },
    schedule::{Held, Schedule, Storage},
};

pub(super) fn spec() -> DocSpaceBackupScheduleSpec {
    sample::local_object(1, &json!(null)).spec
}

pub(super) fn held(last: Option<Timestamp>) -> Held {
    Held {
        schedule: Schedule::without_secrets(&spec()),
        last_backup_time: last,
    }
}

pub(super) fn archive(id: &str, created_on: &str) -> Archive {
    Archive {
        id: id.into(),
        file_name: format!("{id}.tar.gz").into(),
        storage_type: 3.into(),
        created_on: at(created_on),
        expires: Expiry::Never,
    }
}

pub(super) fn error() -> PortalError {
    PortalError {
        failure: Failure::ServerError,
        status: Some(500),
        message: "https://p.test: it failed".into(),
        date: None,
        retry_after: None,
    }
}

pub(super) fn run(id: &str, error: Option<&str>, is_completed: bool) -> Progress {
    Progress {
        is_completed,
        progress: 0,
        error: error.map(Into::into),
        warning: None,
        task_id: Some(id.into()),
    }
}

/// A check at noon, after tonight's run was queued at 03:07.
struct Look {
    record: Record,
    expected: Expected,
    now: Timestamp,
    queued: Option<Timestamp>,
    archives: Option<Vec<Archive>>,
    progress: Option<Option<Progress>>,
    trail: Option<Option<AuditTrail>>,
    other: Option<Option<Held>>,
}

fn look(archives: &[Archive]) -> Look {
    Look {
        record: Record::default(),
        expected: expected(),
        now: at(NOON),
        queued: Some(at("2026-11-24T03:07:00Z")),
        archives: Some(archives.to_vec()),
        progress: None,
        trail: None,
        other: None,
    }
}

impl Look {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The record after it.
    fn taken_in(self) -> Record {
        let spec = spec();
        let mut facts = Facts {
            held: Asked::Answered(Some(held(self.queued))),
            archives: self.archives.into(),
            events: self.trail.into(),
            other: self.other.into(),
            ..Facts::new(&spec, self.now)
        };
        let mut record = self.record;
        if let Some(progress) = self.progress {
            record.absorb_progress(progress.as_ref(), self.now);
            facts.progress = Asked::Answered(progress);
        }
        let awaited = awaited(&self.expected, &record, &facts);
        record.absorb(&facts, &self.expected, awaited);
        record
    }
}

fn ids(record: &Record) -> (Option<&str>, Option<&str>, bool) {
    let backup = record.last_backup.as_ref().map(|backup| backup.id.as_str());
    let candidate = record.candidate.as_ref().map(|candidate| candidate.id.as_str());
    (backup, candidate, record.seen.missing_since.is_some())
}

/// `new`, made tonight, was listed first so many minutes before noon.
fn listed(minutes_ago: i64) -> Record {
    let first_listed = at(NOON) - SignedDuration::from_mins(minutes_ago);
    let candidate = json!({"id": "new", "firstListed": first_listed, "createdOn": TONIGHT});
    Record {
        candidate: serde_json::from_value(candidate).expect("a candidate"),
        ..Record::default()
    }
}

fn confirmed() -> Record {
    let backup = json!({"id": "new", "fileName": "b", "createdOn": TONIGHT, "storageType": "Local"});
    Record {
        last_backup: serde_json::from_value(backup).expect("a backup"),
        ..Record::default()
    }
}

#[test]
fn an_archive_is_confirmed_when_it_is_listed_again_half_an_hour_later() {
    let (old, new, later) = (
        archive("old", YESTERDAY),
        archive("new", TONIGHT),
        archive("later", NOON),
    );
    let elsewhere = Archive {
        storage_type: 4.into(),
        ..new.clone()
    };
    // recorded before, listed now; confirmed, candidate, missing after
    let rows = [
        (Record::default(), vec![], (None, None, false)),
        (Record::default(), vec![new.clone()], (None, Some("new"), false)),
        (
            Record::default(),
            vec![new.clone(), old.clone()],
            (None, Some("new"), false),
        ),
        (Record::default(), vec![elsewhere.clone()], (None, None, false)),
        (listed(29), vec![new.clone()], (None, Some("new"), false)),
        (listed(30), vec![new.clone()], (Some("new"), None, false)),
        (
            listed(30),
            vec![later.clone(), new.clone()],
            (Some("new"), Some("later"), false),
        ),
        (
            listed(29),
            vec![later.clone(), new.clone()],
            (None, Some("later"), false),
        ),
        (listed(30), vec![], (None, Some("new"), true)),
        (listed(1), vec![old.clone()], (None, Some("new"), true)),
        (listed(30), vec![later.clone()], (None, Some("later"), false)),
        (
            confirmed(),
            vec![new.clone(), old.clone()],
            (Some("new"), None, false),
        ),
        (confirmed(), vec![old.clone()], (Some("new"), None, true)),
        (confirmed(), vec![], (Some("new"), None, true)),
        (
            confirmed(),
            vec![later.clone()],
            (Some("new"), Some("later"), false),
        ),
    ];
    let fraction = archive("new", "2026-11-24T03:20:00.519708Z");
    let rows = rows.into_iter().chain([
        (confirmed(), vec![fraction.clone()], (Some("new"), None, false)),
        (listed(10), vec![fraction], (None, Some("new"), false)),
    ]);
    for (record, archives, expected) in rows {
        let before = format!("{record:?} {archives:?}");
        let count = archives.len();
        let after = look(&archives).with(|look| look.record = record).taken_in();
        assert_eq!(ids(&after), expected, "{before}");
        assert_eq!(after.backup_count, i32::try_from(count).ok());
        assert_eq!(after.seen.history_at, Some(at(NOON)));
    }
}

#[test]
fn what_expires_in_its_time_has_not_vanished() {
    let in_data_store = |now: &'static str| {
        look(&[]).with(|look| {
            look.record = confirmed();
            look.record.last_backup.as_mut().expect("a backup").storage_type = "DataStore".into();
            look.expected.storage_type = Storage::shown("DataStore");
            look.now = at(now);
        })
    };
    assert!(
        in_data_store("2026-11-25T03:20:00Z")
            .taken_in()
            .seen
            .missing_since
            .is_none()
    );
    assert!(
        in_data_store("2026-11-25T03:19:59Z")
            .taken_in()
            .seen
            .missing_since
            .is_some()
    );
}

#[test]
fn a_history_that_cannot_be_read_changes_nothing() {
    let record = listed(40);
    let after = look(&[])
        .with(|look| (look.archives, look.record) = (None, record.clone()))
        .taken_in();
    assert_eq!(after, record);
}

fn trail(change: impl FnOnce(&mut AuditTrail)) -> Option<Option<AuditTrail>> {
    let mut trail = AuditTrail::default();
    change(&mut trail);
    Some(Some(trail))
}

#[test]
fn an_archive_that_a_person_made_does_not_count_where_the_trail_tells() {
    let manual = |time: &'static str| trail(move |trail| trail.manual_completed = [at(time)].into());
    let both = trail(|trail| {
        trail.manual_completed = [at("2026-11-24T03:10:00Z")].into();
        trail.completed = [at("2026-11-24T03:20:01Z")].into();
    });
    let tie = trail(|trail| {
        trail.manual_completed = [at("2026-11-24T03:20:01Z")].into();
        trail.completed = [at("2026-11-24T03:20:01Z")].into();
    });
    let rows = [
        (tie, Some("new")),
        (None, Some("new")),
        (Some(None), Some("new")),
        (trail(|_| {}), Some("new")),
        (manual("2026-11-24T03:20:02Z"), None),
        (manual("2026-11-24T03:19:59Z"), None),
        (manual("2026-11-24T02:00:00Z"), Some("new")),
        (both, Some("new")),
    ];
    for (trail, candidate) in rows {
        let told = format!("{trail:?}");
        let after = look(&[archive("new", TONIGHT)])
            .with(|look| look.trail = trail)
            .taken_in();
        assert_eq!(ids(&after).1, candidate, "{told}");
    }
    // It counted as the schedule's until the trail was read.
    let late = look(&[archive("new", TONIGHT)])
        .with(|look| (look.record, look.trail) = (listed(30), manual("2026-11-24T03:20:02Z")));
    assert_eq!(ids(&late.taken_in()), (None, None, false));
}

#[test]
fn a_failure_is_the_portals_word_for_the_awaited_run() {
    let seen = |time: Option<&'static str>| {
        move |look: &mut Look| {
            look.record.seen.progress_at = Some(at("2026-11-24T02:50:00Z"));
            look.record.last_run = Some(LastRun {
                id: "run".into(),
                first_seen: time.map(|time| k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(time))),
            });
            look.progress = Some(Some(run("run", Some("No space left"), true)));
        }
    };
    let failed = |look: Look| {
        let failure = look.taken_in().last_failure;
        failure.map(|failure| (failure.time.0.to_string(), failure.message))
    };
    let told = |time: &str| Some((time.to_string(), "No space left".to_string()));
    let after_due = "2026-11-24T03:12:00Z";

    assert_eq!(failed(look(&[]).with(seen(Some(after_due)))), told(after_due));
    // An old run's error, or one of unknown age.
    assert_eq!(failed(look(&[]).with(seen(Some("2026-11-24T02:50:00Z")))), None);
    assert_eq!(failed(look(&[]).with(seen(None))), None);
    // Never against a listed archive.
    assert_eq!(
        failed(look(&[archive("new", TONIGHT)]).with(seen(Some(after_due)))),
        None
    );
    assert_eq!(
        failed(look(&[archive("old", YESTERDAY)]).with(seen(Some(after_due)))),
        told(after_due)
    );
    let beside = |manual: &'static str, scheduled: Option<&'static str>| {
        let trail = trail(|trail| {
            trail.manual_failed = [at(manual)].into();
            trail.failed = scheduled.into_iter().map(at).collect();
        });
        failed(
            look(&[])
                .with(seen(Some(after_due)))
                .with(|look| look.trail = trail),
        )
    };
    // Nor with a manual run near it.
    for about in ["2026-11-24T02:50:00Z", "2026-11-24T03:11:00Z"] {
        assert_eq!(beside(about, None), None, "{about}");
    }
    let long_ago = "2026-11-23T18:00:00Z";
    assert_eq!(
        beside(long_ago, None),
        None,
        "the trail has no failure of a scheduled run"
    );
    assert_eq!(beside(long_ago, Some(after_due)), told(after_due));
    // The error may be that of a manual run.
    let near = beside("2026-11-24T03:11:00Z", Some(after_due));
    let (time, message) = near.expect("the scheduled run failed");
    assert_eq!(time, after_due);
    assert!(message.starts_with("the portal gives no reason"), "{message}");
    // Without a history, nothing is recorded.
    assert_eq!(
        failed(
            look(&[])
                .with(seen(Some(after_due)))
                .with(|look| look.archives = None)
        ),
        None
    );
}

#[test]
fn what_is_known_to_be_gone_proves_nothing_once_there_is_another() {
    let later = || archive("later", NOON);
    let vanished = |vanished| {
        let mut record = confirmed();
        record.vanished_since = vanished;
        ids(&look(&[later()]).with(|look| look.record = record).taken_in())
            .0
            .map(ToOwned::to_owned)
    };
    assert_eq!(vanished(Some(at(DUE))), None);
    assert_eq!(
        vanished(None).as_deref(),
        Some("new"),
        "it made room for the later one"
    );
}
