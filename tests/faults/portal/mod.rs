//! The portal's side of the matrix: each call with each fault.

mod shown;

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulated_portal::{Change, Door, Fault, FaultBody};

use crate::row::{Begins, Injected, Row};

/// A call of DocSpace's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalCall {
    /// Any, before it is sent: the connection.
    Connect,
    /// The schedule.
    Schedule,
    /// The schedule with the other value of `dump`.
    OtherSchedule,
    /// The POST.
    Create,
    /// The DELETE.
    Delete,
    /// The archives.
    History,
    /// The run under way.
    Progress,
    /// The portal's settings.
    Settings,
    /// The API key.
    Key,
    /// The audit trail.
    Events,
    /// How many backups this month.
    BackupsCount,
    /// Whether paid backups are on.
    ServiceState,
    /// The portal's domain.
    Portal,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalFault {
    /// This status without a body.
    Status(u16),
    /// 429 with a Retry-After of two seconds.
    RetryAfter,
    /// This status with an error of DocSpace: its type.
    Error(u16, &'static str),
    /// This status with ProblemDetails.
    Problem(u16),
    /// This status with a page.
    Html(u16),
    /// 401 with a challenge of a proxy.
    Login,
    /// 200 with this JSON.
    Json(&'static str),
    /// 200 without a body.
    Empty,
    /// 200 with a body of two MiB.
    Huge,
    /// 200 with a body of 20,000 brackets.
    Deep,
    /// A redirect to another place.
    Redirect(u16),
    /// The answer that another Host would get, with an authorization that is valid there.
    OtherHost,
    /// The answer that an unknown key would get.
    OtherKey,
    /// An earlier answer; the call is not carried out.
    Stale,
    /// A success of DocSpace; the call is not carried out.
    Accepted,
    /// A good answer that was changed on its way.
    Changed(Change),
    /// The connection ends in the middle of the answer.
    Truncated,
    /// A reset before the effect.
    ResetBefore,
    /// A reset after the effect.
    ResetAfter,
    /// Three seconds more.
    Slow,
    /// No answer, no effect.
    BlackHole,
    /// No answer; the effect comes when the fault ends.
    Late,
    /// The connection.
    Door(Door),
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The faults of every call, but for those that are left out.
pub const FAULTS: [PortalFault; 50] = {
    use PortalFault::*;
    [
        Status(204),
        Status(400),
        Status(401),
        Status(402),
        Status(403),
        Status(404),
        Status(409),
        Status(410),
        Status(422),
        Status(429),
        RetryAfter,
        Status(500),
        Status(503),
        Status(504),
        Error(400, "System.ArgumentException"),
        Error(403, "System.Security.SecurityException"),
        Error(403, "System.InvalidOperationException"),
        Error(404, "ASC.Core.Common.ItemNotFoundException"),
        Error(500, "System.Exception"),
        Error(500, "System.ArgumentOutOfRangeException"),
        Problem(403),
        Problem(404),
        Problem(500),
        Html(200),
        Html(404),
        Html(502),
        Html(504),
        Login,
        Json("{}"),
        Json("[1, 2]"),
        Json("{\"health\": \"ok\"}"),
        Json("{\"count\": 0, \"status\": 1, \"statusCode\": 200}"),
        Json("{\"response\": {\"unknown\": [7]}, \"count\": 1, \"status\": 0, \"statusCode\": 200}"),
        Empty,
        Huge,
        Deep,
        Redirect(302),
        Redirect(308),
        OtherHost,
        OtherKey,
        Stale,
        Accepted,
        Truncated,
        ResetBefore,
        ResetAfter,
        Slow,
        BlackHole,
        Late,
        Changed(Change::Doubled),
        Changed(Change::Dated(DAY)),
    ]
};

/// More changes of a good answer.
const CHANGES: [PortalFault; 6] = [
    PortalFault::Changed(Change::ByteOrderMark),
    PortalFault::Changed(Change::Gzip),
    PortalFault::Changed(Change::CalledHtml),
    PortalFault::Changed(Change::CalledNothing),
    PortalFault::Changed(Change::WithoutDate),
    PortalFault::Changed(Change::Dated(SignedDuration::from_hours(-24))),
];

/// The faults of connections, over TLS.
const DOORS: [PortalFault; 5] = [
    PortalFault::Door(Door::Closes),
    PortalFault::Door(Door::Resets),
    PortalFault::Door(Door::Silent),
    PortalFault::Door(Door::Plain),
    PortalFault::Door(Door::Garbage),
];

const CALLS: [PortalCall; 13] = [
    PortalCall::Connect,
    PortalCall::Schedule,
    PortalCall::OtherSchedule,
    PortalCall::Create,
    PortalCall::Delete,
    PortalCall::History,
    PortalCall::Progress,
    PortalCall::Settings,
    PortalCall::Key,
    PortalCall::Events,
    PortalCall::BackupsCount,
    PortalCall::ServiceState,
    PortalCall::Portal,
];

impl PortalCall {
    /// When it is made, and so when its fault may begin.
    fn begins(self) -> &'static [Begins] {
        use Begins::{Deletion, Night, Ready, Start};
        match self {
            Self::Connect | Self::Schedule => &[Start, Ready, Deletion],
            Self::Create | Self::Settings | Self::Key => &[Start, Ready],
            Self::Delete => &[Deletion],
            Self::History => &[Start, Ready, Night],
            Self::Progress => &[Start, Night],
            Self::OtherSchedule | Self::Events => &[Night],
            Self::BackupsCount | Self::ServiceState | Self::Portal => &[Start],
        }
    }

    /// Whether a fault of it has a row for each time, instead of one for one of them.
    fn is_thorough(self) -> bool {
        matches!(self, Self::Connect | Self::Schedule | Self::Create | Self::Delete)
    }

    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Delete)
    }

    fn concerns(self, fault: Fault) -> Fault {
        let (method, endpoint) = match self {
            Self::Connect => unreachable!("it is no call"),
            Self::Schedule => return fault.to("getbackupschedule").query("dump=false"),
            Self::OtherSchedule => return fault.to("getbackupschedule").query("dump=true"),
            Self::Create => ("POST", "createbackupschedule"),
            Self::Delete => ("DELETE", "deletebackupschedule"),
            Self::History => ("GET", "getbackuphistory"),
            Self::Progress => ("GET", "getbackupprogress"),
            Self::Settings => ("GET", "settings"),
            Self::Key => ("GET", "keys/@self"),
            Self::Events => ("GET", "security/audit/events/filter"),
            Self::BackupsCount => ("GET", "getbackupscount"),
            Self::ServiceState => ("GET", "getservicestate"),
            Self::Portal => ("GET", "portal"),
        };
        fault.method(method).to(endpoint)
    }
}

