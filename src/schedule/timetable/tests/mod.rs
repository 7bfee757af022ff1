//! The recorded scheduler, row by row (`RECORDINGS=<folder>` takes other recordings), and cases without a recording.

mod random;

use std::{cell::Cell, env, fs, path::PathBuf};

use serde_json::Value;

use super::*;

thread_local! {
    /// Conversions between wall clock and instants in this thread.
    pub static STEPS: Cell<u64> = const { Cell::new(0) };
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn rows(file: &str) -> Vec<Value> {
    let own = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings"));
    let folder = env::var_os("RECORDINGS").map_or_else(own, PathBuf::from);
    let text = fs::read_to_string(folder.join(file)).expect("recordings");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    let rows = serde_json::from_value(file["rows"].take()).expect("rows");
    assert_ne!(rows, Vec::<Value>::new());
    rows
}

/// A row's times. GET settings returns the IANA name of a zone stored by its Windows name (R 807), and UTC for an
/// unknown one (R 801, 808), so the operator never sees other names.
fn times(row: &Value) -> Timetable {
    let number = |field: &str| row[field].as_i64().expect("a number");
    let periods = ["EveryDay", "EveryWeek", "EveryMonth"];
    let period = periods.iter().position(|name| row["period"] == *name);
    let cron = Cron {
        period: i64::try_from(period.expect("a period")).expect("small"),
        hour: number("hour"),
        day: number("day"),
    };
    let zone = match row["portalTimeZone"].as_str() {
        Some("W. Europe Standard Time") => "Europe/Berlin",
        Some(zone) => zone,
        None => "UTC",
    };
    Timetable::new(cron, zone).unwrap_or_else(|| Timetable::new(cron, "UTC").expect("UTC is known"))
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().map(at)
}

#[test]
fn recordings_of_next_runs_are_what_is_computed() {
    for row in rows("next-runs.json") {
        let times = times(&row);
        let (last, watched) = (time(&row["lastBackupTimeUtc"]), time(&row["watchedFromUtc"]));
        let watched = watched.expect("a time");
        let starts = |last, from: Timestamp| times.portal_starts(last, from).map(|due| due.max(from));
        let due = starts(last, watched);
        assert_eq!(due, time(&row["dueAtUtc"]), "{row}");
        let mut previous = due;
        for following in row["following"].as_array().expect("a list") {
            let from = previous.expect("a run before");
            previous = starts(Some(from), from);
            assert_eq!(previous, time(&following["dueAtUtc"]), "{row}");
        }
    }
}

#[test]
fn recordings_of_what_is_due_are_what_is_computed() {
    for row in rows("due.json") {
        let now = time(&row["nowUtc"]).expect("a time");
        let last = time(&row["lastBackupTimeUtc"]);
        assert_eq!(row["due"], times(&row).portal_is_due(last, now), "{row}");
        let since = times(&row).portal_starts(last, now);
        assert_eq!(row["due"], since.is_some_and(|since| since <= now), "{row}");
    }
}

fn every(period: i64, hour: i64, day: i64, zone: &str) -> Timetable {
    Timetable::new(Cron { period, hour, day }, zone).expect("a known zone")
}

#[test]
fn people_expect_the_times_on_the_wall() {
    // times, an instant, the newest before, the next after
    let rows = [
        (
            every(0, 3, 0, "UTC"),
            "2026-11-24T02:59:59Z",
            "2026-11-23T03:00:00Z",
            "2026-11-24T03:00:00Z",
        ),
        (
            every(0, 3, 0, "UTC"),
            "2026-11-24T03:00:00Z",
            "2026-11-24T03:00:00Z",
            "2026-11-25T03:00:00Z",
        ),
        // An hour that no POST ever starts is expected anyway.
        (
            every(0, 22, 0, "America/New_York"),
            "2026-11-24T12:00:00Z",
            "2026-11-24T03:00:00Z",
            "2026-11-25T03:00:00Z",
        ),
        // Skipped in spring: when the wall clock has passed it.
        (
            every(0, 2, 0, "Europe/Berlin"),
            "2027-03-28T00:30:00Z",
            "2027-03-27T01:00:00Z",
            "2027-03-28T01:00:00Z",
        ),
        (
            every(0, 2, 0, "Europe/Berlin"),
            "2027-03-28T01:00:00Z",
            "2027-03-28T01:00:00Z",
            "2027-03-29T00:00:00Z",
        ),
        // Twice in autumn: the first.
        (
            every(0, 2, 0, "Europe/Berlin"),
            "2026-10-25T01:30:00Z",
            "2026-10-25T00:00:00Z",
            "2026-10-26T01:00:00Z",
        ),
        (
            every(1, 3, 1, "UTC"),
            "2026-11-24T12:00:00Z",
            "2026-11-22T03:00:00Z",
            "2026-11-29T03:00:00Z",
        ),
        (
            every(2, 3, 31, "UTC"),
            "2026-11-24T12:00:00Z",
            "2026-10-31T03:00:00Z",
            "2026-12-31T03:00:00Z",
        ),
        (
            every(2, 3, 31, "UTC"),
            "2027-03-30T12:00:00Z",
            "2027-01-31T03:00:00Z",
            "2027-03-31T03:00:00Z",
        ),
        // The 30th of February is the 2nd of March, also when it is March already.
        (
            every(2, 3, 30, "UTC"),
            "2027-03-01T12:00:00Z",
            "2027-01-30T03:00:00Z",
            "2027-03-02T03:00:00Z",
        ),
        (
            every(2, 3, 30, "UTC"),
            "2027-03-02T12:00:00Z",
            "2027-03-02T03:00:00Z",
            "2027-03-30T03:00:00Z",
        ),
        (
            every(0, 99, 0, "UTC"),
            "2026-11-24T12:30:00Z",
            "2026-11-24T12:00:00Z",
            "2026-11-24T13:00:00Z",
        ),
    ];
    for (times, now, latest, next) in rows {
        assert_eq!(times.latest(at(now)), Some(at(latest)), "{times:?} at {now}");
        assert_eq!(times.next(at(now)), Some(at(next)), "{times:?} at {now}");
    }
}

#[test]
fn what_is_never_due_has_no_times() {
    for times in [
        every(1, 3, 98, "UTC"),
        every(3, 3, 1, "UTC"),
        every(0, 24, 0, "UTC"),
        every(2, 3, 0, "UTC"),
    ] {
        let now = at("2026-11-24T12:00:00Z");
        assert_eq!((times.latest(now), times.next(now)), (None, None), "{times:?}");
        assert_eq!(times.portal_starts(None, now), None, "{times:?}");
    }
    assert!(
        Timetable::new(
            Cron {
                period: 0,
                hour: 3,
                day: 0
            },
            "Nonsense/Zone"
        )
        .is_none()
    );
}

/// The zone skipped the last day of 1994. Found by the random tests.
#[test]
fn a_start_that_a_skipped_day_moves_into_the_next_is_found() {
    let start = every(0, 13, 0, "Pacific/Kanton").portal_starts(None, at("1994-12-31T11:00:00Z"));
    assert_eq!(start, Some(at("1995-01-01T00:00:00Z")));
}

#[test]
fn schedules_meet_where_the_portal_starts_both_at_once() {
    let from = at("2026-11-24T12:00:00Z");
    let daily = every(0, 3, 0, "UTC");
    for (other, meets) in [
        (every(0, 3, 0, "UTC"), true),
        (every(0, 99, 0, "UTC"), true),
        (every(0, 4, 0, "Europe/Berlin"), true),
        // A quarter of an hour later, in the next pass.
        (every(0, 9, 0, "Asia/Kathmandu"), false),
        (every(0, 4, 0, "UTC"), false),
        (every(1, 3, 1, "UTC"), true),
        (every(2, 3, 31, "UTC"), true),
        (every(2, 4, 31, "UTC"), false),
    ] {
        assert_eq!(daily.meets(&other, from), meets, "{other:?}");
        assert_eq!(other.meets(&daily, from), meets, "{other:?}");
    }
}

/// Following every hour would take more than 10,000 steps.
#[test]
fn that_schedules_never_meet_is_found_in_few_steps() {
    let from = at("2026-11-24T12:00:00Z");
    let (hourly, never) = (every(0, 99, 0, "UTC"), every(0, 24, 0, "UTC"));
    let at_half_past = every(0, 99, 0, "Asia/Kolkata");
    for (ours, theirs) in [(&hourly, &at_half_past), (&hourly, &never), (&never, &hourly)] {
        let before = STEPS.get();
        assert!(!ours.meets(theirs, from), "{ours:?} {theirs:?}");
        let takes = STEPS.get() - before;
        assert!((1..=1000).contains(&takes), "{takes} steps: {ours:?} {theirs:?}");
    }
}

/// Of the firsts of a month in the half year after August 2026, November's alone is a Sunday.
#[test]
fn schedules_meet_after_the_instant_and_within_two_months() {
    let (sundays, firsts) = (every(1, 99, 1, "UTC"), every(2, 3, 1, "UTC"));
    for (from, meets) in [
        ("2026-08-31T03:00:00Z", false),
        ("2026-08-31T03:00:01Z", true),
        ("2026-11-01T02:59:59Z", true),
        ("2026-11-01T03:00:00Z", false),
    ] {
        assert_eq!(sundays.meets(&firsts, at(from)), meets, "{from}");
        assert_eq!(firsts.meets(&sundays, at(from)), meets, "{from}");
    }
}

/// Kwajalein had no August 21, 1993: its hours are due a day later, and so are those of the 22nd.
#[test]
fn hours_after_a_skipped_day_come_one_after_the_other() {
    let hourly = every(0, 99, 0, "Pacific/Kwajalein");
    let next = hourly.next(at("1993-08-21T12:00:00Z"));
    assert_eq!(next, Some(at("1993-08-21T13:00:00Z")));
}

/// The skipped August 21 was a Saturday.
#[test]
fn the_time_of_a_skipped_day_is_due_a_day_later() {
    let weekly = every(1, 13, 7, "Pacific/Kwajalein");
    let next = weekly.next(at("1993-08-21T12:00:00Z"));
    assert_eq!(next, Some(at("1993-08-22T01:00:00Z")));
}
