//! The table of BackupFresh: one situation a row. Daily at 03:00 UTC into a local folder, backupDeadline two hours, in
//! force since Friday, judged on Tuesday at noon unless a row says otherwise.

mod evidence;
mod next_look;
mod next_question;
mod random;
mod reasons;

use Freshness::*;
use jiff::SignedDuration;
use serde_json::json;

use crate::{
    api::{Candidate, LastBackup, LastFailure},
    rules::backup::{record::Seen, *},
    schedule::{Storage, timetable::Cron},
};

const FRIDAY: &str = "2026-11-20T10:00:00Z";
const YESTERDAY: &str = "2026-11-23T03:20:00Z";
const TONIGHT: &str = "2026-11-24T03:20:00Z";
const DUE: &str = "2026-11-24T03:00:00Z";
const NOON: &str = "2026-11-24T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn times(hour: i64, zone: &str) -> Timetable {
    let cron = Cron {
        period: 0,
        hour,
        day: 0,
    };
    Timetable::new(cron, zone).expect("a known zone")
}

fn expected() -> Expected {
    Expected {
        since: at(FRIDAY),
        first_start: None,
        times: times(3, "UTC"),
        storage_type: Storage::shown("Local"),
        deadline: SignedDuration::from_hours(2),
    }
}

fn backup(created_on: &str) -> Option<LastBackup> {
    let backup = json!({"id": created_on, "fileName": "b", "createdOn": created_on, "storageType": "Local"});
    serde_json::from_value(backup).expect("a backup")
}

fn candidate(created_on: &str) -> Option<Candidate> {
    let candidate = json!({"id": created_on, "firstListed": created_on, "createdOn": created_on});
    serde_json::from_value(candidate).expect("a candidate")
}

fn failure(time: &str) -> Option<LastFailure> {
    serde_json::from_value(json!({"time": time, "message": "No space left"})).expect("a failure")
}

/// A backup was running a quarter of an hour ago.
fn running() -> Seen {
    Seen {
        history_at: Some(at("2026-11-24T11:00:00Z")),
        progress_at: Some(at("2026-11-24T11:45:00Z")),
        running: true,
        ..Seen::default()
    }
}

/// A situation.
struct Night {
    expected: Result<Expected, Unexpected>,
    record: Record,
    last: LastQueued,
    now: Timestamp,
}

/// The portal has queued tonight's run; the history was read an hour ago; nothing is recorded.
fn night(change: impl FnOnce(&mut Night)) -> Night {
    let seen = Seen {
        history_at: Some(at("2026-11-24T11:00:00Z")),
        ..Seen::default()
    };
    let mut night = Night {
        expected: Ok(expected()),
        record: Record {
            seen,
            ..Record::default()
        },
        last: LastQueued::At(at("2026-11-24T03:07:00Z")),
        now: at(NOON),
    };
    change(&mut night);
    night
}

/// The same with another schedule in force.
fn of(change: impl Fn(&mut Expected), more: impl FnOnce(&mut Night)) -> Night {
    night(|night| {
        let expected = night.expected.as_mut().expect("in force");
        change(expected);
        more(night);
    })
}

fn verdict(night: &Night) -> ConditionState {
    let expected = night.expected.as_ref().map_err(|why| *why);
    judge(expected, &night.record, night.last, night.now)
}

