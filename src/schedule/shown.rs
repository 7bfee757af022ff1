//! How a schedule is shown, and which of its values are not.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;

use crate::{
    api::{Period, SHOWN_KEYS, ShownCron, ShownParam, ShownSchedule, Status, to_second},
    schedule::{Held, Param, Schedule, period_name},
};

/// What stands in place of a value that may be a secret.
pub const HIDDEN: &str = "(hidden)";

/// A manifest has at most 32 parameters; a portal may hold any number, and a status has its limits.
pub const MOST_SHOWN: usize = 64;

impl Schedule {
    /// As it is shown in `status.applied`: values out of the manifest as they stand there, those of Secrets hidden.
    pub fn shown_as_applied(&self) -> ShownSchedule {
        self.shown(|_, param| match param.secret {
            true => HIDDEN,
            false => param.value.expose_secret(),
        })
    }

    /// Whether this is what `applied` shows, as far as it tells: hidden values are not compared.
    pub fn is_as_applied(&self, applied: &ShownSchedule) -> bool {
        let hidden = |key: &str| applied.storage_params.iter().any(|param| param.hides(key));
        *applied
            == self.shown(|key, param| match hidden(key) {
                true => HIDDEN,
                false => param.value.expose_secret(),
            })
    }

    fn shown<'a>(&'a self, value: impl Fn(&str, &'a Param) -> &'a str) -> ShownSchedule {
        ShownSchedule {
            storage_type: self.storage_type.to_string(),
            cron_params: ShownCron {
                period: period_name(self.period),
                hour: self.hour,
                day: self.day,
            },
            backups_stored: self.backups_stored,
            dump: self.dump,
            last_backup_time: None,
            storage_params: self
                .counting_params()
                .into_iter()
                .take(MOST_SHOWN)
                .map(|(key, param)| ShownParam {
                    key: shown_key(key, param),
                    value: bounded(value(key, param)),
                })
                .collect(),
        }
    }

    /// For people: `EveryDay 03:00 UTC`, `EveryWeek Sunday 22:00 Europe/Berlin`, `EveryMonth 31 03:00 UTC`.
    pub fn in_words(&self, time_zone: Option<&str>) -> String {
        self.shown_as_applied().in_words(time_zone)
    }
}

impl ShownSchedule {
    /// For people, as [`Schedule::in_words`].
    pub fn in_words(&self, time_zone: Option<&str>) -> String {
        const DAYS: [&str; 7] = [
            "Sunday",
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
        ];
        let cron = &self.cron_params;
        let mut words = vec![cron.period.clone()];
        if cron.period == period_name(Period::EveryWeek.number()) {
            let day = usize::try_from(cron.day.saturating_sub(1))
                .ok()
                .and_then(|day| DAYS.get(day));
            words.push(day.map_or_else(|| cron.day.to_string(), ToString::to_string));
        } else if cron.period == period_name(Period::EveryMonth.number()) {
            words.push(cron.day.to_string());
        }
        words.push(format!("{:02}:00", cron.hour));
        words.extend(time_zone.map(Into::into));
        words.join(" ")
    }
}

impl Status {
    /// The parameters whose values are hidden, although such are shown: what was hidden once stays so.
    pub fn hidden_params(&self) -> BTreeSet<&str> {
        let applied = self.applied.as_ref().map(|applied| &applied.schedule);
        let shown = [applied, self.replaced.as_ref(), self.observed.as_ref()];
        let hides = |key: &&str| {
            let mut params = shown
                .into_iter()
                .flatten()
                .flat_map(|shown| &shown.storage_params);
            self.hidden_params.iter().any(|hidden| hidden == key) || params.any(|param| param.hides(key))
        };
        SHOWN_KEYS.into_iter().filter(hides).collect()
    }
}

impl ShownParam {
    /// Whether it is the parameter of this key, and its value is hidden.
    fn hides(&self, key: &str) -> bool {
        self.key == key && self.value == HIDDEN
    }
}

impl Held {
    /// Marks the values that must not be shown: those of parameters that the manifest takes from a Secret, and those of
    /// `hidden`, which an earlier manifest took from one. What the manifest itself says in clear is none of them.
    pub fn conceal(&mut self, hidden: &BTreeSet<&str>, wanted: Option<&Schedule>) {
        for (key, param) in &mut self.schedule.params {
            let wanted = wanted.and_then(|wanted| wanted.params.get(key));
            let is_told = wanted.is_some_and(|wanted| {
                !wanted.secret && wanted.value.expose_secret() == param.value.expose_secret()
            });
            let is_hidden = wanted.is_some_and(|wanted| wanted.secret) || hidden.contains(key.as_str());
            param.secret = !is_told && (is_hidden || param.secret);
            param.hides_key &= wanted.is_none();
        }
    }

    /// As it is shown in `status.observed` and `status.replaced`: only values that are known to be no secrets.
    pub fn shown(&self) -> ShownSchedule {
        ShownSchedule {
            last_backup_time: self.last_backup_time.map(to_second),
            ..self.schedule.shown(shown_value)
        }
    }
}

/// What a portal holds may be of any length, and hold anything; what a manifest may hold is left as it is.
pub fn bounded(text: &str) -> String {
    without_controls(text).take(1024).collect()
}

/// The text as status shows it, before it is cut.
pub fn without_controls(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_control())
}

pub fn shown_key(key: &str, param: &Param) -> String {
    if param.hides_key {
        HIDDEN.into()
    } else {
        bounded(key)
    }
}

pub fn shown_value<'a>(key: &str, param: &'a Param) -> &'a str {
    if SHOWN_KEYS.contains(&key) && !param.secret {
        param.value.expose_secret()
    } else {
        HIDDEN
    }
}