/// Another portal of the server, for answers of a wrong Host.
pub struct Other<'a> {
    /// Its Host.
    pub host: &'a str,
    /// A key that it accepts.
    pub key: &'a str,
}

impl PortalFault {
    /// How long it lasts, at least: longer than the operator waits for the portal (reads 15 s, writes 30 s), where nothing
    /// comes back, and until a clock that jumped is believed.
    pub fn lasts(self, call: PortalCall) -> Duration {
        let seconds = match self {
            Self::BlackHole | Self::Late if call.is_write() => 32,
            Self::BlackHole | Self::Late | Self::Door(Door::Silent) => 17,
            Self::Changed(Change::Dated(_)) => 13,
            Self::Slow => 7,
            _ => 4,
        };
        Duration::from_secs(seconds)
    }

    /// Whether it tells for certain that a write was not carried out.
    pub fn refuses(self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 400 | 401 | 402 | 403 | 404 | 429),
            Self::RetryAfter | Self::OtherKey | Self::OtherHost | Self::Login => true,
            Self::Error(500, kind) => kind == "System.ArgumentOutOfRangeException",
            Self::Error(403, kind) => kind == "System.Security.SecurityException",
            Self::Error(status, _) => matches!(status, 400 | 404),
            Self::Problem(status) | Self::Html(status) => status == 404,
            _ => false,
        }
    }

    /// The fault of the simulated portal.
    pub fn of(self, call: PortalCall, other: &Other<'_>) -> Fault {
        let json = |status, value: Value| Fault::answer(status, FaultBody::Json(value));
        let fault = match self {
            Self::Status(429) => Fault::too_many_requests(None),
            Self::Status(status) => Fault::answer(status, FaultBody::Empty),
            Self::RetryAfter => Fault::too_many_requests(Some(2)),
            Self::Error(status, kind) => json(status, error(status, kind)),
            Self::Problem(status) => json(
                status,
                json!({"type": "about:blank", "title": "Problem", "status": status}),
            ),
            Self::Html(status) => Fault::answer(status, FaultBody::Html),
            Self::Login => Fault::challenge("Basic realm=\"proxy\""),
            Self::Json(text) => Fault::answer(200, FaultBody::Text(text.into())),
            Self::Empty => Fault::answer(200, FaultBody::Empty),
            Self::Huge => Fault::answer(200, FaultBody::Huge(2 << 20)),
            Self::Deep => Fault::answer(200, FaultBody::Text("[".repeat(20_000))),
            Self::Redirect(status) => Fault::redirect(status, "https://login.example.com/"),
            Self::OtherHost => Fault::of_another_host(other.host, Some(&format!("Bearer {}", other.key))),
            Self::OtherKey => Fault::of_another_host(other.host, Some("Bearer sk-0")),
            Self::Stale => Fault::stale(),
            Self::Accepted => json(
                200,
                json!({"response": true, "count": 1, "status": 0, "statusCode": 200}),
            ),
            Self::Changed(change) => Fault::changed(change),
            Self::Truncated => Fault::truncated(),
            Self::ResetBefore => Fault::reset(),
            Self::ResetAfter => Fault::lost_answer(),
            Self::Slow => Fault::delay(Duration::from_secs(3)),
            Self::BlackHole => Fault::black_hole(),
            Self::Late => Fault::hang(),
            Self::Door(_) => unreachable!("it meets connections"),
        };
        call.concerns(fault)
    }
}

