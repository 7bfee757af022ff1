//! How a schedule is shown, and which of its values are hidden.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;

use crate::{
    api::{Period, SHOWN_KEYS, ShownCron, ShownParam, ShownSchedule, Status, to_second},
    schedule::{Held, Param, Schedule, period_name},
    text::{clean, cut},
};

/// Shown instead of a value that may be a secret.
pub const HIDDEN: &str = "(hidden)";

/// Limits what is shown of a portal's parameters, which may be any number: as many as a manifest may have, …
const MOST_SHOWN: usize = 32;
/// … and so many bytes in all. Parameters of DocSpace's storages take some 300.
const MOST_BYTES: usize = 1024;
/// The longest key that is shown, in characters, as in a manifest.
const KEY_CHARS: usize = 64;

impl Schedule {
    /// For `status.applied`: values of the manifest in clear, values of Secrets hidden.
    pub fn shown_as_applied(&self) -> ShownSchedule {
        self.applied(|_, param| param.secret)
    }

    /// Whether this is the schedule in `applied`; hidden values are not compared.
    pub fn is_as_applied(&self, applied: &ShownSchedule) -> bool {
        let hidden = |key: &str| applied.storage_params.iter().any(|param| param.hides(key));
        *applied == self.applied(|key, _| hidden(key))
    }

    /// To the letter as a manifest has it, because it is compared, and as large as a manifest at most.
    fn applied(&self, hides: impl Fn(&str, &Param) -> bool) -> ShownSchedule {
        let params = self.counting_params().into_iter();
        self.shown(params.map(|(key, param)| ShownParam {
            key: key.into(),
            value: match hides(key, param) {
                true => HIDDEN.into(),
                false => param.value.expose_secret().into(),
            },
        }))
    }

    fn shown(&self, params: impl Iterator<Item = ShownParam>) -> ShownSchedule {
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
            storage_params: params.collect(),
        }
    }

    /// For people: `EveryDay 03:00 UTC`, `EveryWeek Sunday 22:00 Europe/Berlin`, `EveryMonth 31 03:00 UTC`.
    pub fn in_words(&self, time_zone: Option<&str>) -> String {
        self.shown_as_applied().in_words(time_zone)
    }
}

impl ShownSchedule {
    /// For people, like [`Schedule::in_words`].
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
    /// The parameters whose values are hidden although their kind is shown: a value that was hidden once stays hidden.
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
    /// Whether this is the parameter with this key and its value is hidden.
    fn hides(&self, key: &str) -> bool {
        self.key == key && self.value == HIDDEN
    }
}

impl Held {
    /// Marks values that must not be shown: parameters that the manifest takes from a Secret, and those in `hidden`,
    /// which an earlier manifest took from one. Values that the manifest has in clear are not marked.
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

    /// For `status.observed` and `status.replaced`: only values that are known not to be secret, and no more than is
    /// of use.
    pub fn shown(&self) -> ShownSchedule {
        let params = self.schedule.counting_params().into_iter();
        let params = params.map(|(key, param)| ShownParam {
            key: shown_key(key, param),
            value: shown_value(key, param),
        });
        let more = |count| ShownParam {
            key: "…".into(),
            value: format!("{count} more"),
        };
        let params = bounded(
            params.collect(),
            MOST_BYTES,
            |param| param.key.len() + param.value.len(),
            more,
        );
        ShownSchedule {
            last_backup_time: self.last_backup_time.map(to_second),
            ..self.schedule.shown(params.into_iter())
        }
    }
}

/// As many items as are shown, and one that tells how many more there are.
pub fn bounded<T>(
    mut items: Vec<T>,
    most_bytes: usize,
    bytes: impl Fn(&T) -> usize,
    more: impl Fn(usize) -> T,
) -> Vec<T> {
    let mut left = most_bytes;
    let fits = |item: &T| {
        let rest = left.checked_sub(bytes(item));
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    let shown = items
        .iter()
        .take(MOST_SHOWN)
        .map(fits)
        .take_while(|fits| *fits)
        .count();
    let count = items.len() - shown;
    items.truncate(shown);
    items.extend((count > 0).then(|| more(count)));
    items
}

pub fn shown_key(key: &str, param: &Param) -> String {
    if param.hides_key {
        HIDDEN.into()
    } else {
        cut(&clean(key), KEY_CHARS)
    }
}

pub fn shown_value(key: &str, param: &Param) -> String {
    if SHOWN_KEYS.contains(&key) && !param.secret {
        clean(param.value.expose_secret())
    } else {
        HIDDEN.into()
    }
}
