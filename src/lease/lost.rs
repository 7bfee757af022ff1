//! Why a process that led must end.

use std::time::Duration;

/// Why a process that led must end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The renewals did not come through, or the process was stopped.
    #[error("the lease was not renewed for {:.1} s, so another may lead soon; this process ends", .0.as_secs_f64())]
    NotRenewed(Duration),
    /// Somebody else holds it, or nobody.
    #[error("the lease went to {}; this process ends", or_nobody(.0))]
    Taken(String),
    /// The Lease is gone.
    #[error("the Lease was deleted, so another may lead soon; this process ends")]
    Deleted,
    /// The task that renews it has failed.
    #[error("the election failed; please report this")]
    Failed,
}

fn or_nobody(holder: &str) -> &str {
    if holder.is_empty() { "nobody" } else { holder }
}
