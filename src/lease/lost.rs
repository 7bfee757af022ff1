//! Why a former leader must end.

use std::time::Duration;

/// Why a former leader must end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Renewals failed, or the process was paused.
    #[error("the lease was not renewed for {:.1} s, so another may lead soon; this process ends", .0.as_secs_f64())]
    NotRenewed(Duration),
    /// Another process or nobody holds the lease.
    #[error("the lease went to {}; this process ends", or_nobody(.0))]
    Taken(String),
    /// The Lease object was deleted.
    #[error("the Lease was deleted, so another may lead soon; this process ends")]
    Deleted,
    /// The renewing task failed.
    #[error("the election failed; please report this")]
    Failed,
}

fn or_nobody(holder: &str) -> &str {
    if holder.is_empty() { "nobody" } else { holder }
}
