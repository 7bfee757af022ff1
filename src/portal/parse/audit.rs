//! The audit trail.

use jiff::{SignedDuration, Timestamp};

use crate::portal::{
    AuditAction, AuditEvent,
    answer::{Content, Read, unexpected},
    json::{Scalar, objects, values},
    parse::fields::Field,
};

/// How many events are asked for, which is the most that DocSpace gives.
pub const MOST_EVENTS: usize = 100;
/// An event older than requested by more than this was not found by the filter; a smaller difference may be rounding.
const CLEARLY_BEFORE: SignedDuration = SignedDuration::from_mins(1);

/// `security/audit/events/filter`; `None` if the events are not the requested ones (R 590). An unreadable item makes
/// the whole list an error, and so do more events than were asked for.
pub fn events(content: Content, action: AuditAction, from: Timestamp) -> Read<Option<Vec<AuditEvent>>> {
    const NAMES: [&str; 3] = ["actionId", "date", "target"];
    let no_list = || unexpected("the audit trail is no list of objects");
    let Content::Response(list) = content else {
        return Err(no_list());
    };
    let mut events = Vec::new();
    let read = objects(list, &NAMES, |values| {
        if events.len() == MOST_EVENTS {
            return Err(Some(unexpected(
                "the audit trail has more events than were asked for",
            )));
        }
        let (id, event) = event(Field::with(NAMES, values))?;
        if id != action as i64 || from.duration_since(event.date) >= CLEARLY_BEFORE {
            return Err(None);
        }
        events.push(event);
        Ok(())
    });
    match read {
        Ok(()) => Ok(Some(events)),
        // Not the requested ones.
        Err(Some(None)) => Ok(None),
        Err(Some(Some(refusal))) => Err(refusal),
        Err(None) => Err(no_list()),
    }
}

fn event([id, date, target]: [Field; 3]) -> Read<(i64, AuditEvent)> {
    let id = id.whole().ok_or_else(|| unexpected("an event has no actionId"))?;
    let date = date.time()?.ok_or_else(|| unexpected("an event has no date"))?;
    let mut first = None;
    if let Some(targets) = target.json() {
        let _ = values(targets, |target| {
            first = Scalar::of(target).whole();
            Err(())
        });
    }
    Ok((id, AuditEvent { date, target: first }))
}
