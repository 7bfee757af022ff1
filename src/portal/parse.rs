//! Reads what DocSpace answers, as forgiving as its own readers: enums as numbers or names, numbers as texts, dates
//! with or without Z (both UTC), missing fields by DocSpace's defaults (trap 8).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};

use super::{
    answer::{Content, Refusal, unexpected},
    shape::integer,
    text::{Secrets, clean},
};
use crate::schedule::{Held, Param, Schedule, period_name, storage_name};

/// An archive, as the history lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its id.
    pub id: String,
    /// Name of its file.
    pub file_name: String,
    /// DocSpace's number of the storage type.
    pub storage_type: i64,
    /// The end of the run that made it, as given: UTC, with or without Z.
    pub created_on: String,
    /// When it expires, as given; never is `0001-01-01T00:00:00`, which ends in Z on PostgreSQL (trap 7).
    pub expires_on: String,
}

/// The running or the last run of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whether it has ended, well or not.
    pub is_completed: bool,
    /// Per cent.
    pub progress: i64,
    /// Why it failed; the status is the same for success and failure.
    pub error: Option<String>,
    /// What the archive lacks: files that could not be read.
    pub warning: Option<String>,
    /// Id of the run.
    pub task_id: Option<String>,
}

/// A portal's settings; more of them are to be had with a good key than without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// IANA name of the portal's time zone; absent when the key was not accepted (R 813).
    pub time_zone: Option<String>,
    /// Version of DocSpace, from a file of the installation: may be stale.
    pub version: Option<String>,
    /// Whether it is a standalone installation.
    pub standalone: Option<bool>,
    /// Name of the portal inside its installation.
    pub alias: Option<String>,
}

/// An API key, as the portal describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id, the same at every address of the portal.
    pub id: String,
    /// The name that it was given.
    pub name: String,
    /// What it may do; empty for everything.
    pub permissions: Vec<String>,
    /// When it expires; absent for never.
    pub expires_at: Option<Timestamp>,
    /// Whether it is switched on.
    pub is_active: bool,
}

/// What a call gives, or why the answer cannot be DocSpace's.
pub type Read<T> = Result<T, Refusal>;

/// The answer to a write: `response: true`, and nothing else.
pub fn done(content: Content) -> Read<()> {
    match content {
        Content::Response(Value::Bool(true)) => Ok(()),
        _ => Err(unexpected("it is not the answer to a write")),
    }
}

/// `getbackupschedule`; `None` when DocSpace says that there is none.
pub fn schedule(content: Content) -> Read<Option<Held>> {
    let Some(fields) = object(content)? else {
        return Ok(None);
    };
    // Every schedule has one (trap 10), and an object without is none.
    let Some(Value::Object(cron)) = fields.get("cronParams") else {
        return Err(unexpected("the schedule has no cronParams"));
    };
    let schedule = Schedule {
        storage_type: named(&fields, "storageType", storage_name)?,
        params: params(fields.get("storageParams"))?,
        period: named(cron, "period", period_name)?,
        hour: number(cron, "hour", 0)?,
        day: number(cron, "day", 0)?,
        backups_stored: number(&fields, "backupsStored", 1)?,
        dump: truth(&fields, "dump")?.unwrap_or(false),
    };
    Ok(Some(Held {
        schedule,
        last_backup_time: time(&fields, "lastBackupTime")?,
    }))
}

/// `getbackuphistory`. An item that cannot be read spoils the list: archives must not be missed.
pub fn history(content: Content) -> Read<Vec<Archive>> {
    let Content::Response(Value::Array(items)) = content else {
        return Err(unexpected("the history is no list"));
    };
    items.iter().map(archive).collect()
}

fn archive(item: &Value) -> Read<Archive> {
    let fields = item
        .as_object()
        .ok_or_else(|| unexpected("an archive is no object"))?;
    let id = text(fields, "id").ok_or_else(|| unexpected("an archive has no id"))?;
    Ok(Archive {
        id,
        file_name: text(fields, "fileName").unwrap_or_default(),
        storage_type: named(fields, "storageType", storage_name)?,
        created_on: text(fields, "createdOn").unwrap_or_default(),
        expires_on: text(fields, "expiresOn").unwrap_or_default(),
    })
}

/// `getbackupprogress`; `None` when no run is known.
pub fn progress(content: Content, secrets: &Secrets) -> Read<Option<Progress>> {
    let Some(fields) = object(content)? else {
        return Ok(None);
    };
    let is_completed =
        truth(&fields, "isCompleted")?.ok_or_else(|| unexpected("the progress has no isCompleted"))?;
    let said = |field| Some(secrets.clean(fields.get(field)?.as_str()?)).filter(|text| !text.is_empty());
    Ok(Some(Progress {
        is_completed,
        progress: number(&fields, "progress", 0)?,
        error: said("error"),
        warning: said("warning"),
        task_id: text(&fields, "taskId"),
    }))
}

