//! A row of `backup_schedule`, and the cron text in it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::exception::Exception;

/// The tenant id of the row of a dump, which belongs to the installation (R 233).
pub const DUMP_TENANT: i32 = -1;

/// A stored schedule, as the server's row holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The tenant's id, or −1 for the installation's dump.
    pub tenant_id: i32,
    /// Whether it makes dumps.
    pub dump: bool,
    /// DocSpace's number; unknown ones are stored too (R 42–44).
    pub storage_type: i32,
    /// The folder or path that storageType asks for.
    pub storage_base_path: Option<String>,
    /// The parameters as posted; a dump's row also has `tenantId` (R 1).
    pub storage_params: BTreeMap<String, String>,
    /// `0 0 3 ? * *` every day at 3, `0 0 3 ? * 1` on Sundays, `0 0 3 31 * ?` on the 31st.
    pub cron: String,
    /// How many archives are kept.
    pub backups_stored: i32,
    /// When the last run was queued; none = never, which every POST sets (R 300).
    pub last_backup_time: Option<Timestamp>,
}

impl Schedule {
    /// A schedule that keeps seven archives in a local folder, every day at an hour, of a portal.
    pub fn every_day(hour: i32) -> Self {
        let path = "/app/onlyoffice/data/backup".to_owned();
        Self {
            tenant_id: 0,
            dump: false,
            storage_type: 3,
            storage_base_path: Some(path.clone()),
            storage_params: [("filePath".to_owned(), path)].into(),
            cron: CronParams {
                period: 0,
                hour,
                day: 0,
            }
            .to_string(),
            backups_stored: 7,
            last_backup_time: None,
        }
    }
}

/// The times that a caller chose: period 0 is every day, 1 every week, 2 every month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CronParams {
    pub(crate) period: i32,
    pub(crate) hour: i32,
    pub(crate) day: i32,
}

impl std::fmt::Display for CronParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { hour, day, .. } = self;
        match self.period {
            0 => write!(f, "0 0 {hour} ? * *"),
            1 => write!(f, "0 0 {hour} ? * {day}"),
            2 => write!(f, "0 0 {hour} {day} * ?"),
            // The name of the class instead of a cron text, which the parser then rejects (R 66).
            _ => f.write_str("ASC.Data.Backup.Services.CronParams"),
        }
    }
}

/// The cron class uses these numbers for "any" and "all", so it accepts them as values (R 82, 104, 109).
const NO_SPEC: i32 = 98;
pub(crate) const ALL_SPEC: i32 = 99;

impl CronParams {
    /// The cron class's verdict on these values, field by field: hour before day.
    pub(crate) fn validate(self) -> Result<(), Exception> {
        let wrong = |message: &str| Err(Exception::format(message));
        if !(0..=2).contains(&self.period) {
            return wrong("Illegal characters for this position: 'ASC'");
        }
        if self.hour < 0 {
            return wrong("Unexpected character: -");
        }
        if self.hour > 23 && self.hour != ALL_SPEC {
            return wrong("Hour values must be between 0 and 23");
        }
        if self.period != 0 && self.day < 0 {
            return wrong("Unexpected character: -");
        }
        match (self.period, self.day) {
            (2, NO_SPEC) => wrong("'?' can only be specified for Day-of-Month -OR- Day-of-Week."),
            (2, ALL_SPEC | 1..=31) | (1, NO_SPEC | ALL_SPEC | 1..=7) | (0, _) => Ok(()),
            (2, _) => wrong("Day of month values must be between 1 and 31"),
            _ => wrong("Day-of-Week values must be between 1 and 7"),
        }
    }

    /// What GET makes of a stored cron text; EveryDay's day is always 0 (R 250).
    pub(crate) fn read(cron: &str) -> Self {
        let fields: Vec<&str> = cron.split(' ').collect();
        let number = |index: usize| {
            fields
                .get(index)
                .and_then(|field| field.parse().ok())
                .unwrap_or(0)
        };
        let is = |index: usize, text: &str| fields.get(index).is_some_and(|field| *field == text);
        let hour = number(2);
        if !is(3, "?") {
            Self {
                period: 2,
                hour,
                day: number(3),
            }
        } else if !is(5, "*") {
            Self {
                period: 1,
                hour,
                day: number(5),
            }
        } else {
            Self {
                period: 0,
                hour,
                day: 0,
            }
        }
    }
}
