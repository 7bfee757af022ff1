//! The audit trail behind an answer, which no recording tells: another answer shows it whole.

use serde_json::Value;
use simulated_portal::AuditEvent;

use super::{exchange::Exchange, setting::time};

/// The events that the server held. They are those of the nearest unfiltered answer of the same server that
/// has all that this answer tells, so that filters have something to leave out; else what this answer tells.
pub fn events(exchanges: &[Exchange], index: usize) -> Vec<AuditEvent> {
    let exchange = &exchanges[index];
    let own = told(exchange);
    let holds_own = |events: &[AuditEvent]| own.iter().all(|event| events.contains(event));
    let mut others: Vec<usize> = (0..exchanges.len()).collect();
    others.sort_by_key(|other| other.abs_diff(index));
    let whole = others.into_iter().map(|other| &exchanges[other]);
    let mut whole = whole.filter(|other| {
        let path = &other.request.path;
        let unfiltered = path.ends_with("/events/filter") || path.ends_with("/events/last");
        unfiltered && other.response.status == 200 && other.server == exchange.server
    });
    whole
        .find_map(|other| Some(told(other)).filter(|events| holds_own(events)))
        .unwrap_or(own)
}

fn told(exchange: &Exchange) -> Vec<AuditEvent> {
    let events = exchange.told().and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut events: Vec<AuditEvent> = events
        .map(|event| AuditEvent {
            id: event["id"].as_u64().expect("a number"),
            date: event["date"].as_str().and_then(time).expect("a time"),
            user: text(&event["user"]).unwrap_or_default(),
            user_id: text(&event["userId"]).unwrap_or_default(),
            action_id: event["actionId"]
                .as_u64()
                .and_then(|id| id.try_into().ok())
                .expect("a number"),
            target: text(&event["target"][0]),
            ip: text(&event["ip"]),
            page: text(&event["page"]),
        })
        .collect();
    events.sort_by_key(|event| event.id);
    events
}
