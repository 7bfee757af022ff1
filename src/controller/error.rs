//! The errors of a reconcile: failures of Kubernetes, and early ends.

use std::time::Duration;

use crate::controller::secrets;

/// The errors of a reconcile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("Kubernetes: {0}")]
    Kubernetes(#[from] kube::Error),
    /// A Secret could not be read.
    #[error(transparent)]
    Secret(#[from] secrets::Error),
    /// The operator is stopping.
    #[error("the operator is stopping")]
    Stopping,
    /// A fault of the operator; the log says where.
    #[error("the reconcile panicked, which is a fault of the operator")]
    Panicked,
    /// The object changed during the reconcile, which is repeated.
    #[error("the object changed during the reconcile")]
    Superseded,
    /// The portal is slow or a lock is held, and no place to wait is free. The reconcile is repeated when one is.
    #[error("too many objects of the namespace wait")]
    Crowded,
    /// Others that may have precedence on the slot are reconciled first; waits at most this long.
    #[error("other objects are reconciled first")]
    OthersFirst(Duration),
}