fn error(status: u16, kind: &str) -> Value {
    json!({"status": 1, "statusCode": status, "error": {"message": "Something", "type": kind, "stack": "", "hresult": 0}})
}

/// Why a fault of a call is no row.
pub fn left_out(call: PortalCall, fault: PortalFault) -> Option<&'static str> {
    use PortalFault::{Accepted, Door, Late, OtherHost, ResetAfter, Stale};
    match (call, fault) {
        (PortalCall::Connect, Door(_)) => None,
        (PortalCall::Connect, _) | (_, Door(_)) => Some("of a connection, there are faults of its own"),
        (_, ResetAfter | Late) if !call.is_write() => {
            Some("a read has no effect: before and after are the same")
        }
        (_, Accepted) if !call.is_write() => {
            Some("a success of a write is no answer to a read: see wrong JSON")
        }
        (_, Stale) if call.is_write() => Some("no cache answers a write; see the success without effect"),
        (_, OtherHost) if call.is_write() => Some("the write would be another portal's; see the unknown key"),
        _ => None,
    }
}

/// Each call with each fault.
pub fn pairs() -> impl Iterator<Item = (PortalCall, PortalFault)> {
    let faults = || FAULTS.into_iter().chain(CHANGES).chain(DOORS);
    CALLS
        .into_iter()
        .flat_map(move |call| faults().map(move |fault| (call, fault)))
}

/// The rows.
pub fn rows() -> Vec<Row> {
    let pairs = pairs().filter(|(call, fault)| left_out(*call, *fault).is_none());
    let rows = pairs.enumerate().flat_map(|(number, (call, fault))| {
        let all = call.begins();
        let times = match call.is_thorough() {
            true => all,
            false => &all[number % all.len()..][..1],
        };
        times
            .iter()
            .map(move |begins| (Injected::Portal(call, fault), *begins))
    });
    rows.enumerate()
        .map(|(number, (fault, begins))| Row::of(fault, begins, number))
        .collect()
}
