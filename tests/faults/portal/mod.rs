//! The portal's side of the matrix: each call with each fault.

mod fault;
mod shown;

use jiff::SignedDuration;
use simulated_portal::{Change, Door, Fault, Request};

pub use self::fault::{Other, PortalFault};
use crate::row::{Begins, Injected, Kind, Row};

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

impl PortalCall {
    /// All of them.
    pub const CALLS: [Self; 13] = [
        Self::Connect,
        Self::Schedule,
        Self::OtherSchedule,
        Self::Create,
        Self::Delete,
        Self::History,
        Self::Progress,
        Self::Settings,
        Self::Key,
        Self::Events,
        Self::BackupsCount,
        Self::ServiceState,
        Self::Portal,
    ];

    /// When it is made, and so when its fault may begin.
    fn begins(self) -> &'static [Begins] {
        use Begins::{Deletion, Night, Ready, Start};
        match self {
            Self::Connect => &[Start, Ready, Deletion],
            Self::Schedule => &[Start, Ready, Night, Deletion],
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

    /// Its method, the last words of its path, and what its query has.
    fn named(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Connect => unreachable!("it is no call"),
            Self::Schedule => ("GET", "getbackupschedule", Some("dump=false")),
            Self::OtherSchedule => ("GET", "getbackupschedule", Some("dump=true")),
            Self::Create => ("POST", "createbackupschedule", None),
            Self::Delete => ("DELETE", "deletebackupschedule", None),
            Self::History => ("GET", "getbackuphistory", None),
            Self::Progress => ("GET", "getbackupprogress", None),
            Self::Settings => ("GET", "settings", None),
            Self::Key => ("GET", "keys/@self", None),
            Self::Events => ("GET", "security/audit/events/filter", None),
            Self::BackupsCount => ("GET", "getbackupscount", None),
            Self::ServiceState => ("GET", "getservicestate", None),
            Self::Portal => ("GET", "portal", None),
        }
    }

    fn meets(self, fault: Fault) -> Fault {
        let (method, endpoint, query) = self.named();
        let fault = fault.method(method).to(endpoint);
        match query {
            Some(query) => fault.query(query),
            None => fault,
        }
    }

    /// Whether a request is this call.
    pub fn is(self, request: &Request) -> bool {
        if self == Self::Connect {
            return false;
        }
        let (method, endpoint, query) = self.named();
        let asked = request.query.as_deref().unwrap_or_default().to_ascii_lowercase();
        request.method == method && request.is_to(endpoint) && query.is_none_or(|query| asked.contains(query))
    }
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
    PortalCall::CALLS
        .into_iter()
        .flat_map(move |call| faults().map(move |fault| (call, fault)))
}

/// Why a fault of a call is no row where archives are at stake; none where it is one.
pub fn left_out_at_stake(call: PortalCall, fault: PortalFault) -> Option<&'static str> {
    match (call, fault) {
        (PortalCall::Schedule | PortalCall::History, PortalFault::OtherHost) => {
            Some("one answer of another portal that keeps less cannot be told from the truth")
        }
        _ => left_out(call, fault),
    }
}

/// The calls on which it depends whether archives are lost, with each fault.
pub fn pairs_at_stake() -> impl Iterator<Item = (PortalCall, PortalFault)> {
    use PortalCall::{Create, History, Schedule};
    pairs().filter(|(call, _)| matches!(call, Create | History | Schedule))
}

/// The times of a row each.
fn times(call: PortalCall, fault: PortalFault, number: usize) -> &'static [Begins] {
    let all = call.begins();
    let about_backups = matches!(call, PortalCall::History | PortalCall::Progress);
    if call.is_thorough() {
        all
    } else if about_backups && fault.is_an_answer() {
        &[Begins::Night]
    } else {
        &all[number % all.len()..][..1]
    }
}

/// The rows.
pub fn rows() -> Vec<Row> {
    let usual = pairs().filter(|(call, fault)| left_out(*call, *fault).is_none());
    let usual = usual.enumerate().flat_map(|(number, (call, fault))| {
        let times = times(call, fault, number).iter();
        times.map(move |begins| (call, fault, *begins, Kind::of(call)))
    });
    let at_stake = pairs_at_stake().filter(|(call, fault)| left_out_at_stake(*call, *fault).is_none());
    let at_stake = at_stake.map(|(call, fault)| (call, fault, Begins::Start, Kind::AtStake));
    let numbered = usual.chain(at_stake).enumerate();
    numbered
        .map(|(number, (call, fault, begins, kind))| Row {
            kind,
            ..Row::of(Injected::Portal(call, fault), begins, number)
        })
        .collect()
}
