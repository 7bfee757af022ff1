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
fn a_failure_keeps_its_time_and_reason_until_a_later_backup_fails() {
    // The trail gives no reason.
    let failed = trail(|trail| trail.failed = [at("2026-11-24T03:12:00Z")].into());
    let after = |known: &str| {
        let after = look(&[])
            .with(|look| (look.record.last_failure, look.trail) = (failure(known), failed.clone()))
            .taken_in();
        let told = after.last_failure.expect("a failure");
        (told.time.0, told.message == "No space left")
    };
    let tonight = "2026-11-24T03:10:00Z";
    assert_eq!(after(tonight), (at(tonight), true));
    assert_eq!(after("2026-11-23T03:10:00Z"), (at("2026-11-24T03:12:00Z"), false));
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
    assert_eq!(record.seen.over_at, None, "nothing has run");
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
    // The next pass is a quarter of an hour later.
    assert_eq!(
        why(look(&[]).with(|l| l.other = other("2026-11-24T03:21:59Z"))),
        Some((due, false))
    );
    assert_eq!(
        why(look(&[]).with(|l| l.other = other("2026-11-24T03:22:00Z"))),
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
    long.trail_fails_since = Some(at("2026-11-24T06:00:00Z"));
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
    // A trail that begins later, or so late that the run may have ended before, says nothing about it.
    let by_hand = trail(|trail| trail.manual_completed = [at(TONIGHT)].into());
    let known = look(&[archive("new", TONIGHT)])
        .with(|look| look.trail = by_hand)
        .taken_in();
    let counts = |from: &str| {
        let (record, later) = (known.clone(), trail(|trail| trail.from = Some(at(from))));
        let after = look(&[archive("new", TONIGHT)])
            .with(|look| (look.record, look.trail) = (record, later))
            .taken_in();
        ids(&after).1.is_some()
    };
    assert!(!counts(NOON));
    assert!(!counts("2026-11-24T03:05:00Z"));
    assert!(counts("2026-11-24T03:04:59Z"));
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
