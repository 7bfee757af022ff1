//! The format of a story's file. Unknown fields are errors.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rows::{AuditRow, BackupRow, ScheduleRow};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    what: String,
    database: Option<String>,
    /// The columns of the rows, for readers.
    #[serde(rename = "columns")]
    _columns: Option<String>,
    #[serde(default)]
    steps: Vec<RecordedStep>,
    /// Instead of steps: rows, one pass of the cleaner, rows.
    before: Option<Vec<String>>,
    cleaner: Option<Value>,
    after: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecordedStep {
    pub(crate) step: String,
    /// The time of the clock; none if it was not faked.
    pub(crate) utc_now: Option<Timestamp>,
    #[serde(default)]
    pub(crate) result: Value,
    #[serde(alias = "rows")]
    pub(crate) schedule_rows: Option<Vec<ScheduleRow>>,
    pub(crate) backup_rows: Option<Vec<BackupRow>>,
    /// All events so far.
    pub(crate) audit_rows: Option<Vec<AuditRow>>,
    /// The events of this step.
    pub(crate) new_audit_rows: Option<Vec<AuditRow>>,
    pub(crate) files_on_disk: Option<Vec<String>>,
    /// The answer of getbackupprogress afterwards.
    pub(crate) progress: Option<Value>,
    pub(crate) schedules: Option<Vec<Seen>>,
}

/// A schedule as the scheduler sees it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Seen {
    pub(crate) tenant_id: i32,
    pub(crate) cron: String,
    pub(crate) dump: bool,
    pub(crate) last_backup_time: String,
    /// .NET's kind of the time.
    #[serde(rename = "lastKind")]
    _last_kind: String,
    pub(crate) tenant_time_zone: Option<String>,
    pub(crate) due: bool,
}

impl File {
    /// The database; default PostgreSQL.
    pub(crate) fn on_mariadb(&self, name: &str) -> bool {
        let told = self.database.as_deref().unwrap_or(name).to_lowercase();
        told.contains("mariadb") || told.starts_with("my")
    }

    pub(crate) fn into_steps(self) -> Result<Vec<RecordedStep>, String> {
        match (self.before, self.cleaner, self.after) {
            (None, None, None) if !self.steps.is_empty() => Ok(self.steps),
            (Some(before), Some(cleaner), Some(after)) if self.steps.is_empty() => {
                one_pass(self.what, &before, cleaner, &after)
            }
            _ => Err("neither steps nor one pass of the cleaner".to_owned()),
        }
    }
}

/// One pass of the cleaner as two steps. Only the text describes its schedules: `backupsStored=2 for tenant 1 and
/// for the dump row (-1)`.
fn one_pass(
    what: String,
    before: &[String],
    cleaner: Value,
    after: &[String],
) -> Result<Vec<RecordedStep>, String> {
    let kept = what
        .split_once("backupsStored=")
        .map(|(_, rest)| rest.split(' ').next().unwrap_or_default().to_owned())
        .ok_or("no backupsStored")?;
    let rows = |lines: &[String]| {
        lines
            .iter()
            .map(|line| BackupRow::of_line(line))
            .collect::<Result<Vec<_>, _>>()
    };
    let schedule_row = |dump: bool| {
        let params = if dump { r#"{"tenantId":"1"}"# } else { "{}" };
        let row = json!({
            "tenant_id": if dump { "-1" } else { "1" }, "cron": "0 0 3 ? * *", "backups_stored": kept,
            "storage_type": "4", "storage_base_path": "", "last_backup_time": "-infinity", "storage_params": params,
            "dump": if dump { "t" } else { "f" },
        });
        ScheduleRow::deserialize(row).map_err(|error| error.to_string())
    };
    let schedules = vec![schedule_row(false)?, schedule_row(true)?];
    let utc_now = cleaner["utcNow"].as_str().and_then(|time| time.parse().ok());
    Ok(vec![
        RecordedStep {
            step: what,
            utc_now,
            schedule_rows: Some(schedules.clone()),
            backup_rows: Some(rows(before)?),
            ..RecordedStep::default()
        },
        RecordedStep {
            step: "cleaner pass".to_owned(),
            utc_now,
            result: cleaner,
            schedule_rows: Some(schedules),
            backup_rows: Some(rows(after)?),
            ..RecordedStep::default()
        },
    ])
}
