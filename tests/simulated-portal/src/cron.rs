//! When a stored schedule is due, calculated as the portal does (next-runs.json, due.json).

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use crate::schedule::{ALL_SPEC, CronParams};

/// Whether a pass now would start a run. It compares wall-clock times, so an hour skipped in spring is due once the wall
/// clock has passed it (next-runs 52). Before the first queued run, each pass counts from 00:00 of the current *UTC* date,
/// read as the portal's wall clock (next-runs 27, 34, 40).
pub(crate) fn is_due(cron: &str, zone: &TimeZone, last: Option<Timestamp>, now: Timestamp) -> bool {
    let wall = |time: Timestamp, zone: &TimeZone| zone.to_datetime(time);
    let after = match last {
        Some(last) => wall(last, zone),
        // The second before, so that midnight itself counts (next-runs 44).
        None => wall(now, &TimeZone::UTC).date().at(0, 0, 0, 0) - SignedDuration::from_secs(1),
    };
    next_after(cron, after).is_some_and(|next| next <= wall(now, zone))
}

/// The next wall-clock time of a cron text after a given one.
fn next_after(cron: &str, after: DateTime) -> Option<DateTime> {
    let CronParams { period, hour, day } = CronParams::read(cron);
    let today = after.date();
    let days = |count: i32| (0..=count).filter_map(move |ahead| today.checked_add(ahead.days()).ok());
    let mut dates: Box<dyn Iterator<Item = Date>> = match (period, day) {
        // Day 99 is every day (next-runs 78, 79).
        (0, _) | (1 | 2, ALL_SPEC) => Box::new(days(1)),
        // Day 98 is no week day and so never comes (next-runs 80).
        (1, day) => {
            Box::new(days(7).filter(move |date| i32::from(date.weekday().to_sunday_one_offset()) == day))
        }
        _ => {
            let month = today.first_of_month();
            let months = (0..=12).filter_map(move |ahead| month.checked_add(ahead.months()).ok());
            Box::new(months.filter_map(move |first| day_of_month(first, day)))
        }
    };
    dates.find_map(|date| {
        hours(hour)
            .map(|hour| date.to_datetime(hour))
            .find(|time| *time > after)
    })
}

/// In February, days 29 and 30 roll over into March if they do not exist (next-runs 67, 71); day 31 skips shorter months
/// (next-runs 14, 69).
fn day_of_month(first: Date, day: i32) -> Option<Date> {
    let missing = day > i32::from(first.days_in_month());
    if day < 1 || (missing && day > 30) {
        return None;
    }
    first.checked_add((day - 1).days()).ok()
}

/// Hour 99 is every hour (next-runs 77).
fn hours(hour: i32) -> impl Iterator<Item = Time> {
    let hours = if hour == ALL_SPEC { 0..=23 } else { hour..=hour };
    hours.filter_map(|hour| Time::new(hour.try_into().ok()?, 0, 0, 0).ok())
}
