//! The table of BackupFresh: a situation a row. Daily at 03:00 UTC into a local folder, two hours' time for a backup, in
//! force since Friday, judged on Tuesday at noon unless a row says otherwise.

mod absorbed;
mod asked;
mod random;

use serde_json::json;

use jiff::SignedDuration;

use crate::{
    api::{Candidate, LastBackup, LastFailure},
    rules::backup::{record::Seen, *},
    schedule::timetable::Cron,
};

const FRIDAY: &str = "2026-11-20T10:00:00Z";
const YESTERDAY: &str = "2026-11-23T03:20:00Z";
const TONIGHT: &str = "2026-11-24T03:20:00Z";
const DUE: &str = "2026-11-24T03:00:00Z";
const NOON: &str = "2026-11-24T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn times(hour: i64, zone: &str) -> Times {
    let cron = Cron {
        period: 0,
        hour,
        day: 0,
    };
    Times::new(cron, zone).expect("a known zone")
}

fn expected() -> Expected {
    Expected {
        since: at(FRIDAY),
        times: times(3, "UTC"),
        storage_type: "Local".into(),
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

/// A run was under way a quarter of an hour ago.
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
    held: Option<Option<Timestamp>>,
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
        held: Some(Some(at("2026-11-24T03:07:00Z"))),
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
    judge(expected, &night.record, night.held, night.now)
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

use Freshness::*;

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
                n.record.seen.vanished = true;
            }),
            Vanished,
        ),
        (
            "tonight's confirmed and vanished",
            night(|n| {
                n.record.last_backup = backup(TONIGHT);
                n.record.seen.vanished = true;
            }),
            Vanished,
        ),
        (
            "in another storage than the schedule's",
            of(
                |e| e.storage_type = "DataStore".into(),
                |n| n.record.last_backup = backup(TONIGHT),
            ),
            Overdue,
        ),
        ("nothing", night(|_| {}), Overdue),
        ("under way", night(|n| n.record.seen = running()), Running),
        (
            "under way, and yesterday's there",
            night(|n| (n.record.seen, n.record.last_backup) = (running(), backup(YESTERDAY))),
            Running,
        ),
        (
            "under way when that was looked at, long ago",
            night(|n| {
                n.record.seen = Seen {
                    progress_at: Some(at("2026-11-24T09:59:00Z")),
                    ..running()
                };
            }),
            Overdue,
        ),
        (
            "under way, and tonight's there",
            night(|n| (n.record.seen, n.record.last_backup) = (running(), backup(TONIGHT))),
            BackupFound,
        ),
        (
            "under way, and tonight's listed once",
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
            "failed and under way again",
            night(|n| (n.record.last_failure, n.record.seen) = (failure(FAILED), running())),
            Failed,
        ),
        (
            "failed, and an older archive vanished",
            night(|n| {
                (n.record.last_failure, n.record.last_backup) = (failure(FAILED), backup(YESTERDAY));
                n.record.seen.vanished = true;
            }),
            Failed,
        ),
        (
            "failed, then one was made that vanished",
            night(|n| {
                (n.record.last_failure, n.record.last_backup) = (failure(FAILED), backup(TONIGHT));
                n.record.seen.vanished = true;
            }),
            Vanished,
        ),
    ]);
    let told = verdict(&night(|n| n.record.last_failure = failure(FAILED))).message;
    assert!(told.ends_with("The portal says: No space left"), "{told}");
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

#[test]
fn without_a_look_at_the_history_nothing_is_known() {
    let read = |time: Option<&'static str>| night(move |n| n.record.seen.history_at = time.map(at));
    check(vec![
        ("never read", read(None), NoEvidence),
        (
            "read before the deadline",
            read(Some("2026-11-24T04:59:59Z")),
            NoEvidence,
        ),
        (
            "read at the deadline",
            read(Some("2026-11-24T05:00:00Z")),
            Overdue,
        ),
        (
            "never read, but recorded",
            night(|n| (n.record.seen.history_at, n.record.last_backup) = (None, backup(TONIGHT))),
            BackupFound,
        ),
        (
            "never read, and not late",
            night(|n| (n.record.seen.history_at, n.now) = (None, at("2026-11-20T12:00:00Z"))),
            NotDueYet,
        ),
    ]);
}

