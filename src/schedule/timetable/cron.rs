//! The wall-clock times that a period, an hour and a day name.

use jiff::{
    ToSpan,
    civil::{Date, DateTime, Weekday},
};

use crate::{
    api::ShownCron,
    schedule::{self, Schedule},
};

/// DocSpace's cron class takes this number for every hour or day (next-runs 77–79).
const EVERY: i64 = 99;
/// The runs of this many months around a date decide which is next to it: no two consecutive months lack a 31st.
const MONTHS: i64 = 3;

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
    /// For DocSpace: its first time at or after this one. The search begins with the month of `from`: a 30th of
    /// February is searched in February only, and found in March (next-runs 71).
    pub(super) fn at_or_after(self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        // Either this day or the next one has one of its hours after `from`.
        for _ in 0..3 {
            date = self.date_from(date, 0)?;
            let found = self.hours().map(|hour| date.at(hour, 0, 0, 0));
            if let Some(found) = found.into_iter().find(|time| *time >= from) {
                return Some(found);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// For people: its times at or after this one, the first one first. Days that February lacks are found in March.
    pub(super) fn times_from(self, from: DateTime) -> impl Iterator<Item = DateTime> {
        let first = self.date_from(from.date(), -1);
        let dates = std::iter::successors(first, move |date| self.date_from(date.tomorrow().ok()?, -1));
        let times = dates.flat_map(move |date| self.times_of(date));
        times.filter(move |time| *time >= from)
    }

    /// For people: its times at or before this one, the last one first.
    pub(super) fn times_back_from(self, from: DateTime) -> impl Iterator<Item = DateTime> {
        let first = self.date_up_to(from.date());
        let dates = std::iter::successors(first, move |date| self.date_up_to(date.yesterday().ok()?));
        let times = dates.flat_map(move |date| self.times_of(date).rev());
        times.filter(move |time| *time <= from)
    }

    /// Whether it has a time in every hour of its days.
    pub(super) fn is_hourly(self) -> bool {
        self.hour == EVERY
    }

    /// Whether it has times on every day.
    pub(super) fn is_daily(self) -> bool {
        matches!((self.period, self.day), (0, _) | (1 | 2, EVERY))
    }

    /// About how many times it has in a week.
    pub(super) fn times_a_week(self) -> usize {
        let days = if self.is_daily() { 7 } else { 1 };
        days * self.hours().len()
    }

    /// Whether this is the date of a run that the month before lacks (next-runs 67–71).
    pub(super) fn is_carried_over(self, date: Date) -> bool {
        self.period == 2 && self.day != EVERY && self.day != i64::from(date.day())
    }

    fn times_of(self, date: Date) -> impl DoubleEndedIterator<Item = DateTime> {
        let hours = self.hours();
        // Once DocSpace has begun a day that it carried over, it counts on from March.
        let end = match self.is_carried_over(date) {
            true => hours.end.min(hours.start.saturating_add(1)),
            false => hours.end,
        };
        (hours.start..end).map(move |hour| date.at(hour, 0, 0, 0))
    }

    fn hours(self) -> std::ops::Range<i8> {
        match i8::try_from(self.hour) {
            Ok(hour @ 0..=23) => hour..hour + 1,
            _ if self.hour == EVERY => 0..24,
            _ => 0..0,
        }
    }

    /// Its first date from this one on; runs of a month are searched from this month on, relative to that of `date`.
    fn date_from(self, date: Date, first_month: i64) -> Option<Date> {
        match (self.period, self.day) {
            // Accepted, and never due (next-runs 80).
            _ if self.hours().is_empty() => None,
            (0, _) | (1 | 2, EVERY) => Some(date),
            (1, day @ 1..=7) => {
                let days = date.weekday().until(weekday(day)?);
                date.checked_add(i64::from(days).days()).ok()
            }
            (2, day @ 1..=31) => (first_month..=MONTHS)
                .find_map(|month| run_of_month(date, month, day).filter(|run| *run >= date)),
            _ => None,
        }
    }

    /// Its last date up to this one.
    fn date_up_to(self, date: Date) -> Option<Date> {
        match (self.period, self.day) {
            // Accepted, and never due (next-runs 80).
            _ if self.hours().is_empty() => None,
            (0, _) | (1 | 2, EVERY) => Some(date),
            (1, day @ 1..=7) => {
                let days = date.weekday().since(weekday(day)?);
                date.checked_sub(i64::from(days).days()).ok()
            }
            (2, day @ 1..=31) => {
                (0..=MONTHS).find_map(|back| run_of_month(date, -back, day).filter(|run| *run <= date))
            }
            _ => None,
        }
    }
}

fn weekday(day: i64) -> Option<Weekday> {
    Weekday::from_sunday_one_offset(i8::try_from(day).ok()?).ok()
}

/// The run of a month, relative to that of `date`: in February the 29th and 30th roll over into March, and months
/// without a 31st have none (next-runs 67–71).
fn run_of_month(date: Date, month: i64, day: i64) -> Option<Date> {
    let month = date.first_of_month().checked_add(month.months()).ok()?;
    let has_run = day <= 30 || month.days_in_month() == 31;
    month.checked_add((day - 1).days()).ok().filter(|_| has_run)
}
