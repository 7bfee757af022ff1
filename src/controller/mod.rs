//! Keeps every `DocSpaceBackupSchedule` and its portal in step. One reconcile, in this order:
//!
//! 1. **observe** ([`observe`]): learn the facts that step 2 asks for.
//! 2. **decide** ([`decide`]): name one plan, from facts alone.
//! 3. **act** ([`act`]): at most one write to the portal, then a look at what it did.
//! 4. **report** ([`report`]): one status patch, and only when something changed; Events.
//!
//! [`reason`] holds the one table from reasons to conditions. A portal's bad answer is a fact that is reported;
//! only Kubernetes' own failures are errors here.

mod act;
pub mod decide;
mod events;
mod invalid;
mod memory;
mod objects;
mod observe;
pub mod reason;
mod report;
mod run;
mod secrets;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{channel::mpsc, future::join_all};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{
    Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
    runtime::{
        controller::Action,
        reflector::{ObjectRef, Store},
    },
};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use self::run::{Namespaces, StartError, run};
use self::{
    act::{Deed, act},
    decide::{Plan, decide},
    events::{Note, publish},
    memory::{Memory, Trigger, backoff, spread},
    objects::{Guarded, Key, Objects, key_of},
    observe::Look,
    reason::{Class, Reason},
    report::{Report, is_passing, verified},
};
use crate::{
    api::{DocSpaceBackupSchedule, Status},
    portal::{Answer, Failure, PortalError, Portals},
};

/// So many objects are worked on at a time; one that waits for its portal gives its place to another.
const PLACES: usize = 64;
/// A reconcile that takes longer than this is waiting for a portal.
const PATIENCE: Duration = Duration::from_millis(250);
/// A write under way gets this long when the operator is stopped.
const WRITE_GRACE: Duration = Duration::from_secs(8);
/// A portal's request to be left alone is honoured up to this long.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The portal's clock and the operator's may differ by this much.
const CLOCK_TOLERANCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// What the operator was told on its command line.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often a portal is looked at, where the object does not say.
    pub interval: Duration,
    /// Origins that Secrets may be sent to; empty for any.
    pub allowed_origins: BTreeSet<String>,
    /// Every Secret must say where it may be sent.
    pub require_origin_annotation: bool,
}

/// What all reconciles share.
pub struct Context {
    client: Client,
    settings: Settings,
    portals: Portals,
    objects: Objects,
    secrets: Vec<Store<PartialObjectMeta<Secret>>>,
    memories: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Memory>>>>,
    nudges: HashMap<String, mpsc::UnboundedSender<Key>>,
    /// Objects whose slot may have become free: they look at once.
    nudged: Mutex<BTreeSet<String>>,
    places: Semaphore,
    filled: watch::Receiver<bool>,
    stop: CancellationToken,
}

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
    #[error("the operator is being stopped")]
    Stopping,
    /// A plan was carried out before what it takes was known.
    #[error("a plan came before the facts that it takes; please report this")]
    Order,
}

/// An error, and when to try again.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    #[source]
    error: Error,
    retry: Duration,
}

