//! Rows of the server's tables, as the client of its database printed them.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use simulated_portal::{Archive, Expiry, File, Schedule};

/// A row of `backup_schedule`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleRow {
    pub(crate) tenant_id: String,
    pub(crate) cron: String,
    pub(crate) backups_stored: String,
    pub(crate) storage_type: String,
    storage_base_path: String,
    last_backup_time: String,
    storage_params: String,
    dump: String,
}

/// A row of `backup_backup`; not every story has all of its columns.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupRow {
    pub(crate) id: Option<String>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) is_scheduled: Option<String>,
    pub(crate) storage_type: Option<String>,
    name: Option<String>,
    pub(crate) storage_path: String,
    pub(crate) created_on: String,
    pub(crate) expires_on: Option<String>,
    pub(crate) removed: String,
    pub(crate) paid: Option<String>,
}

/// A row of `audit_events`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditRow {
    /// Increases across stories.
    #[serde(rename = "id")]
    _id: String,
    pub(crate) tenant_id: String,
    /// The service, for a scheduled run; GET does not show it.
    #[serde(rename = "initiator")]
    _initiator: String,
    pub(crate) user_id: Option<String>,
    pub(crate) action: String,
    pub(crate) target: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) page: Option<String>,
    #[serde(rename = "browser")]
    _browser: Option<String>,
    #[serde(rename = "platform")]
    _platform: Option<String>,
    pub(crate) date: String,
}

pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

/// PostgreSQL prints t and f, MariaDB 1 and 0.
pub(crate) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "t" | "1" => Ok(true),
        "f" | "0" => Ok(false),
        other => Err(format!("{other} is neither true nor false")),
    }
}

/// A time of a row or an answer; without an offset it is UTC, as on MariaDB.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let without_offset = || {
        let wall: DateTime = text.parse().ok()?;
        wall.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
    };
    text.parse()
        .ok()
        .or_else(without_offset)
        .ok_or_else(|| format!("{text} is no time"))
}

/// A time that may mean never: `-infinity`, or a date in the year 1.
pub(crate) fn time_or_never(text: &str) -> Result<Option<Timestamp>, String> {
    if text == "-infinity" || text.starts_with("0001-01-01") {
        Ok(None)
    } else {
        time(text).map(Some)
    }
}

impl ScheduleRow {
    pub(crate) fn is_dump(&self) -> bool {
        self.dump == "t" || self.dump == "1"
    }

    pub(crate) fn schedule(&self) -> Result<Schedule, String> {
        let path = Some(self.storage_base_path.clone());
        Ok(Schedule {
            tenant_id: number(&self.tenant_id)?,
            dump: flag(&self.dump)?,
            storage_type: number(&self.storage_type)?,
            storage_base_path: path.filter(|path| !matches!(path.as_str(), "" | "NULL")),
            storage_params: serde_json::from_str(&self.storage_params).map_err(|error| error.to_string())?,
            cron: self.cron.clone(),
            backups_stored: number(&self.backups_stored)?,
            last_backup_time: time_or_never(&self.last_backup_time)?,
        })
    }
}

impl BackupRow {
    /// `id | tenant_id | is_scheduled | storage_type | storage_path | created_on | removed`.
    pub(crate) fn of_line(line: &str) -> Result<Self, String> {
        let fields: Vec<String> = line.split(" | ").map(str::to_owned).collect();
        let [
            id,
            tenant_id,
            is_scheduled,
            storage_type,
            storage_path,
            created_on,
            removed,
        ] = &fields[..]
        else {
            return Err(format!("{line} has not seven columns"));
        };
        Ok(Self {
            id: Some(id.clone()),
            tenant_id: Some(tenant_id.clone()),
            is_scheduled: Some(is_scheduled.clone()),
            storage_type: Some(storage_type.clone()),
            storage_path: storage_path.clone(),
            created_on: created_on.clone(),
            removed: removed.clone(),
            ..Self::default()
        })
    }

    /// The name that the history shows.
    pub(crate) fn file_name(&self) -> &str {
        let last = self.storage_path.rsplit('/').next();
        self.name.as_deref().or(last).unwrap_or_default()
    }

    /// The key that distinguishes it from other rows.
    pub(crate) fn identity(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.storage_path)
    }

    /// When it expires. A run writes the year 1 for never; rows written by hand have `-infinity`. They differ only on
    /// PostgreSQL (story cleaner-on-postgresql).
    pub(crate) fn expiry(&self) -> Result<Expiry, String> {
        match self.expires_on.as_deref() {
            None | Some("-infinity") => Ok(Expiry::Never),
            Some(text) if text.starts_with("0001-01-01") => Ok(Expiry::AsWritten),
            Some(text) => time(text).map(Expiry::At),
        }
    }

    /// The archive of a row that was written by hand. The stand-in for storages finds files whose name starts with
    /// `present`; local files exist on the disk or not.
    pub(crate) fn archive(&self, files_on_disk: &[String]) -> Result<Archive, String> {
        let told = |field: &Option<String>, name| field.clone().ok_or(format!("a row without {name}"));
        let storage_type = number(&told(&self.storage_type, "storage_type")?)?;
        let file_name = self.file_name().to_owned();
        let present = if storage_type == 3 {
            files_on_disk.contains(&file_name)
        } else {
            self.storage_path.starts_with("present")
        };
        Ok(Archive {
            id: told(&self.id, "id")?,
            file_name,
            storage_type,
            created_on: time(&self.created_on)?,
            expires_on: self.expiry()?,
            scheduled: flag(&told(&self.is_scheduled, "is_scheduled")?)?,
            paid: self.paid.as_deref().is_some_and(|paid| paid == "t"),
            file: if present { File::Present } else { File::Missing },
            removed: flag(&self.removed)?,
        })
    }
}
