//! Runs in the progress and in the audit trail.

use super::*;

#[test]
fn the_trail_tells_of_a_failure_that_the_progress_has_forgotten() {
    let failed = |time: &'static str| trail(move |trail| trail.failed = [at(time)].into());
    let after = |trail, archives: &[Archive]| {
        let after = look(archives).with(|look| look.trail = trail).taken_in();
        after.last_failure.map(|failure| failure.time.0)
    };
    assert_eq!(
        after(failed("2026-11-24T03:10:00Z"), &[]),
        Some(at("2026-11-24T03:10:00Z"))
    );
    assert_eq!(after(failed("2026-11-23T03:10:00Z"), &[]), None);
    assert_eq!(
        after(failed("2026-11-24T03:10:00Z"), &[archive("new", TONIGHT)]),
        None
    );
    assert_eq!(after(Some(None), &[]), None);
}

#[test]
fn a_run_is_known_again_by_its_id() {
    let first_seen = |record: &Record| {
        let run = record.last_run.as_ref().expect("a run");
        (run.id.clone(), run.first_seen.as_ref().map(|time| time.0))
    };
    let mut record = Record::default();
    record.absorb_progress(Some(&run("one", Some("old"), true)), at(DUE));
    assert_eq!(
        first_seen(&record),
        ("one".into(), None),
        "the first of all may be of any time"
    );
    record.absorb_progress(Some(&run("one", Some("old"), true)), at(NOON));
    assert_eq!(first_seen(&record), ("one".into(), None));
    let soon = at(NOON) + SignedDuration::from_mins(30);
    record.absorb_progress(Some(&run("two", None, false)), soon);
    assert_eq!(first_seen(&record), ("two".into(), Some(soon)));
    assert!(record.seen.running);
    record.absorb_progress(None, soon);
    assert_eq!(
        first_seen(&record),
        ("two".into(), Some(soon)),
        "a restart forgets it, and we do not"
    );
    assert!(!record.seen.running);

    let mut record = Record::default();
    record.absorb_progress(Some(&run("one", None, false)), at(NOON));
    assert_eq!(
        first_seen(&record),
        ("one".into(), None),
        "it may have been running for long"
    );
    let mut record = Record::default();
    record.absorb_progress(None, at(DUE));
    let late = at(DUE) + SignedDuration::from_mins(31);
    record.absorb_progress(Some(&run("one", Some("x"), true)), late);
    assert_eq!(
        first_seen(&record),
        ("one".into(), None),
        "the last read is too long ago"
    );
    record.absorb_progress(Some(&run("two", Some("x"), true)), late);
    assert_eq!(
        first_seen(&record),
        ("two".into(), Some(late)),
        "there was none before"
    );
}

#[test]
fn the_trail_may_tell_of_a_new_run_later() {
    let explained = |minutes| {
        let first_seen = at(NOON) - SignedDuration::from_mins(minutes);
        let run = LastRun {
            id: "one".into(),
            first_seen: Some(to_second(first_seen)),
        };
        let look = look(&[]).with(|look| {
            look.record.last_run = Some(run);
            look.trail = trail(|_| ());
        });
        look.taken_in().seen.explained
    };
    assert_eq!(explained(14), None);
    assert_eq!(explained(15).as_deref(), Some("one"));
}

#[test]
fn a_run_is_dropped_for_a_known_reason_only() {
    // The trail and the other schedule were asked.
    let why = |mut look: Look| {
        look.trail.get_or_insert(None);
        look.other.get_or_insert(None);
        look.taken_in()
            .seen
            .dropped
            .map(|(due, why)| (due, why.contains("person")))
    };
    let manual = |started: &'static str, ended: Option<&'static str>| {
        trail(move |trail| {
            trail.manual_started = [at(started)].into();
            trail.manual_completed = ended.map(at).into_iter().collect();
        })
    };
    let other = |last: &'static str| Some(Some(held(Some(at(last)))));
    let due = at(DUE);

    assert_eq!(why(look(&[])), None);
    assert_eq!(
        why(look(&[]).with(|l| l.trail = manual("2026-11-24T02:55:00Z", Some("2026-11-24T03:30:00Z")))),
        Some((due, true))
    );
    assert_eq!(
        why(look(&[]).with(|l| l.trail = manual("2026-11-24T02:55:00Z", None))),
        Some((due, true))
    );
    assert_eq!(
        why(look(&[]).with(|l| l.trail = manual("2026-11-24T02:00:00Z", Some("2026-11-24T02:30:00Z")))),
        None
    );
    assert_eq!(
        why(look(&[]).with(|l| l.trail = manual("2026-11-24T09:00:00Z", Some("2026-11-24T09:30:00Z")))),
        None
    );
    assert_eq!(
        why(look(&[]).with(|l| l.other = other("2026-11-24T03:07:00Z"))),
        Some((due, false))
    );
    assert_eq!(
        why(look(&[]).with(|l| l.other = other("2026-11-24T04:07:00Z"))),
        None
    );
    assert_eq!(why(look(&[]).with(|l| l.other = Some(None))), None);
    // Not queued, not late, or there after all.
    let same_hour = |look: &mut Look| look.other = other("2026-11-24T03:07:00Z");
    assert_eq!(why(look(&[]).with(same_hour).with(|l| l.queued = None)), None);
    assert_eq!(
        why(look(&[])
            .with(same_hour)
            .with(|l| l.now = at("2026-11-24T04:59:00Z"))),
        None
    );
    assert_eq!(why(look(&[archive("new", TONIGHT)]).with(same_hour)), None);
    // A failure is reported as a failure.
    let failed = trail(|trail| trail.failed = [at("2026-11-24T03:10:00Z")].into());
    assert_eq!(why(look(&[]).with(same_hour).with(|l| l.trail = failed)), None);
}

