//! Many archives and events, as a stranger's portal may list them.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::rules::backup::audit_trail::SAME_RUN;

fn minute(minute: i64) -> Timestamp {
    at(FRIDAY) + SignedDuration::from_mins(minute)
}

fn made(minute_of_it: i64) -> Archive {
    Archive {
        created_on: minute(minute_of_it),
        ..archive(&format!("{minute_of_it:03}"), FRIDAY)
    }
}

#[test]
fn of_many_archives_of_people_the_newest_are_remembered() {
    let archives: Vec<_> = (0..150).map(made).collect();
    let trail = trail(|trail| trail.manual_completed = (0..150).map(minute).collect());
    let after = look(&archives).with(|look| look.trail = trail).taken_in();
    let newest: BTreeSet<_> = archives[50..].iter().map(|archive| archive.id.clone()).collect();
    assert_eq!(after.seen.manual, newest);
    // What the trail does not tell at a later check stays; what is listed no more does not.
    let next = look(&archives[..100]).with(|look| {
        look.record = after;
        look.trail = None;
    });
    let stays = archives[50..100].iter().map(|archive| archive.id.clone());
    assert_eq!(next.taken_in().seen.manual, stays.collect());
}

proptest! {
    #[test]
    fn the_nearest_end_tells_who_made_an_archive(
        manual in vec(0..200_i64, 0..6),
        scheduled in vec(0..200_i64, 0..6),
        ended in 0..200_i64,
    ) {
        let nearest = |ends: &[i64]| {
            let apart = ends.iter().map(|end| minute(*end).duration_since(minute(ended)).abs());
            apart.min().filter(|apart| *apart <= SAME_RUN)
        };
        let is_manual = match (nearest(&manual), nearest(&scheduled)) {
            (Some(manual), Some(scheduled)) => manual < scheduled,
            (manual, _) => manual.is_some(),
        };
        let trail = AuditTrail {
            manual_completed: manual.into_iter().map(minute).collect(),
            completed: scheduled.into_iter().map(minute).collect(),
            ..AuditTrail::default()
        };
        prop_assert_eq!(trail.is_manual(&made(ended)), is_manual);
    }
}
