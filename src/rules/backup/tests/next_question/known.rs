//! What is asked where something is known of a run.

use super::*;
use crate::rules::backup::next_question::trail_from;

#[test]
fn a_run_that_outlives_its_deadline_is_looked_for_when_it_is_over() {
    let mut record = read(Some("2026-11-24T05:00:00Z"), Some("2026-11-24T05:45:00Z"));
    record.seen.settled = Some(at(DUE));
    let so = |record: &Record| So {
        record: record.clone(),
        queued: Some("2026-11-24T03:07:00Z"),
        ..So::default()
    };
    assert_eq!(asked("2026-11-24T05:45:00Z", so(&record)), None);
    record.seen.over_at = Some(at("2026-11-24T05:45:00Z"));
    assert_eq!(asked("2026-11-24T05:45:00Z", so(&record)), Some(Need::Archives));
    record.seen.history_at = Some(at("2026-11-24T05:45:00Z"));
    assert_eq!(asked("2026-11-24T05:45:00Z", so(&record)), None, "once");
}

#[test]
fn a_run_that_failed_is_explained_once() {
    let record = |explained: Option<&str>| {
        let mut record = read(Some("2026-11-24T03:15:00Z"), Some("2026-11-24T03:15:00Z"));
        record.absorb_progress(Some(&run("run", Some("boom"), true)), at("2026-11-24T03:15:00Z"));
        record.seen.explained = explained.map(Into::into);
        record
    };
    let so = |record| So {
        record,
        queued: Some("2026-11-24T03:07:00Z"),
        progress: Some(Some(run("run", Some("boom"), true))),
        archives: Some(vec![]),
        ..So::default()
    };
    let now = "2026-11-24T03:15:00Z";
    assert_eq!(asked(now, so(record(None))), Some(Need::Events));
    assert_eq!(asked(now, so(record(Some("before")))), Some(Need::Events));
    assert_eq!(asked(now, so(record(Some("run")))), None);
    // Nothing is to be explained of a run that succeeded, or that failed before this backup was due.
    let told = |last: Progress, seen: &str| {
        let mut record = read(Some(seen), Some(seen));
        record.absorb_progress(Some(&last), at(seen));
        let so = So {
            progress: Some(Some(last)),
            ..so(record)
        };
        asked(now, so)
    };
    assert_eq!(told(run("run", None, true), now), None);
    assert_eq!(told(run("run", Some("boom"), true), "2026-11-24T02:50:00Z"), None);
}

#[test]
fn a_backup_whose_fate_is_known_is_asked_for_once_an_hour() {
    let known = |change: fn(&mut Record), now: &str| {
        let mut record = read(Some("2026-11-24T03:15:00Z"), Some("2026-11-24T03:15:00Z"));
        change(&mut record);
        let so = So {
            record,
            queued: Some("2026-11-24T03:07:00Z"),
            ..So::default()
        };
        asked(now, so)
    };
    let fates: [fn(&mut Record); 2] = [
        |record| record.last_failure = failure("2026-11-24T03:10:00Z"),
        |record| record.vanished_since = Some(at("2026-11-24T03:15:00Z")),
    ];
    for fate in fates {
        assert_eq!(known(fate, "2026-11-24T04:14:59Z"), None);
        assert_eq!(known(fate, "2026-11-24T04:15:00Z"), Some(Need::Progress));
    }
    let yesterday = |record: &mut Record| record.last_failure = failure("2026-11-23T03:10:00Z");
    assert_eq!(
        known(yesterday, "2026-11-24T03:30:00Z"),
        Some(Need::Progress),
        "it says nothing about this one"
    );
}

#[test]
fn the_trail_is_read_from_a_day_before_what_it_must_explain() {
    let from = |now: &str, archives: Vec<Archive>| {
        let spec = spec();
        let facts = Facts {
            held: Asked::Answered(Some(held(None))),
            archives: Asked::Answered(archives),
            ..Facts::new(&spec, at(now))
        };
        trail_from(&expected(), &read(None, None), &facts)
    };
    let day_before = |time: &str| at(time) - SignedDuration::from_hours(24);
    assert_eq!(from(NOON, vec![]), day_before(DUE));
    // Until tonight's deadline, an archive may count as yesterday's backup.
    let soon = "2026-11-24T03:15:00Z";
    assert_eq!(from(soon, vec![]), day_before("2026-11-23T03:00:00Z"));
    let unrecorded = "2026-11-22T03:10:00Z";
    assert_eq!(
        from(soon, vec![archive("unrecorded", unrecorded)]),
        day_before(unrecorded)
    );
}
