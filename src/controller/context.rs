//! The context that all reconciles share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::{mpsc::UnboundedSender, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        Settings, index::Index, key::Key, metrics::Metrics, requests::Requests, secrets, turns::Turns,
    },
    portal::{Answer, Failure, PortalError, Portals},
    rules::{
        memory::{Memory, Trigger},
        retry::{Pace, own_interval},
    },
    secret::SharedSecret,
    shares::{Share, Shares},
};

/// A running write may continue this long when the operator stops.
pub const WRITE_GRACE: Duration = Duration::from_secs(8);

/// The memory for answers of the Kubernetes API with objects that are not small, in bytes: of all, and of one namespace.
pub const ANSWERS: (usize, usize) = (16 * 1024 * 1024, 4 * 1024 * 1024);
/// Answers with objects up to this size need no such memory.
const SMALL_ANSWER: usize = 64 * 1024;
/// kube holds an answer this many times while it reads it.
const COPIES: usize = 3;

/// Whether each watched namespace (`None` for all) was listed since this process leads: an older list may hold objects
/// that are gone.
pub type Listed = HashMap<Option<String>, watch::Receiver<bool>>;

type Memories = HashMap<Key, Arc<tokio::sync::Mutex<Memory>>>;

/// Shared by all reconciles.
pub struct Context {
    pub(super) requests: Requests,
    pub(super) settings: Settings,
    pub(super) portals: Portals,
    pub(super) index: Arc<Index>,
    pub(super) metrics: Metrics,
    pub(super) secrets: secrets::Versions,
    pub(super) secret_limits: secrets::Limits,
    pub(super) memories: Mutex<Memories>,
    pub(super) wakes: UnboundedSender<Key>,
    /// Which namespaces are listed.
    pub(super) listed: Listed,
    pub(super) turns: Turns,
    /// The memory for answers with large objects, in bytes.
    pub(super) answers: Shares,
    /// True once everything is listed and this process leads: objects can be reconciled.
    pub(super) filled: watch::Receiver<bool>,
    /// Cancelled when the operator stops: reads are dropped.
    pub(super) stop: CancellationToken,
    /// Cancelled when the grace period of running writes is over.
    pub(super) grace_over: CancellationToken,
    /// Used instead of the key in the object's Secret: for a preview.
    pub(super) given_key: Option<SharedSecret>,
}

/// What a context begins with, beside what it fills itself.
pub struct Begin {
    /// The client of the Kubernetes API.
    pub requests: Requests,
    /// The settings.
    pub settings: Settings,
    /// Creates portal clients.
    pub portals: Portals,
    /// The metrics.
    pub metrics: Metrics,
    /// Where objects that must be reconciled are named.
    pub wakes: UnboundedSender<Key>,
    /// Which namespaces are listed.
    pub listed: Listed,
    /// True once everything is listed and this process leads.
    pub filled: watch::Receiver<bool>,
    /// Cancelled when the operator stops.
    pub stop: CancellationToken,
}

impl From<Begin> for Context {
    /// A context that knows no object yet.
    fn from(begin: Begin) -> Self {
        Self {
            requests: begin.requests,
            settings: begin.settings,
            portals: begin.portals,
            index: Arc::default(),
            metrics: begin.metrics,
            secrets: Default::default(),
            secret_limits: Default::default(),
            memories: Default::default(),
            wakes: begin.wakes,
            listed: begin.listed,
            turns: Turns::default(),
            answers: Shares::new(ANSWERS.0, ANSWERS.1),
            filled: begin.filled,
            stop: begin.stop,
            grace_over: CancellationToken::new(),
            given_key: None,
        }
    }
}

