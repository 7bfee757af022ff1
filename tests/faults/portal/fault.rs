//! What goes wrong with a call.

use std::time::Duration;

use serde_json::{Value, json};
use simulated_portal::{Change, Door, Fault, FaultBody};

use super::PortalCall;

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

    /// Whether a good answer comes, of whatever kind.
    pub fn is_an_answer(self) -> bool {
        match self {
            Self::Status(status) | Self::Html(status) => status < 300,
            Self::Json(_) | Self::Empty | Self::Huge | Self::Deep => true,
            Self::OtherHost | Self::OtherKey | Self::Stale | Self::Changed(_) => true,
            _ => false,
        }
    }

    /// Whether it tells for certain that a write was not carried out.
    pub fn refuses(self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 400 | 401 | 402 | 403 | 404 | 429),
            Self::RetryAfter | Self::OtherKey | Self::Login => true,
            Self::Error(500, kind) => kind == "System.ArgumentOutOfRangeException",
            Self::Error(403, kind) => kind == "System.Security.SecurityException",
            Self::Error(status, _) => matches!(status, 400 | 404),
            Self::Problem(status) | Self::Html(status) => status == 404,
            _ => false,
        }
    }

    /// The fault of the simulated portal, whose errors repeat a text.
    pub fn of(self, call: PortalCall, other: &Other<'_>, echo: &str) -> Fault {
        let json = |status, value: Value| Fault::answer(status, FaultBody::Json(value));
        let fault = match self {
            Self::Status(429) => Fault::too_many_requests(None),
            Self::Status(status) => Fault::answer(status, FaultBody::Empty),
            Self::RetryAfter => Fault::too_many_requests(Some(2)),
            Self::Error(status, kind) => json(status, error(status, kind, echo)),
            Self::Problem(status) => json(
                status,
                json!({"type": "about:blank", "title": "Problem", "detail": echo, "status": status}),
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
        call.meets(fault)
    }
}

fn error(status: u16, kind: &str, echo: &str) -> Value {
    let message = format!("Something {echo}");
    let error = json!({"message": message, "type": kind, "stack": format!("at {echo}"), "hresult": 0});
    json!({"status": 1, "statusCode": status, "error": error})
}