/// Reconciles one object, unless nothing has changed and no look is due.
///
/// # Errors
/// Kubernetes' own failures.
pub async fn reconcile(object: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Failed> {
    let failed = |error| Failed {
        error,
        retry: Duration::ZERO,
    };
    if context.filled.clone().wait_for(|filled| *filled).await.is_err() {
        return Err(failed(Error::Stopping));
    }
    let Some(object) = context.objects.newest(&ObjectRef::from_obj(&*object)) else {
        return Ok(Action::await_change());
    };
    let memory = context.memory(&object.uid().unwrap_or_default());
    let mut memory = memory.lock().await;
    let (this, remembered) = (&context, &mut *memory);
    let work = move || async move {
        match &object.0 {
            Ok(object) => this.reconcile_valid(object, remembered).await,
            Err(object) => invalid::reconcile(&this.client, object, remembered)
                .await
                .map_err(Error::from),
        }
    };
    match context.in_turn(work).await {
        Ok(action) => Ok(action),
        Err(error) => {
            memory.kubernetes_failures += 1;
            let retry = backoff(memory.kubernetes_failures, context.settings.interval);
            Err(Failed { error, retry })
        }
    }
}

/// Kubernetes' own failures are tried again, at growing intervals.
pub fn error_policy(object: Arc<Guarded>, failed: &Failed, _: Arc<Context>) -> Action {
    let (name, namespace) = (object.name_any(), object.namespace());
    match &failed.error {
        Error::Stopping => tracing::debug!(name, namespace, "dropped, as the operator is being stopped"),
        error => {
            tracing::warn!(name, namespace, error = chain(error), retry = ?failed.retry, "reconcile failed")
        }
    }
    Action::requeue(failed.retry)
}

/// An error with all its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

impl Context {
    async fn reconcile_valid(
        &self,
        object: &DocSpaceBackupSchedule,
        memory: &mut Memory,
    ) -> Result<Action, Error> {
        let trigger = self.trigger(object);
        let interval = object.spec.interval.map_or(self.settings.interval, Into::into);
        if !self.take_nudge(object) {
            if memory.seen.is_none() && !trigger.deleting && verified(object) && !is_requested(object) {
                // After a start, looks at what was in order are spread over an interval.
                memory.next_look = Instant::now().checked_add(interval.mul_f64(fastrand::f64()));
                memory.seen = Some(trigger.clone());
            }
            if let Some(left) = memory.not_yet(&trigger, Instant::now()) {
                return Ok(Action::requeue(left));
            }
        }

        let lock = self.objects.lock(&key_of(object));
        let slot = lock.lock().await;
        let mut look = Look::new(self, object, memory, &trigger);
        look.facts.slot = self.objects.standing(object);
        let plan = loop {
            match decide(&look.facts) {
                Plan::Observe(need) => look.learn(need).await?,
                plan => break plan,
            }
        };
        if plan == Plan::Nothing && trigger.deleting {
            return Ok(Action::await_change());
        }
        tracing::debug!(
            name = object.name_any(),
            namespace = object.namespace(),
            ?plan,
            "decided"
        );
        let deed = act(&mut look, plan).await?;
        if deed.released {
            drop(slot);
            self.tell(object, deed.notes).await;
            self.nudge_others(object);
            return Ok(Action::await_change());
        }
        self.report(look, deed, trigger, interval).await
    }

    /// Writes the status when it changed, tells of it, and says when to look again.
    async fn report(
        &self,
        look: Look<'_>,
        deed: Deed,
        trigger: Trigger,
        interval: Duration,
    ) -> Result<Action, Error> {
        let Look {
            object,
            memory,
            facts,
            identity,
            ..
        } = look;
        let reason = deed.verdict.reason;
        let passing = is_passing(object, reason) || reason.rule().class == Class::Retrying;
        let failures = passing.then(|| memory.failed(reason == Reason::SecretMissing, facts.local_now));
        if failures.is_none() {
            memory.failures = None;
        }
        let report = Report {
            object,
            facts: &facts,
            identity: identity.as_ref(),
            deed: &deed,
            failures,
        };
        let status = report.status();
        let mut notes = report.notes(&status);
        if !memory.clock_reported && facts.now.duration_since(facts.local_now).abs() > CLOCK_TOLERANCE {
            memory.clock_reported = true;
            notes.push(Note::warning(
                "ClockSkew",
                "The portal's clock and the operator's differ by more than 5 minutes",
            ));
        }

        let before = object.status.clone().unwrap_or_default();
        let (patched, ()) = tokio::join!(
            self.patch_status(object, &before, &status),
            self.tell(object, notes)
        );
        let Some(newest) = patched? else {
            return Ok(Action::await_change());
        };
        if before != status {
            log(object, &deed);
        }

        memory.seen = Some(Trigger {
            status: Trigger::of(&newest, Vec::new()).status,
            ..trigger
        });
        memory.kubernetes_failures = 0;
        let mut wait = match failures {
            Some(failures) => backoff(failures.count, interval),
            None => spread(interval),
        };
        wait = wait.max(
            deed.verdict
                .retry_after
                .unwrap_or_default()
                .min(LONGEST_RETRY_AFTER),
        );
        if let Some(deleted_at) = facts.deleted_at {
            let left = decide::DELETION_PATIENCE - Timestamp::now().duration_since(deleted_at);
            wait = wait.min(
                Duration::try_from(left)
                    .unwrap_or_default()
                    .max(Duration::from_secs(1)),
            );
        }
        memory.next_look = Instant::now().checked_add(wait);
        Ok(if reason == Reason::Suspended {
            Action::await_change()
        } else {
            Action::requeue(wait)
        })
    }

    /// Patches what changed in the status; `None` when the object is gone.
    async fn patch_status(
        &self,
        object: &DocSpaceBackupSchedule,
        before: &Status,
        status: &Status,
    ) -> Result<Option<DocSpaceBackupSchedule>, Error> {
        if before == status {
            return Ok(Some(object.clone()));
        }
        let changes = changes(
            &serde_json::to_value(before).unwrap_or_default(),
            &serde_json::to_value(status).unwrap_or_default(),
        );
        let api = kube::Api::<DocSpaceBackupSchedule>::namespaced(
            self.client.clone(),
            &object.namespace().unwrap_or_default(),
        );
        let patch = Patch::Merge(serde_json::json!({"status": changes}));
        match api
            .patch_status(&object.name_any(), &PatchParams::default(), &patch)
            .await
        {
            Ok(patched) => {
                self.objects.wrote(patched.clone());
                Ok(Some(patched))
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn tell(&self, object: &DocSpaceBackupSchedule, notes: Vec<Note>) {
        join_all(
            notes
                .into_iter()
                .map(|note| publish(&self.client, object.object_ref(&()), note)),
        )
        .await;
    }

    /// Runs the work in its turn; one that takes long, as one whose portal hangs, no longer holds up the others.
    /// Its many bytes are taken only then: thousands may be waiting.
    async fn in_turn<F: Future>(&self, work: impl FnOnce() -> F) -> F::Output {
        let place = self.places.acquire().await;
        let mut work = Box::pin(work());
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
            return done;
        }
        drop(place);
        work.await
    }

    /// A write to the portal, with what belongs to it: when the operator is stopped it gets a while to end.
    async fn within_grace<T>(
        &self,
        call: impl Future<Output = Result<Answer<T>, PortalError>>,
    ) -> Result<Answer<T>, PortalError> {
        let stopped = async {
            self.stop.cancelled().await;
            tokio::time::sleep(WRITE_GRACE).await;
        };
        tokio::select! {
            answer = call => answer,
            () = stopped => Err(PortalError {
                failure: Failure::TimedOut,
                status: None,
                message: "The operator was stopped before the portal answered".into(),
                date: None,
                retry_after: None,
            }),
        }
    }

    fn memory(&self, uid: &str) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.entry(uid.into()).or_default().clone()
    }

    fn forget(&self, object: &Guarded) -> Vec<Key> {
        let uid = object.uid().unwrap_or_default();
        self.memories
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&uid);
        self.objects.forget(object)
    }

    fn trigger(&self, object: &DocSpaceBackupSchedule) -> Trigger {
        Trigger::of(
            object,
            secrets::names(&object.spec)
                .map(|name| self.secret_version(object, name))
                .collect(),
        )
    }

    fn secret_version(&self, object: &DocSpaceBackupSchedule, name: &str) -> Option<String> {
        let key = ObjectRef::new(name).within(&object.namespace().unwrap_or_default());
        self.secrets
            .iter()
            .find_map(|store| store.get(&key))?
            .resource_version()
    }

    /// Has these objects look again now: whoever shared a slot with them has changed or is gone.
    fn nudge(&self, keys: Vec<Key>) {
        for key in keys {
            self.nudged
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key.to_string());
            self.wake(key);
        }
    }

    fn nudge_others(&self, object: &DocSpaceBackupSchedule) {
        self.nudge(self.objects.others(&key_of(object)));
    }

    fn take_nudge(&self, object: &DocSpaceBackupSchedule) -> bool {
        self.nudged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key_of(object).to_string())
    }

    /// Has an object reconciled, if anything has changed for it.
    fn wake(&self, key: Key) {
        let namespace = key.namespace.as_deref().unwrap_or_default();
        let nudges = self
            .nudges
            .get(namespace)
            .or_else(|| self.nudges.get(run::ALL_NAMESPACES));
        // A closed channel is a controller that has ended.
        let _ = nudges.map(|nudges| nudges.unbounded_send(key));
    }
}

