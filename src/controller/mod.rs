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
    memory::{Memory, Trigger, backoff, digest, spread},
    objects::{Guarded, Key, Objects, key_of},
    observe::Look,
    reason::{Class, Reason},
    report::{READY_LASTS, Report, is_passing, verified},
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
pub const WRITE_GRACE: Duration = Duration::from_secs(8);
/// A portal is looked at no more often than this,
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);
/// and no less often than this.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 3600);
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
    /// By the namespace that a controller watches, or `None` for all.
    triggers: HashMap<Option<String>, mpsc::UnboundedSender<Key>>,
    places: Semaphore,
    filled: watch::Receiver<bool>,
    /// The operator is being stopped: reads are dropped.
    stop: CancellationToken,
    /// Writes that were under way then have had their time.
    grace_over: CancellationToken,
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
    /// The object changed while it was looked at; it is looked at again.
    #[error("the object has changed meanwhile")]
    Superseded,
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
    let mut filled = context.filled.clone();
    let filled = context
        .stop
        .run_until_cancelled(filled.wait_for(|filled| *filled))
        .await;
    if !matches!(filled, Some(Ok(_))) {
        return Err(Failed {
            error: Error::Stopping,
            retry: Duration::ZERO,
        });
    }
    drop(filled);
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
        Err(Error::Superseded) => Ok(Action::requeue(Duration::ZERO)),
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
        let mut trigger = self.trigger(object);
        let interval = self.interval(object);
        if memory.seen.is_none() && !trigger.deleting && verified(object) && !is_requested(object) {
            // After a start, looks at what was in order are spread over an interval.
            memory.next_look = Instant::now().checked_add(interval.mul_f64(fastrand::f64()));
            memory.seen = Some(trigger.clone());
        }
        if let Some(left) = memory.not_yet(&trigger, Instant::now()) {
            return Ok(Action::requeue(left));
        }

        let lock = self.objects.lock(object);
        let slot = lock.lock().await;
        trigger.slot = self.objects.standing(object);
        let mut look = Look::new(self, object, memory, &trigger);
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
            self.wake(self.objects.others(&key_of(object)));
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
            status: digest(newest.status.as_ref()),
            ..trigger
        });
        memory.kubernetes_failures = 0;
        // What was asked for and has to wait is still asked for.
        memory.requested = facts.requested && reason.rule().class == Class::Retrying;
        let mut wait = match failures {
            Some(failures) => backoff(failures.count, interval),
            None => spread(interval),
        };
        // A long wait is for writes; a look that is due tells that Ready no longer holds.
        let longest = if deed.request.is_some() {
            LONGEST_INTERVAL
        } else {
            READY_LASTS
        };
        wait = wait.max(deed.verdict.retry_after.unwrap_or_default().min(longest));
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
        let stopped = || PortalError {
            failure: Failure::TimedOut,
            status: None,
            message: "The operator was stopped before the portal answered".into(),
            date: None,
            retry_after: None,
        };
        self.grace_over
            .run_until_cancelled(call)
            .await
            .unwrap_or_else(|| Err(stopped()))
    }

    /// How often the object's portal is looked at; kept within bounds where an older CRD did not.
    fn interval(&self, object: &DocSpaceBackupSchedule) -> Duration {
        let own = object.spec.interval.filter(|interval| !interval.is_negative());
        own.map_or(self.settings.interval, |own| {
            Duration::from(own).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
        })
    }

    fn memory(&self, uid: &str) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.entry(uid.into()).or_default().clone()
    }

    /// Forgets an object that is gone, and wakes those that waited for its slot.
    fn forget(&self, key: &Key, uid: Option<&str>) {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        uid.map(|uid| memories.remove(uid));
        drop(memories);
        self.wake(self.objects.forget(key));
    }

    /// After a watch has listed anew: what was missed meanwhile is looked at, or forgotten.
    fn relisted(&self, scope: Option<&str>) {
        let in_scope = |key: &Key| scope.is_none() || key.namespace.as_deref() == scope;
        for key in self.objects.keys().into_iter().filter(in_scope) {
            if self.objects.is_there(&key) {
                self.wake(vec![key]);
            } else {
                self.forget(&key, None);
            }
        }
    }

    fn trigger(&self, object: &DocSpaceBackupSchedule) -> Trigger {
        let versions = secrets::names(&object.spec).map(|name| self.secret_version(object, name));
        Trigger::of(object, versions.collect(), self.objects.standing(object))
    }

    fn secret_version(&self, object: &DocSpaceBackupSchedule, name: &str) -> Option<String> {
        let key = ObjectRef::new(name).within(&object.namespace().unwrap_or_default());
        self.secrets
            .iter()
            .find_map(|store| store.get(&key))?
            .resource_version()
    }

    /// Has objects reconciled, if anything has changed for them.
    fn wake(&self, keys: Vec<Key>) {
        for key in keys {
            let triggers = self
                .triggers
                .get(&key.namespace)
                .or_else(|| self.triggers.get(&None));
            // A closed channel is a controller that has ended.
            let _ = triggers.map(|triggers| triggers.unbounded_send(key));
        }
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