#[test]
fn what_cannot_work_is_foretold_and_withdrawn_when_the_portal_proves_it_wrong() {
    let late = |e: &mut Expected| e.times = times(22, "America/New_York");
    let custom = |e: &mut Expected| e.storage_type = "CustomCloud".into();
    let never = |n: &mut Night| (n.held, n.now) = (Some(None), at("2026-11-20T12:00:00Z"));
    let archive = |n: &mut Night| {
        let made = LastBackup {
            storage_type: "CustomCloud".into(),
            ..backup(TONIGHT).expect("a backup")
        };
        n.record.last_backup = Some(made);
    };
    check(vec![
        ("an hour that is never reached", of(late, never), NeverStarts),
        (
            "the same, after its time",
            of(late, |n| n.held = Some(None)),
            NeverStarts,
        ),
        ("the same, once it ran", of(late, |_| {}), Overdue),
        (
            "the same, an archive is there",
            of(late, |n| {
                (n.held, n.record.last_backup) = (Some(None), backup(TONIGHT))
            }),
            BackupFound,
        ),
        ("an hour that is reached", night(never), NotDueYet),
        (
            "Sao Paulo's 20th hour",
            of(|e| e.times = times(20, "America/Sao_Paulo"), never),
            NotDueYet,
        ),
        (
            "and its 21st",
            of(|e| e.times = times(21, "America/Sao_Paulo"), never),
            NeverStarts,
        ),
        (
            "the portal holds nothing",
            of(late, |n| (n.held, n.now) = (None, at("2026-11-20T12:00:00Z"))),
            NotDueYet,
        ),
        ("CustomCloud", of(custom, never), StorageCannotBackUp),
        ("CustomCloud, late", of(custom, |_| {}), StorageCannotBackUp),
        (
            "CustomCloud, failed",
            of(custom, |n| {
                n.record.last_failure = failure("2026-11-24T03:08:00Z")
            }),
            Failed,
        ),
        (
            "CustomCloud, under way",
            of(custom, |n| n.record.seen = running()),
            Running,
        ),
        ("CustomCloud, proved wrong", of(custom, archive), BackupFound),
        (
            "a number without a storage",
            of(|e| e.storage_type = "99".into(), never),
            StorageCannotBackUp,
        ),
        ("both", of(|e| (late(e), custom(e)).0, never), NeverStarts),
    ]);
}

#[test]
fn what_was_dropped_is_told_for_its_due_time_only() {
    let dropped = |due: &'static str| night(move |n| n.record.seen.dropped = Some((at(due), "why")));
    check(vec![
        ("tonight's", dropped(DUE), Dropped),
        ("yesterday's", dropped("2026-11-23T03:00:00Z"), Overdue),
        (
            "tonight's, and one came after all",
            night(|n| {
                n.record.seen.dropped = Some((at(DUE), "why"));
                n.record.last_backup = backup(TONIGHT);
            }),
            BackupFound,
        ),
        (
            "tonight's, before its deadline",
            night(|n| {
                n.record.seen.dropped = Some((at(DUE), "why"));
                n.now = at("2026-11-24T04:00:00Z");
                n.record.seen.history_at = Some(n.now);
            }),
            Overdue,
        ),
    ]);
}

#[test]
fn overdue_says_whether_the_portal_has_queued_it() {
    let message = |held| verdict(&night(|n| n.held = held)).message;
    assert!(message(Some(Some(at("2026-11-24T03:07:00Z")))).contains("has queued"));
    for held in [None, Some(None), Some(Some(at("2026-11-23T03:07:00Z")))] {
        assert!(
            message(held).contains("does not tell that it has started"),
            "{held:?}"
        );
    }
}

#[test]
fn equal_situations_have_equal_messages() {
    let overdue = |now: &'static str| {
        verdict(&night(|n| {
            (n.now, n.held, n.record.seen.history_at) = (at(now), None, Some(at(now)))
        }))
    };
    assert_eq!(overdue("2026-11-24T12:00:00Z"), overdue("2026-11-26T17:00:00Z"));
}

#[test]
fn a_warning_of_the_portal_is_told_with_its_archive() {
    let with_warning = night(|n| {
        n.record.last_backup = backup(TONIGHT).map(|backup| LastBackup {
            warning: Some("2 files could not be read".into()),
            ..backup
        });
    });
    let judged = verdict(&with_warning);
    assert_eq!(judged.reason, BackupFound.to_string());
    assert!(
        judged.message.ends_with("Warning: 2 files could not be read"),
        "{}",
        judged.message
    );
}
