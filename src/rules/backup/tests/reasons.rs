//! Situations that need separate rows.

use crate::{rules::backup::tests::*, schedule::Storage};

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
            "one read missed it",
            night(|n| n.record.seen.missed_once = Some((at(DUE), at(NOON)))),
            NoEvidence,
        ),
        (
            "two reads missed it",
            night(|n| {
                n.record.missed = Some(at(DUE));
                n.record.seen.missed_once = Some((at(DUE), at(NOON)));
            }),
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
    let custom = |e: &mut Expected| e.storage_type = Storage::shown("CustomCloud");
    let never = |n: &mut Night| (n.last, n.now) = (LastQueued::Never, at("2026-11-20T12:00:00Z"));
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
            of(late, |n| n.last = LastQueued::Never),
            NeverStarts,
        ),
        ("the same, once it ran", of(late, |_| {}), Overdue),
        (
            "the same, an archive is there",
            of(late, |n| {
                (n.last, n.record.last_backup) = (LastQueued::Never, backup(TONIGHT))
            }),
            BackupFound,
        ),
        (
            "an hour that is reached in summer only",
            of(|e| e.times = times(19, "America/New_York"), never),
            StartsLate,
        ),
        (
            "the same, on the day before summer time",
            of(
                |e| e.times = times(19, "America/New_York"),
                |n| (n.last, n.now) = (LastQueued::Never, at("2027-03-13T12:00:00Z")),
            ),
            StartsLate,
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
            of(late, |n| {
                (n.last, n.now) = (LastQueued::NoSchedule, at("2026-11-20T12:00:00Z"))
            }),
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
            "CustomCloud, running",
            of(custom, |n| n.record.seen = running()),
            Running,
        ),
        ("CustomCloud, proved wrong", of(custom, archive), BackupFound),
        (
            "a number without a storage",
            of(|e| e.storage_type = Storage::shown("99"), never),
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
    let message = |held| verdict(&night(|n| n.last = held)).message;
    assert!(message(LastQueued::At(at("2026-11-24T03:07:00Z"))).contains("queued it"));
    for held in [
        LastQueued::NoSchedule,
        LastQueued::Never,
        LastQueued::At(at("2026-11-23T03:07:00Z")),
    ] {
        assert!(
            message(held).contains("does not show that it started"),
            "{held:?}"
        );
    }
}

#[test]
fn equal_situations_have_equal_messages() {
    let overdue = |now: &'static str| {
        verdict(&night(|n| {
            (n.now, n.last, n.record.seen.history_at) = (at(now), LastQueued::NoSchedule, Some(at(now)))
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

#[test]
fn a_day_that_february_lacks_is_not_carried_over_after_a_write() {
    let monthly = |day: i64, written: &'static str, now: &'static str| {
        let cron = Cron {
            period: 2,
            hour: 3,
            day,
        };
        let times = Timetable::new(cron, "UTC").expect("UTC is known");
        let first_start = times.portal_starts(None, at(written));
        let of = of(
            |e| {
                (e.since, e.times) = (at(written), times.clone());
                e.first_start = first_start;
            },
            |n| {
                (n.last, n.now) = (LastQueued::Never, at(now));
                n.record.seen.history_at = Some(at(now));
            },
        );
        let judged = verdict(&of);
        (judged.reason, judged.message)
    };
    for (day, written, now) in [
        (30, "2027-02-10T10:00:00Z", "2027-02-10T10:00:00Z"),
        (29, "2027-03-01T01:00:00Z", "2027-03-01T02:00:00Z"),
        (30, "2027-02-10T10:00:00Z", "2027-03-02T12:00:00Z"),
        (30, "2027-03-01T10:00:00Z", "2027-03-05T12:00:00Z"),
    ] {
        let (reason, _) = monthly(day, written, now);
        assert_eq!(
            reason,
            NotDueYet.to_string(),
            "day {day}, written {written}, at {now}"
        );
    }
    let (_, message) = monthly(30, "2027-02-10T10:00:00Z", "2027-02-20T10:00:00Z");
    assert!(message.ends_with("starts at 2027-03-30T03:00:00Z"), "{message}");
    let (reason, _) = monthly(30, "2027-02-10T10:00:00Z", "2027-03-30T06:00:00Z");
    assert_eq!(reason, Overdue.to_string());
}
