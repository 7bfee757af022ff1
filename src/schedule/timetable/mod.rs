//! When a schedule is due, in two meanings:
//!
//! - For people: the wall-clock times that the schedule names in its zone ([`Timetable::latest`], [`Timetable::next`]).
//! - For DocSpace's scheduler ([`Timetable::portal_starts`]): it counts from the last run on the portal's wall clock,
//!   and after every POST from the start of the UTC day (trap 2), so that it never reaches some hours.
//!
//! `next-runs` and `due` are recordings of that scheduler.
//!
//! A portal, or whoever writes a status, chooses the numbers, the zone and the instant. So every search begins beside
//! the instant and takes a bounded number of steps, which the tests count.

mod cron;

use jiff::{
    SignedDuration, Span, Timestamp, ToSpan,
    civil::{Date, DateTime},
    tz::TimeZone,
};

pub use crate::schedule::timetable::cron::Cron;

/// The interval of DocSpace's scheduler; a run starts at the first pass after it is due.
pub const PASS: SignedDuration = SignedDuration::from_mins(15);
/// How far ahead a start is searched: every day of a month occurs within that time.
const HORIZON_DAYS: i64 = 420;
/// No zone has set its clocks back by more since 1970. They were set forward by up to a day, which skips a date.
const SET_BACK: SignedDuration = SignedDuration::from_hours(3);
const SET_FORWARD: SignedDuration = SignedDuration::from_hours(24);
/// Two schedules are compared for this long.
const TWO_MONTHS: SignedDuration = SignedDuration::from_hours(62 * 24);

/// A schedule's times in its zone.
#[derive(Clone, Debug)]
pub struct Timetable {
    cron: Cron,
    zone: TimeZone,
}

impl Timetable {
    /// The times of a schedule in the zone with this IANA name; `None` if the zone is unknown.
    pub fn new(cron: Cron, zone: &str) -> Option<Self> {
        let zone = TimeZone::get(zone).ok()?;
        Some(Self { cron, zone })
    }

    /// The newest of the schedule's times at or before this instant.
    pub fn latest(&self, at: Timestamp) -> Option<Timestamp> {
        // Where clocks were just set back, a later time of the wall clock has been before.
        let from = self.wall(at).saturating_add(SET_BACK);
        let mut times = self.cron.times_back_from(from);
        times.find_map(|wall| self.instant(wall).filter(|time| *time <= at))
    }

    /// The first of the schedule's times after this instant.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        // A time that the wall clock skipped is due later than its own date says. Skipped hours are also those after.
        let skipped = match self.cron.is_hourly() {
            true => SET_BACK,
            false => SET_FORWARD,
        };
        let wall = self.wall(after);
        let first_from = |from: DateTime| {
            let mut times = self.cron.times_from(from);
            times.find_map(|wall| Some((wall, self.instant(wall).filter(|time| *time > after)?)))
        };
        let (first, due) = first_from(wall.saturating_sub(skipped))?;
        // One of a skipped day may be due later than one after it.
        let other = (first < wall).then(|| first_from(wall)).flatten();
        Some(other.map_or(due, |(_, other)| due.min(other)))
    }

    /// Whether this time of the schedule is that of a day that the month before lacks (next-runs 67–71).
    pub fn is_carried_over(&self, time: Timestamp) -> bool {
        self.cron.is_carried_over(self.wall(time).date())
    }

    /// Whether, within two months, one of its times falls into the same pass of the portal's scheduler as another
    /// schedule's.
    pub fn meets(&self, other: &Self, from: Timestamp) -> bool {
        let (end, near) = (shift(from, TWO_MONTHS), PASS / 2);
        let is_ours = |time: Timestamp| from < time && time < end;
        // The search follows the one with fewer times.
        if self.cron.times_a_week() <= other.cron.times_a_week() {
            let few = self.with_few_times();
            let mut ours = few.times_after(from).take_while(|ours| is_ours(*ours));
            return ours.any(|ours| {
                let theirs = other.latest(shift(ours, near));
                theirs.is_some_and(|theirs| theirs >= shift(ours, -near))
            });
        }
        let theirs = other.times_after(shift(from, -near));
        let last = shift(end, near);
        theirs.take_while(|theirs| *theirs <= last).any(|theirs| {
            let ours = self.latest(shift(theirs, near));
            ours.is_some_and(|ours| is_ours(ours) && ours >= shift(theirs, -near))
        })
    }

    fn times_after(&self, from: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(from), |time| self.next(*time))
    }

    /// Of a schedule with a time in every hour of every day, the first of a day stands for the others.
    fn with_few_times(&self) -> Self {
        let mut times = self.clone();
        if times.cron.times_a_week() == 7 * 24 {
            times.cron.hour = 0;
        }
        times
    }

    /// Whether a pass of the portal's scheduler at `now` would start a run.
    pub fn portal_is_due(&self, last_backup_time: Option<Timestamp>, now: Timestamp) -> bool {
        let from = match last_backup_time {
            Some(last) => self.just_after(last),
            None => Some(utc_date(now).at(0, 0, 0, 0)),
        };
        let due = from.and_then(|from| self.cron.at_or_after(from));
        due.is_some_and(|due| due <= self.wall(now))
    }

    /// Since when a run is due on the portal at `now`, or when the next one will be, for a schedule with this
    /// lastBackupTime that is not written meanwhile. `None` if no run starts within 420 days, which counts as never.
    pub fn portal_starts(&self, last_backup_time: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        if let Some(last) = last_backup_time {
            return self.instant(self.cron.at_or_after(self.just_after(last)?)?);
        }
        // The count restarts with each UTC day, so a time that is not reached within that day is never reached by it.
        let mut day = utc_date(now);
        let last_day = day.checked_add(HORIZON_DAYS.days()).ok()?;
        while day <= last_day {
            let tomorrow = day.tomorrow().ok()?;
            let wall = self.cron.at_or_after(day.at(0, 0, 0, 0))?;
            let due = self.instant(wall)?;
            let midnight = utc_midnight(day)?;
            if due < utc_midnight(tomorrow)? {
                return Some(due.max(midnight));
            }
            let next = match self.cron.is_daily() {
                // Each day is like this one until the zone's clocks change, which can be between midnight and `due`.
                true => utc_date(self.zone.following(midnight).next()?.timestamp()),
                // In UTC, a date begins at most a day earlier.
                false => wall.date().yesterday().ok()?,
            };
            day = tomorrow.max(next);
        }
        None
    }

    fn just_after(&self, last: Timestamp) -> Option<DateTime> {
        self.wall(last).checked_add(Span::new().nanoseconds(1)).ok()
    }

    fn wall(&self, at: Timestamp) -> DateTime {
        count_step();
        self.zone.to_datetime(at)
    }

    /// When the wall clock first shows this time, or has passed it if the change to summer time skips it.
    fn instant(&self, wall: DateTime) -> Option<Timestamp> {
        count_step();
        self.zone.to_timestamp(wall).ok()
    }
}

fn shift(at: Timestamp, by: SignedDuration) -> Timestamp {
    // Without calendar units, this cannot fail.
    at.saturating_add(by).unwrap_or(at)
}

fn utc_date(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(at).date()
}

fn utc_midnight(date: Date) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

/// The tests count conversions between wall clock and instants, which take most of the time.
#[inline]
fn count_step() {
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + 1);
}

#[cfg(test)]
mod tests;
