//! The audit trail.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    authorization::demand_settings_right,
    binding::{bad_query, instant},
    books::AuditEvent,
    call::Call,
    endpoints::settings::zone_of,
    exception::Refusal,
    routes::{Context, Outcome},
    tenant::Tenant,
};

/// Actions: number, name, how the trail words it, and the kind of action.
const ACTIONS: [(u32, &str, &str, u32); 9] = [
    (5041, "BackupStarted", "Backup started", 2),
    (5125, "BackupCompleted", "Backup completed", 2),
    (5126, "BackupFailed", "Backup failed", 2),
    (5127, "ScheduledBackupStarted", "Scheduled backup started", 2),
    (5128, "ScheduledBackupCompleted", "Scheduled backup completed", 2),
    (5129, "ScheduledBackupFailed", "Scheduled backup failed", 2),
    (5130, "ScheduledBackupDeleted", "Scheduled backup deleted", 3),
    (5131, "BackupCancelled", "Backup cancelled", 2),
    (5132, "RestoreStarted", "Restore started", 2),
];

/// Kinds of action, in the order of their numbers; the first means any.
const KINDS: [&str; 4] = ["None", "Create", "Update", "Delete"];

/// How many events are given where nothing else is asked for, and how many at most.
const MOST: usize = 100;
/// How many `last` gives (R 537).
const LAST: usize = 20;
/// How long `last` looks back, as shipped.
const LIFETIME: SignedDuration = SignedDuration::from_hours(180 * 24);

/// Events that fit the query, newest first. A SaaS plan without the audit feature ignores the query (R 590).
pub(crate) fn filter(context: &mut Context) -> Outcome {
    let query = Query::read(context.call)?;
    demand_settings_right(context.caller.somebody()?)?;
    let tenant = &context.state.tenants[context.tenant];
    if !context.state.installation.standalone() && !tenant.tenant.audit {
        return last(context);
    }
    let events = newest_first(&tenant.events, |event| query.fits(event));
    let shown = events.into_iter().skip(query.start).take(query.count);
    Ok(Some(shown.map(|event| json(event, &tenant.tenant)).collect()))
}

/// The newest events, whatever is asked for (R 537).
pub(crate) fn last(context: &mut Context) -> Outcome {
    demand_settings_right(context.caller.somebody()?)?;
    let tenant = &context.state.tenants[context.tenant];
    let events = newest_first(&tenant.events, |event| event.date >= context.now - LIFETIME);
    Ok(Some(
        events
            .into_iter()
            .take(LAST)
            .map(|event| json(event, &tenant.tenant))
            .collect(),
    ))
}

fn newest_first(events: &[AuditEvent], fits: impl Fn(&AuditEvent) -> bool) -> Vec<&AuditEvent> {
    let mut events: Vec<_> = events.iter().filter(|event| fits(event)).collect();
    events.sort_by_key(|event| std::cmp::Reverse((event.date, event.id)));
    events
}

struct Query {
    action: Option<u32>,
    kind: Option<u32>,
    user_id: Option<String>,
    target: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    count: usize,
    start: usize,
}