fn check(rows: Vec<(&str, Night, Freshness)>) {
    let wrong: Vec<_> = rows
        .into_iter()
        .filter_map(|(name, night, expected)| {
            let judged = verdict(&night);
            let wrong = judged.reason != expected.to_string();
            wrong.then(|| {
                format!(
                    "{name}: {} ({}), expected {expected}",
                    judged.reason, judged.message
                )
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_recorded_decides_in_the_tables_order() {
    check(vec![
        (
            "tonight's is confirmed",
            night(|n| n.record.last_backup = backup(TONIGHT)),
            BackupFound,
        ),
        (
            "a later one is confirmed",
            night(|n| n.record.last_backup = backup(NOON)),
            BackupFound,
        ),
        (
            "one made in the very second",
            night(|n| n.record.last_backup = backup(DUE)),
            BackupFound,
        ),
        (
            "one made a second too early",
            night(|n| n.record.last_backup = backup("2026-11-24T02:59:59Z")),
            Overdue,
        ),
        (
            "only yesterday's",
            night(|n| n.record.last_backup = backup(YESTERDAY)),
            Overdue,
        ),
        (
            "tonight's was listed once",
            night(|n| n.record.candidate = candidate(TONIGHT)),
            Confirming,
        ),
        (
            "an old one was listed once",
            night(|n| n.record.candidate = candidate(YESTERDAY)),
            Overdue,
        ),
        (
            "tonight's confirmed, a later one listed once",
            night(|n| (n.record.last_backup, n.record.candidate) = (backup(TONIGHT), candidate(NOON))),
            BackupFound,
        ),
        (
            "tonight's confirmed, the later one vanished",
            night(|n| {
                (n.record.last_backup, n.record.candidate) = (backup(TONIGHT), candidate(NOON));
                n.record.vanished_since = Some(at(NOON));
            }),
            Vanished,
        ),
        (
            "tonight's confirmed and vanished",
            night(|n| {
                n.record.last_backup = backup(TONIGHT);
                n.record.vanished_since = Some(at(NOON));
            }),
            Vanished,
        ),
        (
            "in another storage than the schedule's",
            of(
                |e| e.storage_type = Storage::shown("DataStore"),
                |n| n.record.last_backup = backup(TONIGHT),
            ),
            Overdue,
        ),
        ("nothing", night(|_| {}), Overdue),
        ("running", night(|n| n.record.seen = running()), Running),
        (
            "running, and yesterday's there",
            night(|n| (n.record.seen, n.record.last_backup) = (running(), backup(YESTERDAY))),
            Running,
        ),
        (
            "running at the last read, long ago",
            night(|n| {
                n.record.seen = Seen {
                    progress_at: Some(at("2026-11-24T09:59:00Z")),
                    ..running()
                };
            }),
            Overdue,
        ),
        (
            "running, and tonight's there",
            night(|n| (n.record.seen, n.record.last_backup) = (running(), backup(TONIGHT))),
            BackupFound,
        ),
        (
            "running, and tonight's listed once",
            night(|n| (n.record.seen, n.record.candidate) = (running(), candidate(TONIGHT))),
            Running,
        ),
    ]);
}

#[test]
fn a_failure_counts_until_an_archive_is_listed() {
    const FAILED: &str = "2026-11-24T03:10:00Z";
    check(vec![
        (
            "failed",
            night(|n| n.record.last_failure = failure(FAILED)),
            Failed,
        ),
        (
            "failed, yesterday's there",
            night(|n| (n.record.last_failure, n.record.last_backup) = (failure(FAILED), backup(YESTERDAY))),
            Failed,
        ),
        (
            "failed, then one listed once",
            night(|n| (n.record.last_failure, n.record.candidate) = (failure(FAILED), candidate(TONIGHT))),
            Confirming,
        ),
        (
            "failed, then one confirmed",
            night(|n| (n.record.last_failure, n.record.last_backup) = (failure(FAILED), backup(TONIGHT))),
            BackupFound,
        ),
        (
            "made, then failed",
            night(|n| (n.record.last_failure, n.record.last_backup) = (failure(NOON), backup(TONIGHT))),
            Failed,
        ),
        (
            "failed before the schedule in force",
            night(|n| n.record.last_failure = failure("2026-11-20T09:59:59Z")),
            Overdue,
        ),
        (
            "failed and running again",
            night(|n| (n.record.last_failure, n.record.seen) = (failure(FAILED), running())),
            Failed,
        ),
        (
            "failed, and an older archive vanished",
            night(|n| {
                (n.record.last_failure, n.record.last_backup) = (failure(FAILED), backup(YESTERDAY));
                n.record.vanished_since = Some(at(NOON));
            }),
            Failed,
        ),
        (
            "failed, then one was made that vanished",
            night(|n| {
                (n.record.last_failure, n.record.last_backup) = (failure(FAILED), backup(TONIGHT));
                n.record.vanished_since = Some(at(NOON));
            }),
            Vanished,
        ),
    ]);
    let told = verdict(&night(|n| n.record.last_failure = failure(FAILED))).message;
    assert_eq!(told, "The last backup failed: No space left");
}

#[test]
fn time_alone_moves_what_is_due() {
    let with = |backup: Option<LastBackup>, now: &'static str| {
        night(move |n| {
            (n.record.last_backup, n.now) = (backup, at(now));
            n.record.seen.history_at = Some(at(now).min(at("2026-11-24T11:00:00Z")));
        })
    };
    check(vec![
        (
            "before tonight's",
            with(backup(YESTERDAY), "2026-11-24T02:59:59Z"),
            BackupFound,
        ),
        ("due", with(backup(YESTERDAY), DUE), BackupFound),
        (
            "just before the deadline",
            with(backup(YESTERDAY), "2026-11-24T04:59:59Z"),
            BackupFound,
        ),
        (
            "at the deadline",
            with(backup(YESTERDAY), "2026-11-24T05:00:00Z"),
            Overdue,
        ),
        (
            "days later",
            with(backup(TONIGHT), "2026-11-27T12:00:00Z"),
            NoEvidence,
        ),
        (
            "a shorter deadline",
            of(
                |e| e.deadline = SignedDuration::from_mins(30),
                |n| {
                    (n.record.last_backup, n.now) = (backup(YESTERDAY), at("2026-11-24T03:30:00Z"));
                    n.record.seen.history_at = Some(n.now);
                },
            ),
            Overdue,
        ),
        (
            "a deadline of a week",
            of(
                |e| e.deadline = SignedDuration::from_hours(168),
                |n| n.record.last_backup = backup("2026-11-17T03:20:00Z"),
            ),
            BackupFound,
        ),
    ]);
}

#[test]
fn what_was_due_before_the_schedule_came_into_force_does_not_count() {
    let since = |since: &'static str| move |e: &mut Expected| e.since = at(since);
    check(vec![
        (
            "in force after tonight's",
            of(since("2026-11-24T03:00:01Z"), |_| {}),
            NotDueYet,
        ),
        ("in force as it is due", of(since(DUE), |_| {}), Overdue),
        (
            "adopted at noon, tonight's there",
            of(since(NOON), |n| n.record.last_backup = backup(TONIGHT)),
            BackupFound,
        ),
        (
            "adopted at noon, yesterday's there",
            of(since(NOON), |n| n.record.last_backup = backup(YESTERDAY)),
            NotDueYet,
        ),
        (
            "first night, due and not late",
            of(since("2026-11-23T12:00:00Z"), |n| {
                n.now = at("2026-11-24T03:30:00Z")
            }),
            NotDueYet,
        ),
        (
            "none is in force",
            night(|n| n.expected = Err(Unexpected::NotInForce)),
            NotDueYet,
        ),
        (
            "the zone is not known",
            night(|n| n.expected = Err(Unexpected::ZoneUnknown)),
            NoEvidence,
        ),
        (
            "none is in force, whatever is recorded",
            night(|n| {
                n.expected = Err(Unexpected::NotInForce);
                n.record.last_backup = backup(TONIGHT);
            }),
            NotDueYet,
        ),
    ]);
}
