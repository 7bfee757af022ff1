//! A backup schedule as manifest and portal both mean it: compared, shown and told apart here, and nowhere else.

mod difference;
mod names;
mod shown;
#[cfg(test)]
mod tests;
pub mod timetable;

use std::collections::BTreeMap;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::api::{CronParams, DocSpaceBackupScheduleSpec, Period, StorageParam, StorageType};

pub use crate::schedule::{
    difference::Difference,
    names::{Storage, period_name, period_number, storage_name},
    shown::{HIDDEN, without_controls},
};

/// A schedule: what a manifest asks for, or what a portal holds.
///
/// Storage types and periods are DocSpace's numbers, because a portal may hold numbers that have no name (R 42–44).
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Where archives go.
    pub storage_type: Storage,
    /// Storage parameters by key.
    pub params: BTreeMap<String, Param>,
    /// DocSpace's number of the period.
    pub period: i64,
    /// Hour on the portal's wall clock.
    pub hour: i64,
    /// Day of the week or month; 0 for every day, as DocSpace gives it back (trap 8).
    pub day: i64,
    /// How many archives are kept.
    pub backups_stored: i64,
    /// Whether it is the installation's schedule.
    pub dump: bool,
}

/// The value of a storage parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// The value, as text.
    pub value: SecretString,
    /// Whether it must not be shown: a manifest takes or took it from a Secret, or it holds a secret that is in use.
    pub secret: bool,
    /// Whether its key holds a secret that is in use, and no manifest has that key.
    pub hides_key: bool,
}

impl Param {
    /// A value that is no secret of a manifest.
    pub fn plain(value: impl Into<String>) -> Self {
        Self {
            value: value.into().into(),
            secret: false,
            hides_key: false,
        }
    }

    /// A value that a manifest takes from a Secret.
    pub fn secret(value: SecretString) -> Self {
        Self {
            value,
            secret: true,
            hides_key: false,
        }
    }
}

/// What a portal holds: a schedule, and when it last queued a backup.
#[derive(Clone, Debug)]
pub struct Held {
    /// The schedule.
    pub schedule: Schedule,
    /// When the portal last queued a backup; `None` for never since the last write (trap 2).
    pub last_backup_time: Option<Timestamp>,
}

impl Schedule {
    /// What a manifest asks for, with these values of its storage parameters.
    pub fn new(spec: &DocSpaceBackupScheduleSpec, params: BTreeMap<String, Param>) -> Self {
        Self {
            storage_type: Storage::Known(spec.storage_type),
            params,
            period: spec.cron_params.period.number(),
            hour: spec.cron_params.hour.into(),
            day: Self::day_of(&spec.cron_params),
            backups_stored: spec.backups_stored.into(),
            dump: spec.dump,
        }
    }

    /// What a manifest asks for, as far as it can be told without its Secrets: enough to show it.
    pub fn without_secrets(spec: &DocSpaceBackupScheduleSpec) -> Self {
        let param = |param: &StorageParam| match &param.value {
            Some(value) => Param::plain(value.to_string()),
            None => Param::secret(SecretString::default()),
        };
        Self::new(
            spec,
            spec.storage_params
                .iter()
                .map(|item| (item.key.clone(), param(item)))
                .collect(),
        )
    }

    /// The day as DocSpace keeps it: none for every day.
    fn day_of(cron: &CronParams) -> i64 {
        match cron.period {
            Period::EveryDay => 0,
            Period::EveryWeek | Period::EveryMonth => cron.day.unwrap_or_default().into(),
        }
    }

    /// The parameters that count: DocSpace adds tenantId to a dump's, and folderId to any but a
    /// ThirdPartyConsumer's, where it means something to the two Documents types only (trap 8, R 13, 173).
    fn counting_params(&self) -> BTreeMap<&str, &Param> {
        let folder_counts = matches!(
            self.storage_type,
            Storage::Known(StorageType::Documents | StorageType::ThridpartyDocuments)
        );
        self.params
            .iter()
            .filter(|(key, _)| *key != "tenantId" && (folder_counts || *key != "folderId"))
            .map(|(key, param)| (key.as_str(), param))
            .collect()
    }
}