impl Context {
    /// Runs a write to the portal, or its read afterwards; it may continue for WRITE_GRACE when the operator stops.
    pub(super) async fn within_grace<T>(
        &self,
        call: impl Future<Output = Result<Answer<T>, PortalError>>,
    ) -> Result<Answer<T>, PortalError> {
        let stopped = || PortalError {
            failure: Failure::TimedOut,
            status: None,
            message:
                "The operator was stopped before the portal answered; its next process reads the outcome"
                    .into(),
            date: None,
            retry_after: None,
        };
        self.grace_over
            .run_until_cancelled(call)
            .await
            .unwrap_or_else(|| Err(stopped()))
    }

    /// The interval between checks of the object's portal.
    pub(super) fn interval(&self, object: &DocSpaceBackupSchedule) -> Duration {
        own_interval(&object.spec).unwrap_or(self.settings.interval)
    }

    /// The client of the Kubernetes API, for the requests of one reconcile.
    pub(super) fn client(&self) -> Client {
        self.requests.client()
    }

    /// The API of the object's namespace, for answers of this kind.
    pub(super) fn api<K>(&self, object: &DocSpaceBackupSchedule) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client(), &object.namespace().unwrap_or_default())
    }

    /// Waits for memory for an answer with the object, if it is large: labels, for example, have no limit of their own.
    pub(super) async fn room_for(&self, object: &DocSpaceBackupSchedule) -> Option<Share> {
        self.room(object.metadata.namespace.as_deref(), self.bytes_of(object))
            .await
    }

    /// The same for an object of this size.
    pub(super) async fn room(&self, namespace: Option<&str>, bytes: usize) -> Option<Share> {
        if bytes <= SMALL_ANSWER {
            return None;
        }
        let room = self
            .answers
            .acquire(namespace.unwrap_or_default(), bytes.saturating_mul(COPIES));
        Some(room.await)
    }

    /// The size of the object in an answer, in bytes.
    pub(super) fn bytes_of(&self, object: &DocSpaceBackupSchedule) -> usize {
        self.index.bytes(&Key::of(object))
    }

    fn memories(&self) -> MutexGuard<'_, Memories> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory(&self, key: &Key) -> Arc<tokio::sync::Mutex<Memory>> {
        self.memories().entry(key.clone()).or_default().clone()
    }

    /// Forgets what was remembered of an object that is gone.
    pub(super) fn forget_memory(&self, key: &Key) {
        self.memories().remove(key);
    }

    /// Whether the object's portal did not answer in time at the last check; not of one that is reconciled just now.
    pub(super) fn has_hung(&self, key: &Key) -> bool {
        let memories = self.memories();
        let memory = memories.get(key).and_then(|memory| memory.try_lock().ok());
        memory.is_some_and(|memory| memory.hung)
    }

    pub(super) fn trigger(&self, object: &DocSpaceBackupSchedule) -> Trigger {
        let versions = secrets::names(&object.spec).map(|name| self.secret_version(object, name));
        Trigger::of(object, versions.collect(), self.index.standing(object))
    }

    pub(super) fn secret_version(&self, object: &DocSpaceBackupSchedule, name: &str) -> Option<String> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        self.secrets.get(&Key::new(namespace, name))
    }

    /// Triggers reconciles of objects; unchanged ones are skipped there. Whoever begins to lead wakes all.
    pub(super) fn wake(&self, keys: Vec<Key>) {
        if *self.filled.borrow() {
            for key in keys {
                // The channel is closed only if the operator has stopped.
                let _ = self.wakes.send(key);
            }
        }
    }

    /// Whether the object's namespace was listed since this process leads.
    pub(super) fn is_listed(&self, key: &Key) -> bool {
        let of_namespace = self.listed.get(&Some(key.namespace().to_owned()));
        let listed = of_namespace.or_else(|| self.listed.get(&None));
        listed.is_some_and(|listed| *listed.borrow())
    }
}

/// The inputs of a wait that begins now.
pub fn pace(interval: Duration) -> Pace {
    Pace {
        interval,
        now: Timestamp::now(),
        chance: fastrand::f64(),
    }
}
