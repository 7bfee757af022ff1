//! Keeps every `DocSpaceBackupSchedule` and its portal in step. One reconcile, in this order:
//!
//! 1. **observe** ([`mod@observe`], [`mod@ask`]): learn the facts that step 2 asks for.
//! 2. **decide** ([`mod@decide`]): name one plan, from facts alone. Rules of their own: who removed a schedule
//!    ([`mod@removal`]), and which evidence of backups is worth a call ([`fresh::needs`]).
//! 3. **act** ([`mod@act`]): at most one write to the portal, then a look at what it did.
//! 4. **report** ([`mod@report`]): one status patch, and only when something changed; Events ([`mod@foretell`]). What
//!    BackupFresh says is judged in [`mod@fresh`], what CredentialsValid says in [`mod@key`].
//!
//! [`mod@reason`] holds the one table from reasons to conditions, [`mod@pace`] says when to look again. A portal's bad
//! answer is a fact that is reported; only Kubernetes' own failures are errors here.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use kube::{
    Resource, ResourceExt,
    api::PatchParams,
    runtime::{controller::Action, reflector::ObjectRef},
};

use crate::{
    api::{DocSpaceBackupSchedule, Status},
    controller::{
        act::act,
        context::Context,
        error::{Error, Failed},
        index::slot::{Guarded, key_of},
        invalid, log,
        metrics::{KubeOperation, ReconcileResult},
        observe::Look,
        patch,
        publish::publish,
    },
    error::chain,
    rules::{
        backup::{expected::Expected, record::Record},
        decide::{decide, removed_by_portal::month},
        events,
        facts::Asked,
        memory::{Memory, Trigger, digest},
        note::Note,
        outcome::Deed,
        plan::{Plan, Step},
        reason::{Class, Reason},
        recall::is_requested,
        retry::{Pace, after_start, backoff},
        status::{Report, is_passing, verified},
    },
};

