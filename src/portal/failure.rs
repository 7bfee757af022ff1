//! What can go wrong with a call, and what that says of a write.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelValue;

/// Why a call did not give what it was made for. A closed set; each has one row in the controller's table.
#[derive(Clone, Copy, Debug, EncodeLabelValue, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The key cannot be sent, or the CA certificates cannot be read; found before any call.
    SecretInvalid,
    /// The address is one that is never a portal: loopback, link-local, cloud metadata, …
    AddressNotAllowed,
    /// The host's name has no address.
    Resolve,
    /// No connection within [`CONNECT_TIMEOUT`](super::CONNECT_TIMEOUT), or it was refused.
    Connect,
    /// No secure connection: certificate, name or protocol.
    Tls,
    /// No answer, or not the whole of it, within the call's time.
    TimedOut,
    /// The connection was lost, or the answer cut off or too large.
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
    /// 404 with DocSpace's error: the folder is not there (R 163).
    FolderNotFound,
    /// 404 otherwise: no such route, or not DocSpace (R 198).
    RouteNotFound,
    /// 400, or a 500 of a create that names a bad value (trap 10): the schedule itself is refused.
    Rejected,
    /// 429 (trap 16).
    RateLimited,
    /// Any other error of DocSpace's.
    ServerError,
    /// 5xx of something in front of DocSpace (R 970–980).
    Proxy,
    /// An answer that DocSpace does not give.
    NotDocSpace,
    /// 3xx; redirects are never followed.
    Redirected,
}

impl Failure {
    /// Whether the request cannot have reached anybody.
    pub fn nothing_was_sent(self) -> bool {
        use Failure::{AddressNotAllowed, Connect, Resolve, SecretInvalid, Tls};
        matches!(self, SecretInvalid | AddressNotAllowed | Resolve | Connect | Tls)
    }

    /// Whether a write that ended so was certainly not carried out, and will not be: nothing was sent, or DocSpace
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
    /// HTTP status; none when no answer came.
    pub status: Option<u16>,
    /// For people; holds no secret, no body of an answer, and nothing that varies between equal situations.
    pub message: String,
    /// The portal's clock: its Date header.
    pub date: Option<Timestamp>,
    /// How long the portal asks to wait: its Retry-After header.
    pub retry_after: Option<Duration>,
}
