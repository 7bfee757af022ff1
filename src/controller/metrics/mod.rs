//! Prometheus metrics of the controller's own work.

mod conditions;
mod objects;
pub mod values;

use std::{
    error::Error,
    sync::{Arc, OnceLock},
    time::Duration,
};

use kube::runtime::watcher;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::{
    api::AppliedReason,
    controller::{index::Index, metrics::objects::Series},
    portal::{CallResult, PortalError},
    rules::reason::Class,
};

/// In seconds: a reconcile without calls, one with its calls, one whose portal does not answer.
const BUCKETS: [f64; 10] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0];

/// The metrics of the controller; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    reconciles: Family<OfReconciles, Counter>,
    seconds: Histogram,
    writes: Family<OfWrites, Counter>,
    left_behind: Counter,
    kubernetes: Family<OfKubernetes, Counter>,
    index: Arc<OnceLock<Arc<Index>>>,
}

#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
struct OfReconciles {
    result: ReconcileResult,
}

#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
struct OfWrites {
    reason: WriteReason,
    code: CallResult,
}

#[derive(Clone, Debug, EncodeLabelSet, PartialEq, Eq, Hash)]
struct OfKubernetes {
    operation: KubeOperation,
    code: String,
}

/// The result of a reconcile.
#[derive(Clone, Copy, Debug, EncodeLabelValue, PartialEq, Eq, Hash)]
pub enum ReconcileResult {
    /// The portal holds what the manifest says.
    Ready,
    /// The operator retries automatically.
    Retrying,
    /// The object needs the user's action.
    Stalled,
    /// managementPolicy is Observe, and the portal differs.
    Reported,
    /// `spec.suspend`.
    Suspended,
    /// The object was deleted and released.
    Released,
    /// Kubernetes failed.
    Failed,
    /// The operator has a fault.
    Panicked,
}

impl From<Class> for ReconcileResult {
    fn from(class: Class) -> Self {
        match class {
            Class::Ready => Self::Ready,
            Class::Retrying => Self::Retrying,
            Class::Stalled => Self::Stalled,
            Class::Reported => Self::Reported,
            Class::Suspended => Self::Suspended,
        }
    }
}

/// The reason of a write to a portal.
#[derive(Clone, Copy, Debug, EncodeLabelValue, PartialEq, Eq, Hash)]
pub enum WriteReason {
    /// First written.
    Created,
    /// After a change of the manifest or of a storage Secret.
    Changed,
    /// Restored after somebody had changed or removed it.
    Corrected,
    /// Restored after the portal itself had removed it.
    Recreated,
    /// Deleted with its object.
    Deleted,
}

impl From<AppliedReason> for WriteReason {
    fn from(reason: AppliedReason) -> Self {
        match reason {
            // An adoption is not a write.
            AppliedReason::Created | AppliedReason::Adopted => Self::Created,
            AppliedReason::Changed => Self::Changed,
            AppliedReason::Corrected => Self::Corrected,
            AppliedReason::Recreated => Self::Recreated,
        }
    }
}

/// An operation of the Kubernetes API.
#[derive(Clone, Copy, Debug, EncodeLabelValue, PartialEq, Eq, Hash)]
pub enum KubeOperation {
    /// Writes of an object or its status, and other requests of a reconcile.
    Reconcile,
    /// Reads of a Secret.
    Secret,
    /// Creation of an Event.
    Event,
    /// The watch of objects.
    WatchObjects,
    /// The watch of Secrets.
    WatchSecrets,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reconciles: Family::default(),
            seconds: Histogram::new(BUCKETS),
            writes: Family::default(),
            left_behind: Counter::default(),
            kubernetes: Family::default(),
            index: Arc::default(),
        }
    }
}

impl Metrics {
    /// Registers the counts, and a collector that exports the objects at each scrape.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "reconciles",
            "Reconciles that handled an object, by result",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Duration of these reconciles, including the wait for their turn",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "portal_writes",
            "Writes to portals, by reason and by HTTP status, or by the cause if no answer arrived",
            self.writes.clone(),
        );
        registry.register(
            "schedules_left_behind",
            "Objects that were released although a schedule may remain in their portal",
            self.left_behind.clone(),
        );
        registry.register(
            "kubernetes_errors",
            "Failed requests to the Kubernetes API, by operation and HTTP status (none if no answer arrived)",
            self.kubernetes.clone(),
        );
        registry.register_collector(Box::new(Series(self.index.clone())));
    }

    /// Sets the objects to export.
    pub(super) fn tell_of(&self, index: Arc<Index>) {
        // Called once, at the start.
        let _ = self.index.set(index);
    }

    /// Counts a reconcile that handled its object.
    pub(super) fn reconciled(&self, result: ReconcileResult, took: Duration) {
        self.reconciles.get_or_create(&OfReconciles { result }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts a write to a portal.
    pub(super) fn written(&self, reason: impl Into<WriteReason>, error: Option<&PortalError>) {
        let code = CallResult::new(
            error.map_or(Some(200), |error| error.status),
            error.map(|error| error.failure),
        );
        let reason = reason.into();
        self.writes.get_or_create(&OfWrites { reason, code }).inc();
    }

    /// Counts a schedule that may remain in its portal.
    pub(super) fn left_behind(&self) {
        self.left_behind.inc();
    }

    /// Counts a failed request to the Kubernetes API.
    pub(super) fn refused(&self, operation: KubeOperation, error: &(dyn Error + 'static)) {
        let code = code(error);
        self.kubernetes
            .get_or_create(&OfKubernetes { operation, code })
            .inc();
    }
}

/// The HTTP status that Kubernetes answered with, or `none`.
pub fn code(error: &(dyn Error + 'static)) -> String {
    let mut next = Some(error);
    while let Some(error) = next {
        let status = match (error.downcast_ref(), error.downcast_ref()) {
            (Some(kube::Error::Api(status)), _) | (_, Some(watcher::Error::WatchError(status))) => status,
            _ => {
                next = error.source();
                continue;
            }
        };
        return status.code.to_string();
    }
    "none".into()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;
    use crate::controller::error::Error;

    #[test]
    fn the_code_is_kubernetes_own_however_deep() {
        let refused = || kube::Error::Api(Box::new(Status::failure("no", "Forbidden").with_code(403)));
        assert_eq!(code(&refused()), "403");
        assert_eq!(code(&Error::Kubernetes(refused())), "403");
        assert_eq!(code(&watcher::Error::InitialListFailed(refused())), "403");
        assert_eq!(code(&Error::Stopping), "none");
    }
}
