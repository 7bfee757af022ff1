//! Reads DocSpace's answers as leniently as DocSpace reads its own: enums as numbers or names, numbers as texts, dates
//! with or without Z (both UTC), defaults for missing fields (trap 8).
//!
//! Displayed texts are cleaned of secrets. Compared values are read unchanged.

mod archives;
mod audit;
mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    portal::{
        Credential, KeyInfo, PortalSettings, Progress,
        answer::{Content, Read, unexpected},
        parse::fields::{id, named, number, object, text, time, truth},
        redact::Redactor,
        shape::integer,
        text::clean,
    },
    schedule::{Held, Param, Schedule, period_name, storage_name},
};

pub use crate::portal::parse::{archives::history, audit::events};

/// The answer to a write: `response: true`, and nothing else.
pub fn done(content: Content) -> Read<()> {
    match content {
        Content::Response(Value::Bool(true)) => Ok(()),
        _ => Err(unexpected("it is not the answer to a write")),
    }
}

/// `getbackupschedule`; `None` when DocSpace says that there is none.
pub fn schedule(content: Content, redactor: &Redactor) -> Read<Option<Held>> {
    let Some(fields) = object(content)? else {
        return Ok(None);
    };
    // Every schedule has one (trap 10), and an object without is none.
    let Some(Value::Object(cron)) = fields.get("cronParams") else {
        return Err(unexpected("the schedule has no cronParams"));
    };
    let schedule = Schedule {
        storage_type: named(&fields, "storageType", storage_name)?.into(),
        params: params(fields.get("storageParams"), redactor)?,
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

/// `getbackupprogress`; `None` when no run is known.
pub fn progress(content: Content, redactor: &Redactor) -> Read<Option<Progress>> {
    let Some(fields) = object(content)? else {
        return Ok(None);
    };
    let is_completed =
        truth(&fields, "isCompleted")?.ok_or_else(|| unexpected("the progress has no isCompleted"))?;
    let said = |field| Some(redactor.clean(fields.get(field)?.as_str()?)).filter(|text| !text.is_empty());
    Ok(Some(Progress {
        is_completed,
        progress: number(&fields, "progress", 0)?,
        error: said("error"),
        warning: said("warning"),
        task_id: id(&fields, "taskId", redactor),
    }))
}

/// `settings`.
pub fn settings(content: Content, redactor: &Redactor) -> Read<PortalSettings> {
    let fields = object(content)?.ok_or_else(|| unexpected("there are no settings"))?;
    Ok(PortalSettings {
        time_zone: zone(&fields, redactor),
        version: text(&fields, "version", redactor),
        standalone: truth(&fields, "standalone")?,
        alias: text(&fields, "tenantAlias", redactor),
        base_domain: text(&fields, "baseDomain", redactor),
    })
}

/// The name of a zone that there is, as it is; any other text, which no hour is read in.
fn zone(fields: &Map<String, Value>, redactor: &Redactor) -> Option<String> {
    let name = fields.get("timezone")?.as_str()?;
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Some(name.into()),
        Err(_) => text(fields, "timezone", redactor),
    }
}

/// `portal`: the domain that its owner has given it.
pub fn mapped_domain(content: Content, redactor: &Redactor) -> Read<Option<String>> {
    let fields = object(content)?.ok_or_else(|| unexpected("there is no portal"))?;
    Ok(text(&fields, "mappedDomain", redactor))
}

/// `getbackupscount`: a number, which may come as text.
pub fn count(content: Content) -> Read<i64> {
    match content {
        Content::Response(value) => integer(Some(&value)),
        Content::Nothing => None,
    }
    .ok_or_else(|| unexpected("the number of backups is no number"))
}

/// `getservicestate`.
pub fn service_is_on(content: Content) -> Read<bool> {
    let fields = object(content)?.ok_or_else(|| unexpected("there is no state of the service"))?;
    truth(&fields, "enabled")?.ok_or_else(|| unexpected("the state of the service has no enabled"))
}

/// `keys/@self`, which has nothing on a session token.
pub fn key(content: Content, redactor: &Redactor) -> Read<Credential> {
    let Some(fields) = object(content)? else {
        return Ok(Credential::SessionToken);
    };
    let id = id(&fields, "id", redactor).ok_or_else(|| unexpected("the key has no id"))?;
    let permissions = fields
        .get("permissions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    Ok(Credential::ApiKey(KeyInfo {
        id,
        name: text(&fields, "name", redactor).unwrap_or_default(),
        permissions: permissions.filter_map(Value::as_str).map(clean).collect(),
        expires_at: time(&fields, "expiresAt")?,
    }))
}

/// A map, or the list of keys and values that is sent; null values are left out (R 13, 179). They are compared, so they
/// stay as they are; what holds a secret of ours is marked as such.
fn params(value: Option<&Value>, redactor: &Redactor) -> Read<BTreeMap<String, Param>> {
    let param = |text: String| Param {
        secret: redactor.finds_in(&text),
        ..Param::plain(text)
    };
    let keyed = |key: &String, param: Param| {
        let hides_key = redactor.finds_in(key);
        (key.clone(), Param { hides_key, ..param })
    };
    let read = |value: &Value| match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(param(text.clone()))),
        Value::Number(_) | Value::Bool(_) => Ok(Some(param(value.to_string()))),
        Value::Array(_) | Value::Object(_) => Err(unexpected("a storage parameter is no text")),
    };
    let mut params = BTreeMap::new();
    match value {
        None | Some(Value::Null) => {}
        Some(Value::Object(map)) => {
            for (key, value) in map {
                params.extend(read(value)?.map(|param| keyed(key, param)));
            }
        }
        Some(_) => return Err(unexpected("storageParams is no map")),
    }
    Ok(params)
}
