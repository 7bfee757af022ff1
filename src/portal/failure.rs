//! The failures of a call, and what they mean for a write.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelValue;

/// Why a call failed. A closed set; `rules::reason` maps each to a reason.
#[derive(Clone, Copy, Debug, EncodeLabelValue, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The key cannot be sent, or the CA certificates cannot be read. Found before any call.
    SecretInvalid,
    /// The address is never a portal: loopback, link-local, cloud metadata, …
    AddressNotAllowed,
    /// The host name does not exist or has no address, or DNS did not tell.
    Resolve,
    /// No connection within [`CONNECT_TIMEOUT`](super::CONNECT_TIMEOUT), or it was refused, also by a proxy.
    Connect,
    /// No secure connection: certificate, name or protocol.
    Tls,
    /// No complete answer within the call's time limit.
    TimedOut,
    /// The connection was lost before the answer was complete.
    Interrupted,
    /// 401: key unknown, expired, disabled, of another portal; or the Host is unknown on SaaS (R 205).
    Unauthorized,
    /// 403 with an empty body: the key's permissions do not suffice (R 421); 403 of `settings` (R 814, 823).
    KeyNotAllowed,
    /// 403 with DocSpace's error: the key's owner, or this kind of server, may not (R 3, 403).
    UserNotAllowed,
    /// 402: the plan has no automatic backup, or the tariff has run out (R 4).
    PlanNotAllowed,
    /// 403 with ProblemDetails: the portal is being transferred, restored or encrypted (R 338–341).
    PortalUnavailable,
    /// DocSpace cannot reach its database: 403 on PostgreSQL (R 371), 500 on MySQL and MariaDB (R 375, 376).
    DatabaseDown,
    /// 404 with ProblemDetails: the portal is suspended or removed (R 337).
    PortalGone,
    /// 404 with DocSpace's error: the folder does not exist (R 163).
    FolderNotFound,
    /// 404 otherwise: no such route, or not DocSpace (R 198).
    RouteNotFound,
    /// 400, or a 500 of a create that names a bad value (trap 10): DocSpace refuses the schedule itself.
    Rejected,
    /// 429 (trap 16).
    RateLimited,
    /// Any other error of DocSpace.
    ServerError,
    /// 5xx of a proxy in front of DocSpace (R 970–980).
    Proxy,
    /// An answer that DocSpace never gives, one that is too large, or a login of something in front of DocSpace.
    NotDocSpace,
    /// 3xx; redirects are never followed.
    Redirected,
}

impl Failure {
    /// Whether the request was certainly not sent.
    pub fn nothing_was_sent(self) -> bool {
        use Failure::{AddressNotAllowed, Connect, Resolve, SecretInvalid, Tls};
        matches!(self, SecretInvalid | AddressNotAllowed | Resolve | Connect | Tls)
    }

    /// Whether DocSpace itself refuses the call with 403 or 404, and will refuse it again.
    pub fn is_lasting_refusal(self) -> bool {
        use Failure::{FolderNotFound, KeyNotAllowed, UserNotAllowed};
        matches!(self, KeyNotAllowed | UserNotAllowed | FolderNotFound)
    }

    /// Whether a write with this failure certainly was not and will not be carried out: nothing was sent, or DocSpace
    /// answered 400, 401, 402, 404, 429, a permission's 403, or a 500 that names a bad value.
    pub fn is_definite_for_a_write(self) -> bool {
        use Failure::{
            FolderNotFound, KeyNotAllowed, PlanNotAllowed, PortalGone, RateLimited, Rejected, RouteNotFound,
            Unauthorized, UserNotAllowed,
        };
        let refused = matches!(
            self,
            Unauthorized
                | KeyNotAllowed
                | UserNotAllowed
                | PlanNotAllowed
                | PortalGone
                | FolderNotFound
                | RouteNotFound
                | Rejected
                | RateLimited
        );
        refused || self.nothing_was_sent()
    }
}

/// A call that failed: what happened, where, and what to do. Equal situations give equal messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PortalError {
    /// The kind of failure.
    pub failure: Failure,
    /// HTTP status; `None` if no answer came.
    pub status: Option<u16>,
    /// For people. Contains no secret, no body of an answer, and nothing that varies between equal situations.
    pub message: String,
    /// The portal's clock: the Date header of an error of DocSpace's own, never that of a proxy or an empty answer.
    pub date: Option<Timestamp>,
    /// How long the portal asks to wait: its Retry-After header.
    pub retry_after: Option<Duration>,
}
