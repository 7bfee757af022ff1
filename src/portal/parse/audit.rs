//! The audit trail.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::portal::{
    AuditAction, AuditEvent,
    answer::{Content, Read, unexpected},
    parse::fields::time,
    shape::integer,
    text::clean,
};

/// An event older than requested by more than this was not found by the filter; a smaller difference may be rounding.
const CLEARLY_BEFORE: SignedDuration = SignedDuration::from_mins(1);

/// `security/audit/events/filter`; `None` if the events are not the requested ones (R 590). An unreadable item makes
/// the whole list an error.
pub fn events(content: Content, action: AuditAction, from: Timestamp) -> Read<Option<Vec<AuditEvent>>> {
    let Content::Response(Value::Array(items)) = content else {
        return Err(unexpected("the audit trail is not a list"));
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
        .ok_or_else(|| unexpected("an event is not an object"))?;
    let id = integer(fields.get("actionId")).ok_or_else(|| unexpected("an event has no actionId"))?;
    let date = time(fields, "date")?.ok_or_else(|| unexpected("an event has no date"))?;
    let targets = fields.get("target").and_then(Value::as_array);
    let target = targets.and_then(|targets| targets.first()?.as_str().map(clean));
    Ok((id, AuditEvent { date, target }))
}
