//! The audit trail.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::portal::{
    answer::Content,
    parse::{Read, fields::time, unexpected},
    shape::integer,
    text::clean,
};

/// What the audit trail tells of backups, with DocSpace's numbers (R 503–510).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A backup that a person asked for has started.
    BackupStarted = 5041,
    /// A backup that a person asked for has been made.
    BackupCompleted = 5125,
    /// A backup that a person asked for has failed.
    BackupFailed = 5126,
    /// A backup of the schedule has started.
    ScheduledBackupStarted = 5127,
    /// A backup of the schedule has been made.
    ScheduledBackupCompleted = 5128,
    /// A backup of the schedule has failed.
    ScheduledBackupFailed = 5129,
    /// The schedule was deleted through the API, also when there was none; not by DocSpace's scheduler (R 507).
    ScheduledBackupDeleted = 5130,
}

impl Action {
    /// DocSpace's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BackupStarted => "BackupStarted",
            Self::BackupCompleted => "BackupCompleted",
            Self::BackupFailed => "BackupFailed",
            Self::ScheduledBackupStarted => "ScheduledBackupStarted",
            Self::ScheduledBackupCompleted => "ScheduledBackupCompleted",
            Self::ScheduledBackupFailed => "ScheduledBackupFailed",
            Self::ScheduledBackupDeleted => "ScheduledBackupDeleted",
        }
    }
}

/// An event of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it happened; cut to whole seconds on MySQL and MariaDB.
    pub date: Timestamp,
    /// What it was done to: for a deleted schedule, the portal's number, or -1 for the dump's (R 507). Events of runs
    /// have none (R 503–510).
    pub target: Option<String>,
}

/// An event that is older than asked for by this much was not found by what was asked; less may come of rounding.
const CLEARLY_BEFORE: SignedDuration = SignedDuration::from_mins(1);

/// `security/audit/events/filter`; `None` when the events are not those that were asked for (R 590). An item that
/// cannot be read spoils the list.
pub fn events(content: Content, action: Action, from: Timestamp) -> Read<Option<Vec<AuditEvent>>> {
    let Content::Response(Value::Array(items)) = content else {
        return Err(unexpected("the audit trail is no list"));
    };
    let mut events = Vec::with_capacity(items.len());
    for item in &items {
        let (id, event) = event(item)?;
        if id != action as i64 || from.duration_since(event.date) >= CLEARLY_BEFORE {
            return Ok(None);
        }
        events.push(event);
    }
    Ok(Some(events))
}

fn event(item: &Value) -> Read<(i64, AuditEvent)> {
    let fields = item
        .as_object()
        .ok_or_else(|| unexpected("an event is no object"))?;
    let id = integer(fields.get("actionId")).ok_or_else(|| unexpected("an event has no actionId"))?;
    let date = time(fields, "date")?.ok_or_else(|| unexpected("an event has no date"))?;
    let targets = fields.get("target").and_then(Value::as_array);
    let target = targets.and_then(|targets| targets.first()?.as_str().map(clean));
    Ok((id, AuditEvent { date, target }))
}
