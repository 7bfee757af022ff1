//! The status after a reconcile. Pure, like `decide`.

pub mod conditions;
pub mod digest;
mod fields;
mod in_force;

use std::time::Duration;

use crate::{
    api::{DocSpaceBackupSchedule, LastRequest, ManagementPolicy, Status, condition, to_second},
    rules::{
        backup::{
            expected::Expected,
            judge,
            next_question::awaited,
            record::{Record, Seen},
        },
        clock::TOLERANCE,
        credentials,
        facts::{Asked, Facts},
        last_queued::LastQueued,
        memory::{Failures, is_requested},
        outcome::Kept,
        ownership::is_owner,
        reason::{Class, Reason, Verdict},
        status::{
            conditions::{ConditionState, Conditions},
            in_force::{has_moved, set_in_force},
        },
    },
    schedule::Schedule,
};

/// A verified object stays Ready this long while its portal cannot be reached.
pub const READY_LASTS: Duration = Duration::from_secs(3600);
/// After this many failures in a row, Synced turns Unknown while the object stays Ready.
const FAILURES_TOLD: u32 = 3;

/// The inputs of the status.
pub struct Report<'a> {
    /// The object as reconciled.
    pub object: &'a DocSpaceBackupSchedule,
    /// What was learnt.
    pub facts: &'a Facts<'a>,
    /// What was done.
    pub outcome: &'a Kept,
    /// The kstatus class of its verdict.
    pub class: Class,
    /// The current row of failures.
    pub failures: Option<Failures>,
}

/// Whether the status is about this generation of the object.
pub fn is_observed(object: &DocSpaceBackupSchedule) -> bool {
    let status = object.status.as_ref();
    status.is_some_and(|status| status.observed_generation == object.metadata.generation)
}

