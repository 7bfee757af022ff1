//! Times that no clock should show.

use super::*;

#[test]
fn no_time_is_too_odd() {
    let (first, last) = (Timestamp::MIN, Timestamp::MAX);
    for odd in [first, last] {
        let made = Archive {
            created_on: odd,
            ..archive("new", TONIGHT)
        };
        let told = trail(|trail| {
            trail.manual_started = [odd].into();
            trail.manual_completed = [odd].into();
            trail.failed = [odd].into();
        });
        let after = look(&[made]).with(|look| {
            look.trail = told;
            look.queued = Some(odd);
            look.other = Some(Some(held(Some(odd))));
            look.progress = Some(Some(run("run", Some("x"), true)));
        });
        let record = after.taken_in();
        let expected = Expected {
            since: odd,
            ..expected()
        };
        let judged = judge(Ok(&expected), &record, LastQueued::At(odd), at(NOON));
        assert!(!judged.message.is_empty());
        let _ = crate::rules::backup::next_question::next_look(&expected, &record, at(NOON));
        assert!(!expected.times.meets(&expected.times, last));
        let _ = expected.times.portal_starts(Some(odd), at(NOON));
        let _ = expected.times.portal_is_due(Some(odd), at(NOON));
    }
}

#[test]
fn what_a_clock_that_was_ahead_has_left_is_put_right() {
    let ahead = "2036-01-01T00:00:00Z";
    let future = look(&[archive("new", ahead), archive("old", YESTERDAY)]).taken_in();
    assert_eq!(ids(&future).1, Some("old"));
    let mut record = confirmed();
    record.last_backup.as_mut().expect("a backup").created_on = to_second(at(ahead));
    let put_right = look(&[archive("old", YESTERDAY)])
        .with(|look| look.record = record)
        .taken_in();
    assert_eq!(ids(&put_right), (None, Some("old"), false));
    let mut record = listed(0);
    record.candidate.as_mut().expect("a candidate").first_listed = to_second(at(ahead));
    let listed_again = look(&[archive("new", TONIGHT)])
        .with(|look| look.record = record)
        .taken_in();
    let first_listed = listed_again.candidate.map(|candidate| candidate.first_listed.0);
    assert_eq!(first_listed, Some(at(NOON)));
    // So little is no sign of a wrong clock.
    let stays = |seconds: i64| {
        let mut record = confirmed();
        let made = at(NOON) + SignedDuration::from_secs(seconds);
        record.last_backup.as_mut().expect("a backup").created_on = to_second(made);
        let after = look(&[]).with(|look| look.record = record).taken_in();
        after.last_backup.is_some()
    };
    assert_eq!((stays(15 * 60), stays(15 * 60 + 1)), (true, false));
}
