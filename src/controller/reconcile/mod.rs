//! One reconcile of a `DocSpaceBackupSchedule`, in four steps:
//!
//! 1. **Observe** ([`Observation`]): learn the facts that step 2 asks for.
//! 2. **Decide** ([`decide`]): name the next fact to learn, or a plan. It sees facts only.
//! 3. **Act** ([`act`]): at most one write to the portal, then a GET that shows what it did.
//! 4. **Publish** ([`mod@crate::controller::publish`]): one status patch, and only if something changed; Events.
//!
//! A portal's failure is a fact that the status reports. Only failures of Kubernetes are errors here.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures::FutureExt;
use jiff::Timestamp;
use kube::ResourceExt;
use tokio_util::sync::CancellationToken;

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        act::act,
        context::{Context, pace},
        error::Error,
        index::SlotGuard,
        invalid,
        key::Key,
        log,
        metrics::{KubeOperation, ReconcileResult},
        observe::Observation,
        queue::Next,
        turns::unless_crowded,
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
        retry::{after_kubernetes, after_start},
        status::is_observed,
    },
};

/// Reconciles one object, unless nothing changed and no check is due.
pub async fn reconcile(key: Key, context: Arc<Context>) -> Next {
    let began = Instant::now();
    let hung = context.memory(&key).lock().await.hung;
    let (this, of) = (&context, &key);
    let work = move |crowded: CancellationToken| async move {
        // Not the one of before the turn: the object may be another one of the same name by now.
        let memory = this.memory(of);
        let mut memory = memory.lock().await;
        this.reconcile_in_turn(of, &mut memory, (began, &crowded)).await
    };
    context.turns.take(key.namespace(), hung, work).await
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

/// The result of a reconcile.
struct Reconciled {
    /// When to check again.
    next: Next,
    /// It did not end with a passing failure of the portal, so the object's claim is known now.
    is_definite: bool,
}

impl Reconciled {
    /// Nothing more to do.
    fn for_good() -> Self {
        Self {
            next: Next::Change,
            is_definite: true,
        }
    }
}

impl Context {
    async fn reconcile_in_turn(
        &self,
        key: &Key,
        memory: &mut Memory,
        (began, crowded): (Instant, &CancellationToken),
    ) -> Next {
        let Some(object) = self.index.newest(key) else {
            // It may have ended before its memory was asked for.
            self.forget_memory(key);
            return Next::Change;
        };
        let (watched, remembered) = (&object, &mut *memory);
        let work = async move {
            match &watched.object {
                Ok(object) => self.reconcile_valid(object, remembered, (began, crowded)).await,
                Err(invalid) => invalid::reconcile(self, (invalid, watched.bytes), remembered, began)
                    .await
                    .map_err(Error::from),
            }
        };
        // A fault at one object is no fault at others.
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        match ended.unwrap_or(Err(Error::Panicked)) {
            Ok(next) => next,
            Err(error) => self.failed(&object, memory, began, error).await,
        }
    }

    /// What follows an error. Failures of Kubernetes are retried at growing intervals.
    async fn failed(&self, object: &Guarded, memory: &mut Memory, began: Instant, error: Error) -> Next {
        let (name, namespace) = (object.name_any(), object.namespace());
        let result = match &error {
            Error::Superseded => {
                self.wake(vec![Key::of(object)]);
                return Next::Change;
            }
            Error::Crowded => {
                // Begun again, among those whose portal hung.
                (memory.next_look, memory.hung) = (None, true);
                self.wake(vec![Key::of(object)]);
                return Next::Change;
            }
            Error::OthersFirst(wait) => {
                // The look did not end, so it is still due.
                memory.next_look = None;
                return Next::After(*wait);
            }
            Error::Stopping => {
                tracing::debug!(
                    name,
                    namespace,
                    "reconcile dropped because the operator is stopping"
                );
                return Next::Change;
            }
            Error::Panicked => ReconcileResult::Panicked,
            _ => ReconcileResult::Failed,
        };
        self.metrics.reconciled(result, began.elapsed());
        // Failed reads of Secrets are counted where they are read.
        if let Error::Kubernetes(error) = &error {
            self.metrics.refused(KubeOperation::Reconcile, error);
        }
        if matches!(error, Error::Panicked) {
            memory.forget_after_a_fault();
            tell_fault(self, object).await;
        }
        let retry = after_kubernetes(memory, pace(self.settings.interval));
        tracing::warn!(name, namespace, error = chain(&error), ?retry, "reconcile failed");
        Next::After(retry)
    }

    async fn reconcile_valid(
        &self,
        object: &DocSpaceBackupSchedule,
        memory: &mut Memory,
        (began, crowded): (Instant, &CancellationToken),
    ) -> Result<Next, Error> {
        // Until the watch tells its end, others may wake it.
        if memory.released {
            return Ok(Next::Change);
        }
        let (key, trigger) = (Key::of(object), self.trigger(object));
        let interval = self.interval(object);
        let waiting = self.index.waiting(&key);
        let lacks_finalizer = !trigger.finalizer && may_be_at(object).is_some();
        let at_once = trigger.deleting || is_requested(object) || !waiting.is_empty() || lacks_finalizer;
        if memory.seen.is_none() && !at_once && is_observed(object) {
            // After a start, checks of known objects are spread; the new and the changed come first.
            let wait = after_start(object, pace(interval));
            memory.next_look = Instant::now().checked_add(wait);
            memory.seen = Some(trigger);
            return Ok(Next::After(wait));
        }
        match memory.not_yet(&trigger, Instant::now()) {
            Some(left) if waiting.is_empty() => return Ok(Next::After(left)),
            _ => {}
        }
        if let Some(left) = memory.secrets_only(&trigger, Instant::now()) {
            if Observation::has_same_secrets(self, object, memory).await && waiting.is_empty() {
                memory.seen = Some(trigger);
                return Ok(Next::After(left));
            }
            // A new key may be welcome where the old one was not.
            memory.asked_to_wait = None;
        }
        if let Some(left) = memory
            .request_waits(&trigger, Instant::now())
            .filter(|_| waiting.is_empty())
        {
            return Ok(Next::After(left));
        }
        if is_requested(object) {
            memory.requested_look = Some(Instant::now());
        }
        // In a box, because most reconciles end before it.
        let work = self.reconcile_now(object, memory, trigger, (began, crowded));
        let outcome = Box::pin(work).await?;
        memory.lets_others_go_first_since = None;
        self.index.stop_waiting(&key);
        if outcome.is_definite {
            self.index.examined(object, &waiting);
            self.wake(waiting.into_iter().collect());
            if !self.index.waiting(&key).is_empty() {
                self.wake(vec![key]);
            }
        }
        Ok(outcome.next)
    }

    /// Observes, decides, acts and publishes.
    async fn reconcile_now(
        &self,
        object: &DocSpaceBackupSchedule,
        memory: &mut Memory,
        mut trigger: Trigger,
        (began, crowded): (Instant, &CancellationToken),
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
        let lock = self.lock_slot(object, memory);
        let slot = unless_crowded(crowded, lock).await.ok_or(Error::Crowded)?;
        trigger.slot = self.index.standing(object);
        let mut observation = Observation::new(self, [object, actual], memory, (&trigger, crowded));
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
            Outcome::NotFound => {
                return Ok(Reconciled {
                    next: Next::After(after_kubernetes(memory, pace(interval))),
                    ..Reconciled::for_good()
                });
            }
            Outcome::Released { request, notes } => {
                drop(slot);
                log::released(object, request.as_ref());
                self.metrics
                    .reconciled(ReconcileResult::Released, began.elapsed());
                self.publish_events(object, notes).await;
                self.wake(self.index.others(&Key::of(object)));
                return Ok(Reconciled::for_good());
            }
        };
        trigger.slot = observation.facts.slot.clone();
        trigger.finalizer = observation.facts.finalizer;
        let passing = kept.verdict.reason.rule().passing;
        let published = Box::pin(self.publish(observation, kept, trigger, interval));
        let (next, class) = published.await?;
        self.metrics.reconciled(class.into(), began.elapsed());
        Ok(Reconciled {
            next,
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