#[test]
fn a_warning_goes_with_the_archive_of_the_same_run() {
    let warned = |id: &str, expires| {
        let mut progress = run(id, None, true);
        progress.warning = Some("2 files could not be read".into());
        let made = Archive {
            expires,
            ..archive("new", TONIGHT)
        };
        let after = look(&[made])
            .with(|look| look.progress = Some(Some(progress)))
            .taken_in();
        after.candidate.and_then(|candidate| candidate.warning)
    };
    assert_eq!(
        warned("new", Expiry::Never).as_deref(),
        Some("2 files could not be read")
    );
    assert_eq!(warned("old", Expiry::Never), None);
    let at_risk = warned("new", Expiry::AtNextCleaning).expect("a warning");
    assert!(
        at_risk.starts_with("2 files could not be read; DocSpace's cleaner"),
        "{at_risk}"
    );
    assert!(warned("old", Expiry::AtNextCleaning).is_some_and(|warning| warning.contains("PostgreSQL")));
}

#[test]
fn a_missed_backup_is_settled_once_everything_was_asked_of_it() {
    let settled = |trail, other| {
        let after = look(&[]).with(|look| (look.trail, look.other) = (trail, other));
        after.taken_in().seen.settled
    };
    assert_eq!(settled(None, Some(None)), None);
    assert_eq!(settled(Some(None), None), None);
    assert_eq!(settled(Some(None), Some(None)), Some(at(DUE)));
    assert_eq!(settled(trail(|_| {}), Some(None)), Some(at(DUE)));
}

#[test]
fn what_was_dropped_stays_so_until_the_next_one_is_missed() {
    let same_hour = Some(Some(held(Some(at("2026-11-24T03:07:00Z")))));
    let dropped = look(&[])
        .with(|look| (look.trail, look.other) = (Some(None), same_hour))
        .taken_in();
    assert!(dropped.seen.dropped.is_some());
    let later = look(&[]).with(|look| look.record = dropped.clone()).taken_in();
    assert_eq!(later.seen.dropped, dropped.seen.dropped);
}

#[test]
fn a_failure_that_was_over_when_it_was_told_of_first_counts_where_the_trail_tells() {
    let look_at = |trail| {
        look(&[]).with(|look| {
            look.progress = Some(Some(run("run", Some("No space left"), true)));
            look.trail = trail;
        })
    };
    let failure = |trail| {
        look_at(trail)
            .taken_in()
            .last_failure
            .map(|failure| failure.message)
    };
    let failed = |time: &'static str| trail(move |trail| trail.failed = [at(time)].into());
    assert_eq!(failure(None), None);
    assert_eq!(failure(failed("2026-11-23T03:10:00Z")), None);
    assert_eq!(
        failure(failed("2026-11-24T03:10:00Z")).as_deref(),
        Some("No space left")
    );
}

#[test]
fn an_archive_known_to_be_a_persons_is_so_while_the_trail_fails() {
    let by_hand = trail(|trail| trail.manual_completed = [at("2026-11-24T03:20:02Z")].into());
    let known = look(&[archive("new", TONIGHT)])
        .with(|look| look.trail = by_hand)
        .taken_in();
    assert_eq!(ids(&known).1, None);
    let trail_fails = |record: Record| {
        let spec = spec();
        let facts = Facts {
            held: Asked::Answered(Some(held(None))),
            archives: Asked::Answered(vec![archive("new", TONIGHT), archive("other", TONIGHT)]),
            events: Asked::Failed(error()),
            ..Facts::new(&spec, at(NOON))
        };
        let mut record = record;
        record.absorb(&facts, &expected(), None);
        record
    };
    let waits = trail_fails(known.clone());
    assert_eq!(
        ids(&waits),
        (None, Some("other"), false),
        "the other may be a person's, too, so it waits"
    );
    assert_eq!(waits.trail_fails_since, Some(at(NOON)));
    let mut ripe = waits.clone();
    ripe.candidate.as_mut().expect("a candidate").first_listed = to_second(at(DUE));
    assert_eq!(
        ids(&trail_fails(ripe)),
        (None, Some("other"), false),
        "and is not confirmed before the trail is read"
    );
    let mut long = known;
    long.trail_fails_since = Some(at("2026-11-24T05:59:00Z"));
    assert_eq!(ids(&trail_fails(long.clone())).1, Some("other"),);
    let first_listed = to_second(at("2026-11-24T11:30:00Z"));
    long.candidate = serde_json::from_value(json!({
        "id": "other", "firstListed": first_listed, "createdOn": TONIGHT,
    }))
    .expect("a candidate");
    assert_eq!(
        ids(&trail_fails(long)),
        (Some("other"), None, false),
        "for hours: it counts as not available"
    );
}

