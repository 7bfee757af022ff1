//! When the next check is due.

use super::*;
use crate::rules::backup::next_question::next_look;

#[test]
fn the_next_look_is_when_something_may_have_happened() {
    let rows = [
        ("2026-11-24T01:00:00Z", "2026-11-24T02:55:00Z"),
        ("2026-11-24T02:55:00Z", "2026-11-24T03:20:00Z"),
        ("2026-11-24T03:20:00Z", "2026-11-24T05:00:00Z"),
        ("2026-11-24T05:00:00Z", "2026-11-25T02:55:00Z"),
    ];
    for (now, next) in rows {
        assert_eq!(
            next_look(&expected(), &Record::default(), at(now)),
            Some(at(next)),
            "{now}"
        );
    }
    let record = Record {
        candidate: candidate("2026-11-24T03:22:00Z"),
        ..Record::default()
    };
    assert_eq!(
        next_look(&expected(), &record, at("2026-11-24T03:22:00Z")),
        Some(at("2026-11-24T03:52:00Z"))
    );
    let week = Expected {
        deadline: SignedDuration::from_hours(168),
        ..expected()
    };
    assert_eq!(
        next_look(&week, &Record::default(), at("2026-11-24T02:59:00Z")),
        Some(at("2026-11-24T03:00:00Z"))
    );
}
