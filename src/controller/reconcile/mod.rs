//! One reconcile of a `DocSpaceBackupSchedule`, in four steps:
//!
//! 1. **Observe** ([`Observation`]): learn the facts that step 2 asks for.
//! 2. **Decide** ([`decide`]): name the next fact to learn, or a plan. It sees facts only.
//! 3. **Act** ([`act`]): at most one write to the portal, then a GET that shows what it did.
//! 4. **Publish** ([`mod@crate::controller::publish`]): one status patch, and only if something changed; Events.
//!
//! A portal's failure is a fact that the status reports. Only failures of Kubernetes are errors here.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef},
};

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        act::act,
        context::{Context, pace},
        error::{Error, Failed},
        index::{SlotGuard, slot::key_of},
        invalid, log,
        metrics::{KubeOperation, ReconcileResult},
        observe::Observation,
        watched::Guarded,
    },
    error::chain,
    rules::{
        decide::{decide, deletion::DELETION_PATIENCE},
        facts::Deletion,
        memory::{Memory, Trigger, is_requested},
        outcome::Outcome,
        ownership::{enforces, may_be_at},
        plan::{Plan, Step},
        retry::{after_start, backoff},
        status::verified,
    },
};

/// Reconciles one object, unless nothing changed and no check is due.
///
/// # Errors
/// Failures of Kubernetes.
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
    let Some(object) = context.index.newest(&ObjectRef::from_obj(&*object)) else {
        return Ok(Action::await_change());
    };
    let began = Instant::now();
    let memory = context.memory(&object.uid().unwrap_or_default());
    let mut memory = memory.lock().await;
    let (namespace, hung) = (object.namespace().unwrap_or_default(), memory.hung);
    let (this, watched, remembered) = (&context, &object, &mut *memory);
    let work = move || async move {
        match &watched.object {
            Ok(object) => this.reconcile_valid(object, remembered, began).await,
            Err(invalid) => invalid::reconcile(this, (invalid, watched.bytes), remembered, began)
                .await
                .map_err(Error::from),
        }
    };
    // A fault at one object is no fault at others.
    let turn = context.turns.take(&namespace, hung, work);
    let ended = AssertUnwindSafe(turn).catch_unwind().await;
    match ended.unwrap_or(Err(Error::Panicked)) {
        Ok(action) => Ok(action),
        Err(Error::Superseded) => Ok(Action::requeue(Duration::ZERO)),
        Err(Error::OthersFirst(wait)) => {
            // The look did not end, so it is still due.
            memory.next_look = None;
            Ok(Action::requeue(wait))
        }
        Err(error) => {
            let result = match &error {
                Error::Stopping => None,
                Error::Panicked => Some(ReconcileResult::Panicked),
                _ => Some(ReconcileResult::Failed),
            };
            if let Some(result) = result {
                context.metrics.reconciled(result, began.elapsed());
            }
            // Failed reads of Secrets are counted where they are read.
            if let Error::Kubernetes(error) = &error {
                context.metrics.refused(KubeOperation::Reconcile, error);
            }
            if matches!(error, Error::Panicked) {
                memory.forget_after_a_fault();
                // In a box, because thousands of reconciles may be queued.
                Box::pin(tell_fault(&context, &object)).await;
            }
            memory.kubernetes_failures += 1;
            let retry = backoff(memory.kubernetes_failures, pace(context.settings.interval));
            Err(Failed { error, retry })
        }
    }
}

/// Tells the user of the object that its reconcile panicked.
async fn tell_fault(context: &Context, object: &Guarded) {
    let told = AssertUnwindSafe(invalid::report_fault(context, object));
    if let Ok(Err(error)) = told.catch_unwind().await {
        context.metrics.refused(KubeOperation::Reconcile, &error);
        let (name, namespace) = (object.name_any(), object.namespace());
        tracing::warn!(
            name,
            namespace,
            error = chain(&error),
            "the fault could not be reported on the object"
        );
    }
}

/// Retries failures of Kubernetes at growing intervals.
pub fn error_policy(object: Arc<Guarded>, failed: &Failed, _: Arc<Context>) -> Action {
    let (name, namespace) = (object.name_any(), object.namespace());
    match &failed.error {
        Error::Stopping => tracing::debug!(
            name,
            namespace,
            "reconcile dropped because the operator is stopping"
        ),
        error => {
            tracing::warn!(name, namespace, error = chain(error), retry = ?failed.retry, "reconcile failed")
        }
    }
    Action::requeue(failed.retry)
}

/// The result of a reconcile.
struct Reconciled {
    /// When to check again.
    action: Action,
    /// It did not end with a passing failure of the portal, so the object's claim is known now.
    is_definite: bool,
}

impl Reconciled {
    /// Nothing more to do.
    fn for_good() -> Self {
        Self {
            action: Action::await_change(),
            is_definite: true,
        }
    }
}

