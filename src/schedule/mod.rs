//! A backup schedule of a manifest or a portal. Only this module compares and shows schedules.

mod difference;
mod names;
mod shown;
#[cfg(test)]
mod tests;
pub mod timetable;

use std::collections::BTreeMap;
use vecmap::VecMap;

use crate::{
    api::{CronParams, DocSpaceBackupScheduleSpec, Period, StorageParam, StorageType},
    secret::SharedSecret,
};
use jiff::Timestamp;

pub use crate::schedule::{
    difference::Difference,
    names::{Storage, period_name, period_number, storage_name},
    shown::HIDDEN,
};

/// A schedule of a manifest or of a portal.
///
/// Storage types and periods are DocSpace's numbers, because a portal may hold numbers that have no name (R 42–44).
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Where archives go.
    pub storage_type: Storage,
    /// Storage parameters by key.
    pub params: VecMap<String, Param>,
    /// DocSpace's number of the period.
    pub period: i64,
    /// Hour on the portal's wall clock.
    pub hour: i64,
    /// Day of the week or month; 0 for every day, as DocSpace returns it (trap 8).
    pub day: i64,
    /// Number of archives to keep.
    pub backups_stored: i64,
    /// Whether it is the installation's schedule.
    pub dump: bool,
}

/// The value of a storage parameter; its clones share the value.
#[derive(Clone, Debug)]
pub struct Param {
    /// The value, as text.
    pub value: SharedSecret,
    /// Whether it must not be shown: a manifest takes or took it from a Secret, or it holds a secret that is in use.
    pub secret: bool,
    /// Whether its key holds a secret that is in use, and no manifest has that key.
    pub hides_key: bool,
}

impl Param {
    /// A value that does not come from a Secret.
    pub fn plain(value: impl Into<String>) -> Self {
        Self {
            value: SharedSecret::from(value.into()),
            secret: false,
            hides_key: false,
        }
    }

    /// A value that a manifest takes from a Secret.
    pub fn secret(value: SharedSecret) -> Self {
        Self {
            value,
            secret: true,
            hides_key: false,
        }
    }
}

/// A portal's schedule, and when the portal last queued a backup.
#[derive(Clone, Debug)]
pub struct Held {
    /// The schedule.
    pub schedule: Schedule,
    /// When the portal last queued a backup; `None` for never since the last write (trap 2).
    pub last_backup_time: Option<Timestamp>,
}

impl Schedule {
    /// The schedule of a manifest, with these values of its storage parameters.
    pub fn new(spec: &DocSpaceBackupScheduleSpec, params: VecMap<String, Param>) -> Self {
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

    /// The schedule of a manifest without the values of its Secrets: sufficient to show it.
    pub fn without_secrets(spec: &DocSpaceBackupScheduleSpec) -> Self {
        let param = |param: &StorageParam| match &param.value {
            Some(value) => Param::plain(value.to_string()),
            None => Param::secret(SharedSecret::default()),
        };
        Self::new(
            spec,
            spec.storage_params
                .iter()
                .map(|item| (item.key.clone(), param(item)))
                .collect(),
        )
    }

    /// The day as DocSpace stores it: 0 for every day.
    fn day_of(cron: &CronParams) -> i64 {
        match cron.period {
            Period::EveryDay => 0,
            Period::EveryWeek | Period::EveryMonth => cron.day.unwrap_or_default().into(),
        }
    }

    /// The parameters to compare. DocSpace adds tenantId to a dump's parameters, and folderId to all except
    /// ThirdPartyConsumer's, although only the two Documents types use it (trap 8, R 13, 173).
    pub fn counting_params(&self) -> BTreeMap<&str, &Param> {
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