/// The portal's clock and the operator's may differ by this much.
const CLOCK_TOLERANCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

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
    let began = Instant::now();
    let memory = context.memory(&object.uid().unwrap_or_default());
    let mut memory = memory.lock().await;
    let (this, remembered) = (&context, &mut *memory);
    let work = move || async move {
        match &object.0 {
            Ok(object) => this.reconcile_valid(object, remembered, began).await,
            Err(object) => invalid::reconcile(this, object, remembered, began)
                .await
                .map_err(Error::from),
        }
    };
    match context.in_turn(work).await {
        Ok(action) => Ok(action),
        Err(Error::Superseded) => Ok(Action::requeue(Duration::ZERO)),
        Err(Error::OthersFirst(wait)) => Ok(Action::requeue(wait)),
        Err(error) => {
            if !matches!(error, Error::Stopping) {
                context
                    .metrics
                    .reconciled(ReconcileResult::Failed, began.elapsed());
            }
            // What a read of a Secret failed with is counted where it is read.
            if let Error::Kubernetes(error) = &error {
                context.metrics.refused(KubeOperation::Reconcile, error);
            }
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

/// What came of a look.
struct Looked {
    /// When to look again.
    action: Action,
    /// It was no failure of the portal that passes: what the object claims is known by now.
    is_definite: bool,
}

impl Looked {
    /// Nothing more is to be done.
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
        let (key, trigger) = (key_of(object), self.trigger(object));
        let interval = self.interval(object);
        let waiting = self.objects.waiting(&key);
        let at_once = trigger.deleting || is_requested(object) || !waiting.is_empty();
        if memory.seen.is_none() && verified(object) && !at_once {
            // After a start, looks at what was in order are spread.
            let status = object.status.clone().unwrap_or_default();
            let wait = after_start(object, &status, interval, jiff::Timestamp::now());
            memory.next_look = Instant::now().checked_add(wait);
            memory.seen = Some(trigger.clone());
        }
        match memory.not_yet(&trigger, Instant::now()) {
            Some(left) if waiting.is_empty() => return Ok(Action::requeue(left)),
            _ => {}
        }
        let outcome = self.look_at(object, memory, trigger, began).await?;
        memory.lets_others_go_first_since = None;
        self.objects.stop_waiting(&key);
        if outcome.is_definite {
            self.objects.settle(object, &waiting);
            self.wake(waiting.into_iter().collect());
            if !self.objects.waiting(&key).is_empty() {
                self.wake(vec![key]);
            }
        }
        Ok(outcome.action)
    }

    /// Observes, decides, acts and reports.
    async fn look_at(
        &self,
        object: &DocSpaceBackupSchedule,
        memory: &mut Memory,
        mut trigger: Trigger,
        began: Instant,
    ) -> Result<Looked, Error> {
        let interval = self.interval(object);
        let lock = self.objects.lock(object);
        let slot = lock.lock().await;
        trigger.slot = self.objects.standing(object);
        let mut look = Look::new(self, object, memory, &trigger);
        look.let_others_go_first()?;
        let plan = loop {
            match decide(&look.facts) {
                Step::Ask(need) => look.learn(need).await?,
                Step::Do(plan) => break plan,
            }
        };
        if trigger.deleting && matches!(plan, Plan::Nothing) {
            return Ok(Looked::for_good());
        }
        tracing::debug!(
            name = object.name_any(),
            namespace = object.namespace(),
            %plan,
            "decided"
        );
        let deed = act(&mut look, plan).await?;
        if deed.released {
            drop(slot);
            log::released(object, &deed);
            self.metrics
                .reconciled(ReconcileResult::Released, began.elapsed());
            self.tell(object, deed.notes).await;
            self.wake(self.objects.others(&key_of(object)));
            return Ok(Looked::for_good());
        }
        trigger.slot = look.facts.slot.clone();
        let rule = deed.verdict.reason.rule();
        let action = self.report(look, deed, trigger, interval).await?;
        self.metrics.reconciled(rule.class.into(), began.elapsed());
        Ok(Looked {
            action,
            is_definite: !rule.passing,
        })
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
            deed: &deed,
            failures,
        };
        let (status, seen) = report.status();
        let mut notes = events::notes(object, &facts, &deed, &status);
        if let Asked::Answered(bill) = facts.bill {
            let told = memory.bill_told.replace((month(facts.now), bill.free));
            notes.extend(events::free_backups_low(bill).filter(|_| told != memory.bill_told));
        }
        memory.learn(&facts);
        if !memory.clock_reported && memory.skew.abs() > CLOCK_TOLERANCE {
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
        if patched.is_err() {
            // What was learnt of the key and the portal is not written, and is to be learnt again.
            memory.identity_at = None;
        }
        let Some(newest) = patched? else {
            return Ok(Action::await_change());
        };
        // By now others see what is in force here: of two that come at once, one sees the other.
        let foretold = self.foretold(object, &status).into_iter().collect();
        self.tell(object, foretold).await;
        memory.seen = Some(Trigger {
            status: digest(newest.status.as_ref()),
            ..trigger
        });
        memory.kubernetes_failures = 0;
        // What was asked for and has to wait is still asked for.
        memory.requested = facts.requested && reason.rule().class == Class::Retrying;
        let record = Record::of(&status, Some(&seen));
        memory.seen_backups = Some(seen);
        let pace = Pace {
            interval,
            failures,
            deed: &deed,
            facts: &facts,
            object,
            status: &status,
            record: &record,
            standstills: memory.standstills,
        };
        let wait = pace.wait();
        if before != status {
            log::decided(object, &deed, &before, &status, wait);
        }
        memory.next_look = Instant::now().checked_add(wait);
        Ok(Action::requeue(wait))
    }

    /// Two objects of one portal at one hour, when one of them comes into force.
    fn foretold(&self, object: &DocSpaceBackupSchedule, status: &Status) -> Option<Note> {
        let before = object.status.as_ref().and_then(|status| status.in_force.as_ref());
        if before == status.in_force.as_ref() {
            return None;
        }
        let expected = Expected::of(object, status).ok()?;
        let other = self.objects.at_same_hour(object, &expected)?;
        Some(events::same_hour(&other))
    }

    /// Patches the status where it changed; `None` when the object is gone, also where another has its name by now.
    async fn patch_status(
        &self,
        object: &DocSpaceBackupSchedule,
        before: &Status,
        status: &Status,
    ) -> Result<Option<DocSpaceBackupSchedule>, Error> {
        if before == status {
            return Ok(Some(object.clone()));
        }
        let was = serde_json::to_value(object.status.as_ref()).unwrap_or_default();
        let is = serde_json::to_value(status).unwrap_or_default();
        // What Kubernetes keeps only in part, such as fractions of seconds, is no change.
        if was == is {
            return Ok(Some(object.clone()));
        }
        let (api, name) = (self.api(object), object.name_any());
        let patch = patch::of_status(&object.metadata, &was, &is);
        match api.patch_status(&name, &PatchParams::default(), &patch).await {
            Ok(patched) => {
                self.objects.wrote(patched.clone());
                Ok(Some(patched))
            }
            Err(error) if patch::met_another(&api, &object.metadata, &error).await? => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn tell(&self, object: &DocSpaceBackupSchedule, notes: Vec<Note>) {
        join_all(
            notes
                .into_iter()
                .map(|note| publish(&self.client, &self.metrics, object.object_ref(&()), note)),
        )
        .await;
    }
}
