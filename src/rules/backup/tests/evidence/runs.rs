//! Runs in the progress and in the audit trail.

use super::*;

#[test]
fn the_trail_tells_of_a_failure_that_the_progress_has_forgotten() {
    let failed = |time: &'static str| trail(move |trail| trail.failed = vec![at(time)]);
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
    record.absorb_progress(Some(&run("two", None, false)), at(NOON));
    assert_eq!(first_seen(&record), ("two".into(), Some(at(NOON))));
    assert!(record.seen.running);
    record.absorb_progress(None, at(NOON));
    assert_eq!(
        first_seen(&record),
        ("two".into(), Some(at(NOON))),
        "a restart forgets it, and we do not"
    );
    assert!(!record.seen.running);

    let mut record = Record::default();
    record.absorb_progress(Some(&run("one", None, false)), at(NOON));
    assert_eq!(
        first_seen(&record),
        ("one".into(), Some(at(NOON))),
        "running is new"
    );
    let mut record = Record::default();
    record.absorb_progress(None, at(DUE));
    record.absorb_progress(Some(&run("one", Some("x"), true)), at(NOON));
    assert_eq!(
        first_seen(&record),
        ("one".into(), Some(at(NOON))),
        "there was none before"
    );
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
            trail.manual_started = vec![at(started)];
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
    let failed = trail(|trail| trail.failed = vec![at("2026-11-24T03:10:00Z")]);
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
    let failed = |time: &'static str| trail(move |trail| trail.failed = vec![at(time)]);
    assert_eq!(failure(None), None);
    assert_eq!(failure(failed("2026-11-23T03:10:00Z")), None);
    assert_eq!(
        failure(failed("2026-11-24T03:10:00Z")).as_deref(),
        Some("No space left")
    );
}

#[test]
fn an_archive_known_to_be_a_persons_is_so_while_the_trail_fails() {
    let by_hand = trail(|trail| trail.manual_completed = vec![at("2026-11-24T03:20:02Z")]);
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
        (None, None, false),
        "the other may be a person's, too"
    );
    let mut long = known;
    long.seen.trail_fails_since = Some(at("2026-11-24T05:59:00Z"));
    assert_eq!(
        ids(&trail_fails(long)).1,
        Some("other"),
        "for hours: it counts as not available"
    );
}
