//! What can go wrong with a request to the Kubernetes API.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::call::KubeCall;

/// How long a slow answer takes.
pub(super) const SLOW: Duration = Duration::from_secs(2);

/// A fault of one kind of request. It lasts until it is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KubeFault {
    /// An answer with this status and a `Status` as body, instead of the effect.
    Answer(u16),
    /// The connection is reset instead of the effect.
    ResetBefore,
    /// The effect, and then a reset instead of the answer.
    ResetAfter,
    /// The effect, and half of the answer.
    CutOff,
    /// Everything takes two seconds more.
    Slow,
    /// Nothing comes back, and nothing has an effect. Connections stay open until the fault ends.
    BlackHole,
    /// Nothing comes back. The effect comes when the fault ends, whether or not the caller has left.
    Late,
    /// A watch that never tells anything again, also after the end of the fault. New ones work.
    Dead,
    /// Changes are held back, and come in their order when the fault ends.
    HeldBack,
    /// Changes are lost, and the next answer is that the version is too old.
    Dropped,
    /// Each change comes twice.
    Doubled,
    /// Changes are held back; of several of one object only the last one comes.
    Merged,
    /// The times in the Lease that the caller writes are this many seconds ahead.
    ClockAhead(i64),
    /// The time of renewal that the caller writes stays the same.
    ClockStopped,
}

impl KubeFault {
    /// The statuses of a matrix.
    pub const STATUSES: [u16; 10] = [401, 403, 404, 409, 410, 422, 429, 500, 503, 504];

    /// Whether it concerns the changes that a watch tells, one by one.
    pub fn is_of_changes(self) -> bool {
        matches!(
            self,
            Self::HeldBack | Self::Dropped | Self::Doubled | Self::Merged
        )
    }
}

impl fmt::Display for KubeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(429) => "429 with Retry-After",
            Self::Answer(status) => return status.fmt(f),
            Self::ResetBefore => "reset before the effect",
            Self::ResetAfter => "reset after the effect",
            Self::CutOff => "answer cut off",
            Self::Slow => "slow",
            Self::BlackHole => "black hole",
            Self::Late => "black hole, late effect",
            Self::Dead => "a watch that is dead for good",
            Self::HeldBack => "changes held back",
            Self::Dropped => "changes dropped until the next list",
            Self::Doubled => "changes doubled",
            Self::Merged => "changes merged",
            Self::ClockAhead(seconds) => return write!(f, "the writer's clock {seconds} s ahead"),
            Self::ClockStopped => "the writer's clock stopped",
        })
    }
}

/// The body of an answer with this status, as the API server has it.
pub(super) fn status_body(status: u16) -> Value {
    let reason = match status {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let details = match status {
        429 => json!({"retryAfterSeconds": RETRY_AFTER}),
        _ => json!({}),
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": StatusCode::from_u16(status).map_or("", |status| status.canonical_reason().unwrap_or_default()),
        "reason": reason, "details": details, "code": status,
    })
}

/// Seconds in the header of a 429.
pub(super) const RETRY_AFTER: u32 = 1;

/// An ordered fault.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) call: KubeCall,
    pub(super) fault: KubeFault,
    hits: AtomicU64,
    ended: watch::Sender<bool>,
}

impl Order {
    pub(super) fn new(call: KubeCall, fault: KubeFault) -> Self {
        Self {
            call,
            fault,
            hits: AtomicU64::new(0),
            ended: watch::Sender::new(false),
        }
    }

    /// It met a request, or an open watch.
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Waits until it is ended.
    pub(super) async fn ended(&self) {
        // The sender is `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}