#[test]
fn an_archive_is_judged_again_by_each_readable_trail() {
    // A manual run ended at 3:10, the scheduled one at 3:20; its event is written later.
    let early = trail(|trail| trail.manual_completed = [at("2026-11-24T03:10:00Z")].into());
    let late = trail(|trail| {
        trail.manual_completed = [at("2026-11-24T03:10:00Z")].into();
        trail.completed = [at(TONIGHT)].into();
    });
    let first = look(&[archive("new", TONIGHT)])
        .with(|look| look.trail = early)
        .taken_in();
    assert_eq!(ids(&first).1, None);
    let second = look(&[archive("new", TONIGHT)])
        .with(|look| (look.record, look.trail) = (first, late))
        .taken_in();
    assert_eq!(ids(&second).1, Some("new"));
    // A trail that begins later says nothing about it.
    let by_hand = trail(|trail| trail.manual_completed = [at(TONIGHT)].into());
    let known = look(&[archive("new", TONIGHT)])
        .with(|look| look.trail = by_hand)
        .taken_in();
    let later = trail(|trail| trail.from = Some(at(NOON)));
    let still = look(&[archive("new", TONIGHT)])
        .with(|look| (look.record, look.trail) = (known, later))
        .taken_in();
    assert_eq!(ids(&still).1, None);
}

#[test]
fn a_failed_manual_run_is_no_failure_of_the_schedule() {
    let failed = || Some(Some(run("by hand", Some("No space left"), true)));
    let failure = |look: Look| look.taken_in().last_failure.map(|failure| failure.message);
    // It failed hours ago; this process reads progress for the first time, or after a long while.
    let first = look(&[]).with(|look| (look.progress, look.trail) = (failed(), Some(None)));
    assert_eq!(failure(first), None);
    let long_ago = look(&[]).with(|look| {
        (look.progress, look.trail) = (failed(), Some(None));
        look.record.seen.progress_at = Some(at("2026-11-24T09:00:00Z"));
    });
    assert_eq!(failure(long_ago), None);
    let shortly_before = |look: &mut Look| {
        look.progress = failed();
        look.record.seen.progress_at = Some(at("2026-11-24T11:45:00Z"));
    };
    // A readable trail without a scheduled failure outweighs progress, also at later checks.
    let trail_without = trail(|trail| trail.manual_failed = [at(NOON)].into());
    let cleared = look(&[])
        .with(shortly_before)
        .with(|look| look.trail = trail_without)
        .taken_in();
    assert_eq!(cleared.last_failure, None);
    let next = look(&[]).with(|look| {
        look.record = cleared;
        look.record.seen.explained = Some("by hand".into());
        look.progress = failed();
    });
    assert_eq!(failure(next), None);
    // Where there is no trail, progress must do.
    let no_trail = look(&[])
        .with(shortly_before)
        .with(|look| look.trail = Some(None));
    assert_eq!(failure(no_trail).as_deref(), Some("No space left"));
}

#[test]
fn an_archive_has_vanished_when_two_reads_miss_it() {
    let missing = look(&[]).with(|look| look.record = confirmed()).taken_in();
    assert_eq!(
        (missing.seen.missing_since, missing.vanished()),
        (Some(at(NOON)), false)
    );
    let again = |seconds: i64, archives: &[Archive]| {
        let record = missing.clone();
        look(archives)
            .with(|look| {
                look.record = record;
                look.now = at(NOON) + SignedDuration::from_secs(seconds);
            })
            .taken_in()
    };
    assert!(!again(9, &[]).vanished());
    assert!(again(10, &[]).vanished());
    let back = again(10, &[archive("new", TONIGHT)]);
    assert_eq!((back.seen.missing_since, back.vanished()), (None, false));
    // Not while a newer one is listed.
    let newer = again(10, &[archive("later", NOON)]);
    assert_eq!((newer.seen.missing_since, newer.vanished()), (None, false));
}
