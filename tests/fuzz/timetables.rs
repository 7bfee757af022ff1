//! Timetables: any period, hour, day, zone and time that a manifest, a status or a portal may hold.

use std::time::Duration;

use docspace_backup_operator::schedule::timetable::{Cron, Timetable};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp, tz};

use crate::{
    budget::{Budget, alone},
    mutate::fuzz,
};

const BUDGET: Budget = Budget {
    bytes: 64 * 1024,
    time: Duration::from_millis(10),
};

/// Numbers of DocSpace, their neighbours, and some from far away.
fn number(random: &mut Rng) -> i64 {
    match random.u8(0..8) {
        0 => 99,
        1 => random.i64(..),
        2 => random.i64(-2..=100),
        _ => random.i64(0..=31),
    }
}

fn timetable(random: &mut Rng, zones: &[String]) -> Option<Timetable> {
    let cron = Cron {
        period: random.i64(-1..=3),
        hour: number(random),
        day: number(random),
    };
    Timetable::new(cron, random.choice(zones)?)
}

fn time(random: &mut Rng) -> Timestamp {
    let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    let seconds = match random.u8(0..4) {
        0 => random.i64(first..=last),
        1 => *random.choice(&[first, first + 1, last - 1, last]).unwrap_or(&0),
        _ => random.i64(1_600_000_000..2_000_000_000),
    };
    Timestamp::from_second(seconds).unwrap_or_default()
}

#[test]
fn times_are_found_at_once_and_in_order() {
    let _alone = alone();
    let zones: Vec<_> = tz::db().available().map(|zone| zone.to_string()).collect();
    assert!(zones.len() > 400, "{} zones", zones.len());
    // The bytes are a seed: no form of a timetable is invalid.
    fuzz("timetables", &[vec![0; 8]], |input| {
        let seed = input.iter().fold(0_u64, |seed, byte| {
            seed.wrapping_mul(257).wrapping_add(u64::from(*byte))
        });
        let mut random = Rng::with_seed(seed);
        let (Some(table), Some(other)) = (timetable(&mut random, &zones), timetable(&mut random, &zones))
        else {
            return;
        };
        let (at, last) = (time(&mut random), time(&mut random));
        BUDGET.check(|| {
            let (before, after) = (table.latest(at), table.next(at));
            assert!(before.is_none_or(|before| before <= at), "{before:?}");
            assert!(after.is_none_or(|after| after > at), "{after:?}");
            if let Some(after) = after {
                assert_eq!(table.latest(after), Some(after), "after {before:?}");
            }
            let start = table.portal_starts(None, at);
            assert!(
                start.is_none_or(|start| start.duration_since(at) > SignedDuration::from_hours(-25)),
                "{start:?}"
            );
            table.portal_starts(Some(last), at);
            table.portal_is_due(Some(last), at);
        });
        BUDGET.check(|| {
            table.meets(&other, at);
        });
    });
}