fn is_requested(object: &DocSpaceBackupSchedule) -> bool {
    let requested = object.annotations().get(crate::api::REQUESTED_AT);
    let echoed = object
        .status
        .as_ref()
        .and_then(|status| status.last_handled_reconcile_at.as_ref());
    requested.is_some() && requested != echoed
}

fn log(object: &DocSpaceBackupSchedule, deed: &Deed) {
    let verdict = &deed.verdict;
    let (name, namespace) = (object.name_any(), object.namespace());
    let (reason, message) = (verdict.reason, &verdict.message);
    let request = deed.request.as_ref().map(|request| request.operation);
    match reason.rule().class {
        Class::Ready | Class::Suspended => tracing::info!(name, namespace, %reason, ?request, "{message}"),
        _ => tracing::warn!(name, namespace, %reason, ?request, "{message}"),
    }
}

/// The merge patch that makes `after` out of `before`.
fn changes(before: &Value, after: &Value) -> Value {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return after.clone();
    };
    let mut changes = Map::new();
    for (key, value) in after {
        match before.get(key) {
            Some(old) if old == value => {}
            Some(old) => drop(changes.insert(key.clone(), self::changes(old, value))),
            None => drop(changes.insert(key.clone(), value.clone())),
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        changes.insert(key.clone(), Value::Null);
    }
    Value::Object(changes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_name_what_differs_and_null_what_is_gone() {
        let before =
            json!({"same": 1, "list": [1, 2], "deep": {"same": 1, "gone": 2, "new": 3}, "gone": {"a": 1}});
        let after = json!({"same": 1, "list": [1], "deep": {"same": 1, "new": 4}});
        let expected = json!({"list": [1], "deep": {"gone": null, "new": 4}, "gone": null});
        assert_eq!(changes(&before, &after), expected);
        assert_eq!(changes(&after, &after), json!({}));
    }
}
