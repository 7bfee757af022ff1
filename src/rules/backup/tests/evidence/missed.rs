//! Archives and backups that a read misses.

use super::*;

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

#[test]
fn a_backup_is_missed_when_two_reads_miss_it() {
    let first = look(&[]).taken_in();
    assert!(first.is_missed_once(at(DUE)));
    let again = |now: Timestamp, archives: &[Archive]| {
        let record = first.clone();
        look(archives)
            .with(|look| (look.record, look.now) = (record, now))
            .taken_in()
    };
    let later = |seconds| at(NOON) + SignedDuration::from_secs(seconds);
    assert_eq!((first.missed, again(later(9), &[]).missed), (None, None));
    let missed = again(later(10), &[]);
    assert_eq!(
        (missed.missed, missed.is_missed_once(at(DUE))),
        (Some(at(DUE)), false)
    );
    let late = again(later(10), &[archive("new", TONIGHT)]);
    assert_eq!((late.missed, late.seen.missed_once), (None, None));
    // One read of this night says nothing about the next one.
    let tomorrow = again(at("2026-11-25T12:00:00Z"), &[]);
    assert!(tomorrow.is_missed_once(at("2026-11-25T03:00:00Z")));
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