/// `settings`.
pub fn settings(content: Content) -> Read<Settings> {
    let fields = object(content)?.ok_or_else(|| unexpected("there are no settings"))?;
    Ok(Settings {
        time_zone: text(&fields, "timezone"),
        version: text(&fields, "version"),
        standalone: truth(&fields, "standalone")?,
        alias: text(&fields, "tenantAlias"),
    })
}

/// `keys/@self`; `None` when the token is no API key.
pub fn key(content: Content) -> Read<Option<KeyInfo>> {
    let Some(fields) = object(content)? else {
        return Ok(None);
    };
    let id = text(&fields, "id").ok_or_else(|| unexpected("the key has no id"))?;
    let permissions = fields
        .get("permissions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    Ok(Some(KeyInfo {
        id,
        name: text(&fields, "name").unwrap_or_default(),
        permissions: permissions.filter_map(Value::as_str).map(clean).collect(),
        expires_at: time(&fields, "expiresAt")?,
        is_active: truth(&fields, "isActive")?.unwrap_or(true),
    }))
}

fn object(content: Content) -> Read<Option<Map<String, Value>>> {
    match content {
        Content::Response(Value::Object(fields)) => Ok(Some(fields)),
        Content::Response(_) => Err(unexpected("its response is no object")),
        Content::Nothing => Ok(None),
    }
}

/// A map, or the list of keys and values that is sent; null values are left out (R 13, 179).
fn params(value: Option<&Value>) -> Read<BTreeMap<String, Param>> {
    let plain = |value: &Value| match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(Param::plain(text.clone()))),
        Value::Number(_) | Value::Bool(_) => Ok(Some(Param::plain(value.to_string()))),
        Value::Array(_) | Value::Object(_) => Err(unexpected("a storage parameter is no text")),
    };
    let mut params = BTreeMap::new();
    match value {
        None | Some(Value::Null) => {}
        Some(Value::Object(map)) => {
            for (key, value) in map {
                params.extend(plain(value)?.map(|param| (key.clone(), param)));
            }
        }
        Some(_) => return Err(unexpected("storageParams is no map")),
    }
    Ok(params)
}

/// A number, or a name in any case (of the names that `name` knows); 0 when missing, as DocSpace has it.
fn named(fields: &Map<String, Value>, field: &str, name: fn(i64) -> String) -> Read<i64> {
    // No enum of DocSpace's has as many names.
    const NAMES: i64 = 16;
    match fields.get(field) {
        None | Some(Value::Null) => Ok(0),
        value => integer(value)
            .or_else(|| {
                (0..NAMES).find(|number| {
                    value
                        .and_then(Value::as_str)
                        .is_some_and(|text| text.eq_ignore_ascii_case(&name(*number)))
                })
            })
            .ok_or_else(|| unexpected(&format!("{field} is unknown"))),
    }
}

fn number(fields: &Map<String, Value>, field: &str, default: i64) -> Read<i64> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(default),
        value => integer(value).ok_or_else(|| unexpected(&format!("{field} is no number"))),
    }
}

fn truth(fields: &Map<String, Value>, field: &str) -> Read<Option<bool>> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(_) => Err(unexpected(&format!("{field} is neither true nor false"))),
    }
}

/// A text to be shown, if there is one.
fn text(fields: &Map<String, Value>, field: &str) -> Option<String> {
    let text = clean(fields.get(field)?.as_str()?);
    (!text.is_empty()).then_some(text)
}

fn time(fields: &Map<String, Value>, field: &str) -> Read<Option<Timestamp>> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            let time = instant(text).ok_or_else(|| unexpected(&format!("{field} is no time")))?;
            Ok(Some(time).filter(|time| *time > NEVER_UNTIL))
        }
        Some(_) => Err(unexpected(&format!("{field} is no time"))),
    }
}

/// .NET's first instant, year 1, stands for never; a day more covers what a zone makes of it.
const NEVER_UNTIL: Timestamp = Timestamp::constant(-62_135_596_800 + 86_400, 0);

/// The instant of a date as DocSpace writes it; without an offset it is UTC.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        Some(
            text.parse::<DateTime>()
                .ok()?
                .to_zoned(TimeZone::UTC)
                .ok()?
                .timestamp(),
        )
    })
}
