//! When a schedule is due, in two meanings:
//!
//! - For people: the wall-clock times that the schedule names in its zone ([`Timetable::latest`], [`Timetable::next`]).
//! - For DocSpace's scheduler ([`Timetable::portal_starts`]): it counts from the last run on the portal's wall clock,
//!   and after every POST from the start of the UTC day (trap 2), so that it never reaches some hours.
//!
//! `next-runs` and `due` are recordings of that scheduler.

use jiff::{
    SignedDuration, Span, Timestamp, ToSpan,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};

use crate::{
    api::ShownCron,
    schedule::{self, Schedule},
};

/// The interval of DocSpace's scheduler; a run starts at the first pass after it is due.
pub const PASS: SignedDuration = SignedDuration::from_mins(15);
/// How far ahead a start is searched: every day of a month occurs within that time.
const HORIZON_DAYS: i64 = 420;
/// DocSpace's cron class takes this number for every hour or day (next-runs 77–79).
const EVERY: i64 = 99;

/// Period, hour and day in DocSpace's numbers. A portal may hold numbers that no manifest can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    /// 0 every day, 1 every week, 2 every month.
    pub period: i64,
    /// 0 to 23, or 99 for every hour.
    pub hour: i64,
    /// Of the week, 1 for Sunday, or of the month; 99 for every day.
    pub day: i64,
}

impl From<&Schedule> for Cron {
    fn from(schedule: &Schedule) -> Self {
        Self {
            period: schedule.period,
            hour: schedule.hour,
            day: schedule.day,
        }
    }
}

impl From<&ShownCron> for Cron {
    fn from(shown: &ShownCron) -> Self {
        Self {
            period: schedule::period_number(&shown.period),
            hour: shown.hour,
            day: shown.day,
        }
    }
}

impl Cron {
    /// Its first time at or after this one. Like DocSpace, the search begins with the month of `from`: a 30th of
    /// February is searched in February only, and found in March (next-runs 71).
    fn at_or_after(self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        // Either this day or the next one has one of its hours after `from`.
        for _ in 0..3 {
            date = self.date_from(date)?;
            let found = self.hours().map(|hour| date.at(hour, 0, 0, 0));
            if let Some(found) = found.into_iter().find(|time| *time >= from) {
                return Some(found);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn hours(self) -> std::ops::Range<i8> {
        match i8::try_from(self.hour) {
            Ok(hour @ 0..=23) => hour..hour + 1,
            _ if self.hour == EVERY => 0..24,
            _ => 0..0,
        }
    }

    fn date_from(self, date: Date) -> Option<Date> {
        match (self.period, self.day) {
            (0, _) | (1 | 2, EVERY) => Some(date),
            (1, day @ 1..=7) => {
                let weekday = Weekday::from_sunday_one_offset(i8::try_from(day).ok()?).ok()?;
                date.checked_add(i64::from(date.weekday().until(weekday)).days())
                    .ok()
            }
            (2, day @ 1..=31) => month_day_from(date, day),
            // Accepted, and never due (next-runs 80).
            _ => None,
        }
    }
}

/// A day of the month: in February the 29th and 30th roll over into March, and months without a 31st are skipped
/// (next-runs 67–71).
fn month_day_from(date: Date, day: i64) -> Option<Date> {
    let mut month = date.first_of_month();
    // No two consecutive months lack a 31st, and the day of the current month may have passed.
    for _ in 0..4 {
        if day <= 30 || month.days_in_month() == 31 {
            let found = month.checked_add((day - 1).days()).ok()?;
            if found >= date {
                return Some(found);
            }
        }
        month = month.checked_add(1.month()).ok()?;
    }
    None
}

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
        let back = match self.cron.period {
            0 => 2.days(),
            1 => 8.days(),
            // From July's 31st to August's, or from December's to January's: never more than 62 days apart.
            _ => 64.days(),
        };
        let mut found = None;
        let mut from = self.wall(at).checked_sub(back).ok()?;
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

    /// The first of the schedule's times after this instant.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = self.wall(after);
        loop {
            let (wall, instant) = self.first_from(from)?;
            if instant > after {
                return Some(instant);
            }
            from = wall.checked_add(1.hour()).ok()?;
        }
    }

    /// Whether this time of the schedule is that of a day that the month before lacks (next-runs 67–71).
    pub fn is_carried_over(&self, time: Timestamp) -> bool {
        let day = i64::from(self.wall(time).day());
        self.cron.period == 2 && self.cron.day != EVERY && day != self.cron.day
    }

    /// Whether, within two months, one of its times falls into the same pass of the portal's scheduler as another
    /// schedule's.
    pub fn meets(&self, other: &Self, from: Timestamp) -> bool {
        let two_months = SignedDuration::from_hours(62 * 24);
        let end = from.checked_add(two_months).unwrap_or(from);
        let mut next = self.next(from);
        while let Some(time) = next.filter(|time| *time < end) {
            let near = other.latest(time + PASS / 2);
            if near.is_some_and(|near| near > time - PASS / 2) {
                return true;
            }
            next = self.next(time);
        }
        false
    }

    /// Starts in the month before, because a time may roll over into this month.
    fn first_from(&self, from: DateTime) -> Option<(DateTime, Timestamp)> {
        let month_before = from.date().first_of_month().yesterday().ok()?;
        let rolled = self.cron.at_or_after(month_before.at(0, 0, 0, 0));
        let wall = match rolled.filter(|wall| self.cron.period == 2 && *wall >= from) {
            Some(wall) => wall,
            None => self.cron.at_or_after(from)?,
        };
        Some((wall, self.instant(wall)?))
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
            let due = self.instant(self.cron.at_or_after(day.at(0, 0, 0, 0))?)?;
            if due < utc_midnight(tomorrow)? {
                return Some(due.max(utc_midnight(day)?));
            }
            day = tomorrow;
        }
        None
    }

    fn just_after(&self, last: Timestamp) -> Option<DateTime> {
        self.wall(last).checked_add(Span::new().nanoseconds(1)).ok()
    }

    fn wall(&self, at: Timestamp) -> DateTime {
        self.zone.to_datetime(at)
    }

    /// When the wall clock first shows this time, or has passed it if the change to summer time skips it.
    fn instant(&self, wall: DateTime) -> Option<Timestamp> {
        self.zone.to_timestamp(wall).ok()
    }
}

fn utc_date(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(at).date()
}

fn utc_midnight(date: Date) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

#[cfg(test)]
mod tests;