impl Query {
    fn read(call: &Call) -> Result<Self, Refusal> {
        if let Some(text) = call.query("moduleType") {
            // Backups are filed under Settings; there is no module of their own (R 526, 527).
            if !matches!(text.to_ascii_lowercase().as_str(), "settings" | "29") {
                return Err(bad_query("moduleType", text, "LocationType"));
            }
        }
        let action = action(call)?;
        let text = |name: &str| {
            call.query(name)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        Ok(Self {
            action,
            kind: if action.is_none() { kind(call)? } else { None },
            user_id: user_id(call)?,
            // Without an action the server does not look at the target.
            target: text("target").filter(|_| action.is_some()),
            from: instant(call, "from")?,
            to: instant(call, "to")?,
            count: count(call)?,
            start: whole(call, "startIndex", "StartIndex")?
                .and_then(|start| usize::try_from(start).ok())
                .unwrap_or(0),
        })
    }

    fn fits(&self, event: &AuditEvent) -> bool {
        self.action.is_none_or(|action| event.action_id == action)
            && self
                .kind
                .is_none_or(|kind| known(event.action_id).is_some_and(|(.., of_event)| of_event == kind))
            && self
                .user_id
                .as_ref()
                .is_none_or(|user| event.user_id.eq_ignore_ascii_case(user))
            && self
                .target
                .as_ref()
                .is_none_or(|target| event.target.as_ref() == Some(target))
            && self.from.is_none_or(|from| event.date >= from)
            && self.to.is_none_or(|to| event.date <= to)
    }
}

fn known(action_id: u32) -> Option<(u32, &'static str, &'static str, u32)> {
    ACTIONS.into_iter().find(|(id, ..)| *id == action_id)
}

/// By name or by number; none where any will do.
fn kind(call: &Call) -> Result<Option<u32>, Refusal> {
    let Some(text) = call.query("actionType") else {
        return Ok(None);
    };
    let is = |(number, name): &(u32, &str)| name.eq_ignore_ascii_case(text) || text.parse() == Ok(*number);
    let found = (0..)
        .zip(KINDS)
        .find(is)
        .ok_or_else(|| bad_query("actionType", text, "ActionType"))?;
    Ok(Some(found.0).filter(|number| *number != 0))
}

/// A UUID; one of zeros means anybody.
fn user_id(call: &Call) -> Result<Option<String>, Refusal> {
    let Some(text) = call.query("userId") else {
        return Ok(None);
    };
    let digits = text.replace('-', "");
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(bad_query("userId", text, "UserId"));
    }
    Ok(Some(text.to_owned()).filter(|_| digits.bytes().any(|digit| digit != b'0')))
}

/// By name or by number; numbers without a name are none (R 504, 512–515).
fn action(call: &Call) -> Result<Option<u32>, Refusal> {
    let Some(text) = call.query("action") else {
        return Ok(None);
    };
    let number = text.parse::<u32>().ok();
    let known = ACTIONS
        .iter()
        .find(|(id, name, ..)| number == Some(*id) || name.eq_ignore_ascii_case(text));
    match (known, number) {
        (Some((id, ..)), _) => Ok(Some(*id)),
        (None, Some(number)) => Err(Refusal::Invalid {
            field: "action".to_owned(),
            message: format!("The value '{number}' is invalid."),
        }),
        (None, None) => Err(bad_query("action", text, "Action")),
    }
}

/// 1 to 100 (R 520, 522).
fn count(call: &Call) -> Result<usize, Refusal> {
    let Some(count) = whole(call, "count", "Count")? else {
        return Ok(MOST);
    };
    usize::try_from(count)
        .ok()
        .filter(|count| (1..=MOST).contains(count))
        .ok_or_else(|| Refusal::Invalid {
            field: "count".to_owned(),
            message: format!("The field Count must be between 1 and {MOST}."),
        })
}

fn whole(call: &Call, name: &str, title: &str) -> Result<Option<i32>, Refusal> {
    let Some(text) = call.query(name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| bad_query(name, text, title))
}

/// An event as the trail shows it: the date is the portal's wall clock with its offset (R 550, 558).
fn json(event: &AuditEvent, tenant: &Tenant) -> Value {
    let (zone, _) = zone_of(tenant);
    let date = event.date.to_zoned(zone);
    let offset = if date.offset().is_zero() {
        "Z".to_owned()
    } else {
        date.strftime("%:z").to_string()
    };
    let (_, _, action, kind) = known(event.action_id).unwrap_or((0, "", "", 0));
    let mut shown = json!({
        "id": event.id,
        "date": format!("{}{offset}", date.strftime("%Y-%m-%dT%H:%M:%S.%7f")),
        "user": event.user,
        "userId": event.user_id,
        "action": action,
        "actionId": event.action_id,
        "country": "",
        "city": "",
        "actionType": kind,
        "product": 7,
        "location": 29,
        "entries": [],
        "context": "Settings",
    });
    if let Some(ip) = &event.ip {
        shown["ip"] = json!(ip);
        shown["browser"] = json!("");
        shown["platform"] = json!("");
    }
    if let Some(page) = &event.page {
        shown["page"] = json!(page);
    }
    if let Some(target) = &event.target {
        shown["target"] = json!([target]);
    }
    shown
}