/// Whether the portal was seen to hold this generation. Then a passing failure does not turn Ready at once.
pub fn verified(object: &DocSpaceBackupSchedule) -> bool {
    let status = object.status.as_ref();
    is_observed(object) && condition(status, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Whether DocSpace has answered at the address that the spec names.
pub fn has_answered_before(object: &DocSpaceBackupSchedule) -> bool {
    let status = object.status.as_ref();
    let accepted = condition(status, "CredentialsValid").is_some_and(|valid| {
        valid.status == "True" && valid.observed_generation == object.metadata.generation
    });
    accepted
        || verified(object)
        || is_owner(object)
        || status.is_some_and(|status| !has_moved(object, status))
}

impl Report<'_> {
    /// The status to write (equal to the current one if nothing changed), and what was seen of backups.
    pub fn status(&self) -> (Status, Seen) {
        let before = self.object.status.clone().unwrap_or_default();
        let mut status = if self.is_blip() {
            self.blip(before)
        } else if self.outcome.verdict.reason == Reason::Suspended {
            self.suspended(before)
        } else {
            self.looked(before)
        };
        let seen = self.set_fresh(&mut status);
        self.renew_secret_versions(&mut status);
        (status, seen)
    }

    /// Records the present versions of the storage Secrets, which have the applied values, if the status is written
    /// anyway.
    fn renew_secret_versions(&self, status: &mut Status) {
        let is_written = self.object.status.as_ref() != Some(status);
        if is_written
            && self.outcome.verdict.reason == Reason::InSync
            && let Some(applied) = &mut status.applied
        {
            applied.secrets.clone_from(&self.facts.secret_versions);
        }
    }

    /// Whether this is a short passing failure of a verified object's portal.
    fn is_blip(&self) -> bool {
        let reason = self.outcome.verdict.reason;
        let recent = |failures: Failures| {
            self.facts.local_now.duration_since(failures.since).unsigned_abs() < READY_LASTS
        };
        reason.rule().passing
            && verified(self.object)
            && self.outcome.request.is_none()
            && self.synced(reason) == "Unknown"
            && match reason {
                Reason::Verifying => self.facts.drift.is_settling(),
                _ => self.failures.is_some_and(recent),
            }
    }

    fn looked(&self, mut status: Status) -> Status {
        let verdict = &self.outcome.verdict;
        status.observed_generation = self.object.metadata.generation;
        let Self {
            object,
            facts,
            outcome,
            ..
        } = *self;
        fields::echo(object, &mut status);
        fields::identity(object, facts, &mut status);
        fields::schedule(object, facts, outcome, &mut status);
        let hidden = &self.facts.hidden_params | &status.hidden_params();
        status.hidden_params = hidden.into_iter().map(Into::into).collect();
        fields::unconfirmed(facts, outcome, &mut status);
        fields::drift(facts, outcome, &mut status);
        fields::corrections(object, facts, outcome, &mut status);
        fields::removals(facts, outcome, &mut status);
        self.set_conditions(&mut status, verdict);
        if let Some(request) = &self.outcome.request {
            status.last_request = Some(LastRequest {
                time: to_second(request.time.0),
                ..request.clone()
            });
        }
        if verdict.reason == Reason::InSync
            && let Some(request) = &mut status.last_request
        {
            // The portal shows the written schedule.
            request.outcome_unknown = false;
        }
        status
    }

    /// A request (requestedAt) is answered also when the check fails: Synced then tells, while Ready stays.
    fn blip(&self, mut status: Status) -> Status {
        let requested = is_requested(self.object);
        let lasts = self
            .failures
            .is_some_and(|failures| failures.count >= FAILURES_TOLD);
        if requested || lasts {
            let verdict = &self.outcome.verdict;
            self.conditions(&mut status)
                .set("Synced", ConditionState::of("Unknown", verdict));
        }
        if requested {
            fields::echo(self.object, &mut status);
            // Another process must know what was asked for.
            fields::schedule(self.object, self.facts, self.outcome, &mut status);
            fields::drift(self.facts, self.outcome, &mut status);
        }
        fields::identity(self.object, self.facts, &mut status);
        status
    }

    fn suspended(&self, mut status: Status) -> Status {
        let verdict = &self.outcome.verdict;
        let now = Schedule::without_secrets(&self.object.spec).shown_as_applied();
        let as_applied = self
            .facts
            .ownership
            .ours()
            .is_some_and(|applied| applied.schedule == now);
        status.observed_generation = self.object.metadata.generation;
        if !as_applied {
            let mut conditions = self.conditions(&mut status);
            for kind in ["Reconciling", "Stalled", "Synced"] {
                conditions.remove(kind);
            }
            conditions.set("Ready", ConditionState::of("Unknown", verdict));
        }
        let suspended = ConditionState::of("True", verdict);
        self.conditions(&mut status).set("Suspended", suspended);
        status
    }

    fn conditions<'a>(&self, status: &'a mut Status) -> Conditions<'a> {
        Conditions {
            list: &mut status.conditions,
            generation: self.object.metadata.generation,
            now: self.facts.local_now,
        }
    }

    fn set_conditions(&self, status: &mut Status, verdict: &Verdict) {
        self.set_credentials(status, verdict);
        let mut conditions = self.conditions(status);
        let class = self.class;
        let ready = if class == Class::Ready { "True" } else { "False" };
        conditions.set("Ready", ConditionState::of(ready, verdict));
        for (kind, when) in [("Reconciling", Class::Retrying), ("Stalled", Class::Stalled)] {
            if class == when {
                conditions.set(kind, ConditionState::of("True", verdict));
            } else {
                conditions.remove(kind);
            }
        }
        let synced = ConditionState::of(self.synced(verdict.reason), verdict);
        conditions.set("Synced", synced);
        conditions.remove("Suspended");
    }

    fn synced(&self, reason: Reason) -> &'static str {
        let wanted = self.facts.wanted.as_ref().and_then(|wanted| wanted.as_ref().ok());
        match (reason, &self.facts.held, wanted) {
            (Reason::OutcomeUnknown | Reason::Verifying, ..) => "Unknown",
            (_, Asked::Answered(held), Some(wanted)) => {
                let equal = wanted
                    .difference(held.as_ref().map(|held| &held.schedule))
                    .is_empty();
                if equal { "True" } else { "False" }
            }
            _ => "Unknown",
        }
    }

    fn set_credentials(&self, status: &mut Status, verdict: &Verdict) {
        let judge = credentials::Judge {
            credentials: verdict.reason.rule().credentials,
            verdict,
            accepted: matches!(self.facts.held, Asked::Answered(_)),
            credential: self
                .facts
                .identity
                .as_ref()
                .and_then(|identity| identity.credential.as_ref()),
            exchanged: self.facts.key_exchanged,
            before: condition(Some(status), "CredentialsValid"),
            status,
            writes: self.object.spec.management_policy == ManagementPolicy::Enforce,
            now: self.facts.now,
        };
        if let Some(valid) = judge.valid() {
            self.conditions(status).set("CredentialsValid", valid);
        }
    }

    /// Sets BackupFresh and the fields of backups.
    fn set_fresh(&self, status: &mut Status) -> Seen {
        let facts = self.facts;
        let mut record = if has_moved(self.object, status) {
            Record::default()
        } else {
            facts.record.clone()
        };
        status.clock_offset_seconds = clock_offset(facts, status);
        let storage_before = status.in_force.as_ref().map(|before| before.storage_type.clone());
        set_in_force(self.object, facts, status);
        if let Some(in_force) = &status.in_force
            && storage_before.is_some_and(|before| before != in_force.storage_type)
        {
            record.change_storage();
        }
        let expected = Expected::of(self.object, status);
        if let Ok(expected) = &expected {
            let awaited = awaited(expected, &record, facts);
            record.absorb(facts, expected, awaited);
        }
        let last = LastQueued::shown(status.observed.as_ref());
        let judged = judge(expected.as_ref().map_err(|why| *why), &record, last, facts.now);
        self.conditions(status).set("BackupFresh", judged);

        let held = expected.ok().filter(|_| last != LastQueued::NoSchedule);
        let starts = held.and_then(|expected| {
            let starts = expected.times.portal_starts(last.time(), facts.now)?;
            // The clock was reset by the write, so the backup cannot be due before it.
            Some(match last {
                LastQueued::At(_) => starts,
                LastQueued::Never | LastQueued::NoSchedule => starts.max(expected.since),
            })
        });
        status.next_backup_time = starts.map(to_second);
        record.keep(status)
    }
}

/// The portal's clock offset; small changes are no news.
fn clock_offset(facts: &Facts<'_>, status: &Status) -> Option<i64> {
    let before = status.clock_offset_seconds;
    let now = facts.clock.large_offset()?;
    before
        .filter(|before| before.abs_diff(now) <= TOLERANCE.as_secs().unsigned_abs())
        .or(Some(now))
}

#[cfg(test)]
mod tests;