impl Context {
    async fn reconcile_valid(
        &self,
        object: &DocSpaceBackupSchedule,
        memory: &mut Memory,
        began: Instant,
    ) -> Result<Action, Error> {
        // Until the watch tells its end, others may wake it.
        if memory.released {
            return Ok(Action::await_change());
        }
        let (key, trigger) = (key_of(object), self.trigger(object));
        let interval = self.interval(object);
        let waiting = self.index.waiting(&key);
        let lacks_finalizer = !trigger.finalizer && may_be_at(object).is_some();
        let at_once = trigger.deleting || is_requested(object) || !waiting.is_empty() || lacks_finalizer;
        if memory.seen.is_none() && verified(object) && !at_once {
            // After a start, checks of objects in order are spread.
            let status = object.status.clone().unwrap_or_default();
            let wait = after_start(object, &status, pace(interval));
            memory.next_look = Instant::now().checked_add(wait);
            memory.seen = Some(trigger.clone());
        }
        match memory.not_yet(&trigger, Instant::now()) {
            Some(left) if waiting.is_empty() => return Ok(Action::requeue(left)),
            _ => {}
        }
        if let Some(left) = memory.secrets_only(&trigger, Instant::now()) {
            if Observation::has_same_secrets(self, object, memory).await && waiting.is_empty() {
                memory.seen = Some(trigger);
                return Ok(Action::requeue(left));
            }
            // A new key may be welcome where the old one was not.
            memory.asked_to_wait = None;
        }
        if let Some(left) = memory
            .request_waits(&trigger, Instant::now())
            .filter(|_| waiting.is_empty())
        {
            return Ok(Action::requeue(left));
        }
        if is_requested(object) {
            memory.requested_look = Some(Instant::now());
        }
        let outcome = self.reconcile_now(object, memory, trigger, began).await?;
        memory.lets_others_go_first_since = None;
        self.index.stop_waiting(&key);
        if outcome.is_definite {
            self.index.examined(object, &waiting);
            self.wake(waiting.into_iter().collect());
            if !self.index.waiting(&key).is_empty() {
                self.wake(vec![key]);
            }
        }
        Ok(outcome.action)
    }

    /// Observes, decides, acts and publishes.
    async fn reconcile_now(
        &self,
        object: &DocSpaceBackupSchedule,
        memory: &mut Memory,
        mut trigger: Trigger,
        began: Instant,
    ) -> Result<Reconciled, Error> {
        let interval = self.interval(object);
        // What Kubernetes did not take of the last status still holds.
        let unwritten = memory.unwritten.as_ref().map(|status| {
            Box::new(DocSpaceBackupSchedule {
                status: Some((**status).clone()),
                ..object.clone()
            })
        });
        let actual = object;
        let object = unwritten.as_deref().unwrap_or(object);
        let slot = self.lock_slot(object, memory).await;
        trigger.slot = self.index.standing(object);
        let mut observation = Observation::new(self, [object, actual], memory, &trigger);
        // The owner is not held up before it writes.
        if observation.facts.owned().is_none() {
            observation.let_others_go_first()?;
        }
        let plan = loop {
            match decide(&observation.facts) {
                Step::Ask(need) => observation.learn(need).await?,
                Step::Do(plan) => break plan,
            }
        };
        if trigger.deleting && matches!(plan, Plan::Nothing) {
            return Ok(Reconciled::for_good());
        }
        tracing::debug!(
            name = object.name_any(),
            namespace = object.namespace(),
            %plan,
            "decided"
        );
        let kept = match act(&mut observation, plan).await? {
            Outcome::Kept(kept) => kept,
            Outcome::Released { request, notes } => {
                drop(slot);
                memory.released = true;
                log::released(object, request.as_ref());
                self.metrics
                    .reconciled(ReconcileResult::Released, began.elapsed());
                self.publish_events(object, notes).await;
                self.wake(self.index.others(&key_of(object)));
                return Ok(Reconciled::for_good());
            }
        };
        trigger.slot = observation.facts.slot.clone();
        trigger.finalizer = observation.facts.finalizer;
        let passing = kept.verdict.reason.rule().passing;
        let (action, class) = self.publish(observation, kept, trigger, interval).await?;
        self.metrics.reconciled(class.into(), began.elapsed());
        Ok(Reconciled {
            action,
            is_definite: !passing,
        })
    }

    /// The lock of the object's slot. Observers need none, because they write nothing. A deletion does not wait longer
    /// than for its portal.
    async fn lock_slot(&self, object: &DocSpaceBackupSchedule, memory: &mut Memory) -> Option<SlotGuard> {
        if !enforces(&object.spec) {
            return None;
        }
        let lock = self.index.lock(object).lock();
        if object.metadata.deletion_timestamp.is_none() {
            return Some(lock.await);
        }
        let now = Timestamp::now();
        let deletion = memory.deletion.get_or_insert_with(|| Deletion::begins(now));
        let left = DELETION_PATIENCE - now.duration_since(deletion.since);
        let guard = tokio::time::timeout(left.try_into().unwrap_or_default(), lock)
            .await
            .ok();
        deletion.locked_out = guard.is_none();
        guard
    }
}

#[cfg(test)]
mod tests;
