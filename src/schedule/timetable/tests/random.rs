//! Random schedules, zones and instants: the timetable agrees with a plain search through all times, and takes few steps.

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::DateTime,
    tz::{self, TimeZone},
};
use proptest::{prelude::*, sample::select};

use super::{
    super::{Cron, PASS, Timetable, utc_date, utc_midnight},
    STEPS,
};

/// A plain search from long before the instant: 64 days, hour by hour where a schedule names every hour.
struct Slow<'a>(&'a Timetable);

impl Slow<'_> {
    fn latest(&self, at: Timestamp) -> Option<Timestamp> {
        let back = match self.0.cron.period {
            0 => 2.days(),
            1 => 8.days(),
            // From July's 31st to August's, or from December's to January's: never more than 62 days apart.
            _ => 64.days(),
        };
        let mut found = None;
        let mut from = self.0.wall(at).checked_sub(back).ok()?;
        loop {
            match self.first_from(from) {
                Some((wall, instant)) if instant <= at => {
                    found = Some(instant);
                    from = wall.checked_add(1.hour()).ok()?;
                }
                _ => return found,
            }
        }
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = self.0.wall(after);
        loop {
            let (wall, instant) = self.first_from(from)?;
            if instant > after {
                return Some(instant);
            }
            from = wall.checked_add(1.hour()).ok()?;
        }
    }

    fn portal_starts(&self, now: Timestamp) -> Option<Timestamp> {
        let today = utc_date(now);
        (0..=420i64).find_map(|days| {
            let day = today.checked_add(days.days()).ok()?;
            let due = self.0.instant(self.0.cron.at_or_after(day.at(0, 0, 0, 0))?)?;
            let (begins, ends) = (utc_midnight(day)?, utc_midnight(day.tomorrow().ok()?)?);
            (due < ends).then_some(due.max(begins))
        })
    }

    fn meets(&self, other: &Self, from: Timestamp) -> bool {
        let end = from + SignedDuration::from_hours(62 * 24);
        let mut next = self.next(from);
        while let Some(time) = next.filter(|time| *time < end) {
            let near = other.latest(time + PASS / 2);
            if near.is_some_and(|near| near >= time - PASS / 2) {
                return true;
            }
            next = self.next(time);
        }
        false
    }

    /// Starts in the month before, because a time may roll over into this month.
    fn first_from(&self, from: DateTime) -> Option<(DateTime, Timestamp)> {
        let cron = self.0.cron;
        let month_before = from.date().first_of_month().yesterday().ok()?;
        let rolled = cron.at_or_after(month_before.at(0, 0, 0, 0));
        let wall = match rolled.filter(|wall| cron.period == 2 && *wall >= from) {
            Some(wall) => wall,
            None => cron.at_or_after(from)?,
        };
        Some((wall, self.0.instant(wall)?))
    }
}

/// The result, and the steps that it took.
fn steps<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = STEPS.get();
    let done = work();
    (done, STEPS.get() - before)
}

fn crons() -> impl Strategy<Value = Cron> {
    let hours = prop_oneof![4 => 0..24i64, 2 => Just(99), 1 => select(vec![-1, 24, i64::MAX])];
    let days = prop_oneof![4 => 1..32i64, 1 => Just(99), 1 => select(vec![-1, 0, 32, 98, i64::MIN])];
    (0..4i64, hours, days).prop_map(|(period, hour, day)| Cron { period, hour, day })
}

/// Any zone, and a time between 1970 and 2200, often near a change of its clocks.
fn places() -> impl Strategy<Value = (TimeZone, Timestamp)> {
    let names: Vec<_> = tz::db().available().map(|name| name.to_string()).collect();
    let seconds = 0..7_258_118_400i64;
    let near = prop_oneof![Just(None), (-90_000..90_000i64).prop_map(Some)];
    (select(names), seconds, near).prop_map(|(name, seconds, near)| {
        let zone = TimeZone::get(&name).expect("a known zone");
        let at = Timestamp::from_second(seconds).expect("a time");
        let change = near.and_then(|near| {
            let change = zone.following(at).next()?.timestamp();
            Some(change + SignedDuration::from_secs(near))
        });
        (zone, change.unwrap_or(at))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn latest_and_next_are_those_of_a_plain_search(cron in crons(), (zone, at) in places()) {
        let times = Timetable { cron, zone };
        let slow = Slow(&times);
        let (latest, latest_takes) = steps(|| times.latest(at));
        let (next, next_takes) = steps(|| times.next(at));
        let (starts, starts_take) = steps(|| times.portal_starts(None, at));
        prop_assert_eq!(latest, slow.latest(at));
        prop_assert_eq!(next, slow.next(at));
        prop_assert_eq!(starts, slow.portal_starts(at));
        prop_assert!(latest_takes <= 9 && next_takes <= 9 && starts_take <= 200, "{} {} {}", latest_takes, next_takes, starts_take);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn two_schedules_meet_where_a_plain_search_finds_it(
        crons in (crons(), crons()),
        (zone, at) in places(),
        (other, _) in places(),
        same_zone: bool,
    ) {
        let other = if same_zone { zone.clone() } else { other };
        let times = [Timetable { cron: crons.0, zone }, Timetable { cron: crons.1, zone: other }];
        let slow = times.each_ref().map(Slow);
        let (meet, takes) = steps(|| times[0].meets(&times[1], at));
        prop_assert_eq!(meet, slow[0].meets(&slow[1], at));
        prop_assert!(takes <= 2500, "{}", takes);
    }
}
