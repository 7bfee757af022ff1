//! Reads DocSpace's answers as leniently as DocSpace reads its own: enums as numbers or names, numbers as texts, dates
//! with or without Z (both UTC), defaults for missing fields (trap 8).
//!
//! Displayed texts are cleaned of secrets. Compared values are read unchanged.

mod archives;
mod audit;
mod fields;
#[cfg(test)]
mod tests;

use serde_json::value::RawValue;
use vecmap::VecMap;

use crate::{
    portal::{
        Credential, KeyInfo, PortalSettings, Progress,
        answer::{Content, Read, unexpected},
        json::{self, Scalar, entries, values},
        parse::fields::{Field, fields},
        redact::Redactor,
    },
    schedule::{Held, Param, Schedule, period_name, storage_name},
};

pub use crate::portal::parse::{
    archives::history,
    audit::{MOST_EVENTS, events},
};

/// Further storage parameters are left out. A manifest has at most 32, to which DocSpace adds two, so that a schedule
/// with as many differs from every manifest anyway.
const MOST_PARAMS: usize = 64;
/// What is kept of a parameter's key, in characters: one more than a manifest's may have, so that it differs.
const KEY_CHARS: usize = 65;
/// What is kept of a parameter's value, in characters; likewise.
const VALUE_CHARS: usize = 1025;

/// The answer to a write: `response: true`, and nothing else.
pub fn done(content: Content) -> Read<()> {
    match content {
        Content::Response(response) if response.get() == "true" => Ok(()),
        _ => Err(unexpected("it is not the answer to a write")),
    }
}

/// `getbackupschedule`; `None` when DocSpace says that there is none.
pub fn schedule(content: Content, redactor: &Redactor) -> Read<Option<Held>> {
    const NAMES: [&str; 6] = [
        "storageType",
        "storageParams",
        "cronParams",
        "backupsStored",
        "dump",
        "lastBackupTime",
    ];
    const CRON: [&str; 3] = ["period", "hour", "day"];
    let Some([storage_type, storage_params, cron, backups_stored, dump, last]) = fields(content, NAMES)?
    else {
        return Ok(None);
    };
    // Every schedule has one (trap 10), and an object without is none.
    let cron = cron.json().and_then(|cron| json::fields(cron.get(), &CRON).ok());
    let cron = cron.ok_or_else(|| unexpected("the schedule has no cronParams"))?;
    let [period, hour, day] = Field::with(CRON, cron);
    let schedule = Schedule {
        storage_type: storage_type.named(storage_name)?.into(),
        params: params(storage_params.json(), redactor)?,
        period: period.named(period_name)?,
        hour: hour.number(0)?,
        day: day.number(0)?,
        backups_stored: backups_stored.number(1)?,
        dump: dump.truth()?.unwrap_or(false),
    };
    Ok(Some(Held {
        schedule,
        last_backup_time: last.time()?,
    }))
}

/// `getbackupprogress`; `None` when no run is known.
pub fn progress(content: Content, redactor: &Redactor) -> Read<Option<Progress>> {
    let names = ["isCompleted", "progress", "error", "warning", "taskId"];
    let Some([is_completed, progress, error, warning, task_id]) = fields(content, names)? else {
        return Ok(None);
    };
    Ok(Some(Progress {
        is_completed: is_completed
            .truth()?
            .ok_or_else(|| unexpected("the progress has no isCompleted"))?,
        progress: progress.number(0)?,
        error: error.text(redactor),
        warning: warning.text(redactor),
        task_id: task_id.id(redactor),
    }))
}

/// `settings`.
pub fn settings(content: Content, redactor: &Redactor) -> Read<PortalSettings> {
    let names = ["timezone", "version", "standalone", "tenantAlias", "baseDomain"];
    let settings = fields(content, names)?;
    let [time_zone, version, standalone, alias, base_domain] =
        settings.ok_or_else(|| unexpected("there are no settings"))?;
    Ok(PortalSettings {
        time_zone: time_zone.zone(redactor),
        version: version.name(redactor),
        standalone: standalone.truth()?,
        alias: alias.name(redactor),
        base_domain: base_domain.text(redactor),
    })
}

/// `portal`: the domain that its owner has given it.
pub fn mapped_domain(content: Content, redactor: &Redactor) -> Read<Option<String>> {
    let portal = fields(content, ["mappedDomain"])?;
    let [mapped_domain] = portal.ok_or_else(|| unexpected("there is no portal"))?;
    Ok(mapped_domain.text(redactor))
}

/// `getbackupscount`: a number, which may come as text.
pub fn count(content: Content) -> Read<i64> {
    match content {
        Content::Response(value) => Scalar::of(value).whole(),
        Content::Nothing => None,
    }
    .ok_or_else(|| unexpected("the number of backups is no number"))
}

/// `getservicestate`.
pub fn service_is_on(content: Content) -> Read<bool> {
    let state = fields(content, ["enabled"])?;
    let [enabled] = state.ok_or_else(|| unexpected("there is no state of the service"))?;
    enabled
        .truth()?
        .ok_or_else(|| unexpected("the state of the service has no enabled"))
}

/// `keys/@self`, which has nothing on a session token.
pub fn key(content: Content, redactor: &Redactor) -> Read<Credential> {
    let Some([id, name, permissions, expires_at]) =
        fields(content, ["id", "name", "permissions", "expiresAt"])?
    else {
        return Ok(Credential::SessionToken);
    };
    Ok(Credential::ApiKey(KeyInfo {
        id: id.id(redactor).ok_or_else(|| unexpected("the key has no id"))?,
        name: name.name(redactor).unwrap_or_default(),
        may_write: may_write(permissions.json()),
        expires_at: expires_at.time()?,
    }))
}

/// Whether these permissions cover writes. An empty list means every permission (R 438).
fn may_write(permissions: Option<&RawValue>) -> bool {
    let (mut any, mut write) = (false, false);
    if let Some(permissions) = permissions {
        let _ = values(permissions, |permission| {
            if let Scalar::Text(name) = Scalar::of(permission) {
                any = true;
                write |= name == "*" || name == "*:write";
            }
            Ok::<_, ()>(())
        });
    }
    write || !any
}

/// A map; null values are left out (R 13, 179). They are compared, so they stay as they are; what holds a secret of ours
/// is marked as such.
fn params(map: Option<&RawValue>, redactor: &Redactor) -> Read<VecMap<String, Param>> {
    let mut params = VecMap::new();
    let Some(map) = map else { return Ok(params) };
    let read = entries(map, |key, value| {
        let value = match Scalar::of(value) {
            Scalar::Null => return Ok(()),
            Scalar::Text(text) => text,
            Scalar::Number(number) => number.to_string().into(),
            Scalar::Bool(truth) => truth.to_string().into(),
            Scalar::Other => return Err(unexpected("a storage parameter is no text")),
        };
        if params.len() < MOST_PARAMS {
            let param = Param {
                secret: redactor.finds_in(&value),
                hides_key: redactor.finds_in(&key),
                ..Param::plain(first(&value, VALUE_CHARS))
            };
            params.insert(first(&key, KEY_CHARS).to_owned(), param);
        }
        Ok(())
    });
    read.map_err(|refusal| refusal.unwrap_or_else(|| unexpected("storageParams is no map")))?;
    Ok(params)
}

/// So many characters of a text.
fn first(text: &str, chars: usize) -> &str {
    let end = text.char_indices().nth(chars);
    end.map_or(text, |(end, _)| &text[..end])
}
