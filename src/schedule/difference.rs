//! The difference between the schedules of a manifest and a portal.

use std::hash::{DefaultHasher, Hash, Hasher};

use secrecy::ExposeSecret;

use crate::schedule::{
    Param, Schedule, period_name,
    shown::{HIDDEN, bounded, shown_key, shown_value},
};

/// The most that is shown of all lines, in bytes: some 20 lines of DocSpace's own parameters, and any of them.
const MOST_BYTES: usize = 1536;

/// The difference between a wanted and a held schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// A line for each field, for people; values that may be secret are shown as `(hidden)`.
    pub lines: Vec<String>,
    /// Whether a value that the manifest takes from a Secret differs.
    pub in_secret: bool,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Schedule {
    /// A digest, to be kept instead of the schedule: schedules without a difference have the same.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let cron = (self.period, self.hour, self.day);
        (self.storage_type.number(), cron, self.backups_stored, self.dump).hash(&mut hasher);
        for (key, param) in self.counting_params() {
            (key, param.value.expose_secret()).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The difference between this wanted schedule and the portal's, ignoring what DocSpace adds or ignores.
    pub fn difference(&self, held: Option<&Schedule>) -> Difference {
        let Some(held) = held else {
            return Difference {
                lines: vec!["schedule: wanted, none in the portal".into()],
                in_secret: false,
            };
        };
        let mut difference = Difference::default();
        let mut compare = |field: &str, wanted: String, held: String| {
            if wanted != held {
                difference
                    .lines
                    .push(format!("{field}: {wanted} wanted, {held} in the portal"));
            }
        };
        compare(
            "storageType",
            self.storage_type.to_string(),
            held.storage_type.to_string(),
        );
        compare(
            "cronParams.period",
            period_name(self.period),
            period_name(held.period),
        );
        compare("cronParams.hour", self.hour.to_string(), held.hour.to_string());
        compare("cronParams.day", self.day.to_string(), held.day.to_string());
        compare(
            "backupsStored",
            self.backups_stored.to_string(),
            held.backups_stored.to_string(),
        );
        compare("dump", self.dump.to_string(), held.dump.to_string());

        let (ours, theirs) = (self.counting_params(), held.counting_params());
        for key in ours
            .keys()
            .chain(theirs.keys().filter(|key| !ours.contains_key(*key)))
        {
            let (ours, theirs) = (ours.get(key), theirs.get(key));
            if ours.map(|param| param.value.expose_secret())
                == theirs.map(|param| param.value.expose_secret())
            {
                continue;
            }
            let in_secret = ours.is_some_and(|param| param.secret);
            let show = |param: Option<&&Param>| {
                let hidden = || HIDDEN.to_owned();
                param.map_or("none".into(), |param| match in_secret {
                    true => hidden(),
                    false => shown_value(key, param),
                })
            };
            difference.lines.push(format!(
                "storageParams[{}]: {} wanted, {} in the portal",
                ours.or(theirs)
                    .map_or_else(String::new, |param| shown_key(key, param)),
                show(ours),
                show(theirs)
            ));
            difference.in_secret |= in_secret;
        }
        let more = |count| format!("… and {count} more");
        difference.lines = bounded(difference.lines, MOST_BYTES, String::len, more);
        difference
    }
}
