//! Kubernetes's own failures: the only errors of a reconcile.

use crate::controller::secrets;
use std::time::Duration;

/// Kubernetes' own failures, and the end of the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("Kubernetes: {0}")]
    Kubernetes(#[from] kube::Error),
    /// A Secret could not be read.
    #[error(transparent)]
    Secret(#[from] secrets::Error),
    /// The operator is being stopped.
    #[error("the operator is stopping")]
    Stopping,
    /// The object changed while it was looked at; it is looked at again.
    #[error("the object changed during the reconcile")]
    Superseded,
    /// Others may have the slot before the object: they are looked at first, which takes this long at most.
    #[error("other objects are reconciled first")]
    OthersFirst(Duration),
}

/// An error, and when to try again.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    #[source]
    pub error: Error,
    /// The wait before the next try.
    pub retry: Duration,
}
