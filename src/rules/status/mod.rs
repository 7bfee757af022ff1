//! Step 4, report: what the status says after a reconcile, and which Events tell of it. Pure, as `decide` is.

pub mod conditions;
mod fields;
mod in_force;

use std::time::Duration;

use jiff::SignedDuration;

use crate::{
    api::{DocSpaceBackupSchedule, LastRequest, ManagementPolicy, Status, condition, to_second},
    rules::{
        backup::{
            expected::Expected,
            judge,
            next_question::awaited,
            record::{Record, Seen},
        },
        credentials,
        facts::{Asked, Facts},
        memory::Failures,
        outcome::Deed,
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
/// That many failures in a row are told, while the object stays Ready.
const FAILURES_TOLD: u32 = 3;
/// A Secret may be this late before that counts as stalled.
const SECRET_PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// What a reconcile came to, as far as the status depends on it.
pub struct Report<'a> {
    /// The object as it was looked at.
    pub object: &'a DocSpaceBackupSchedule,
    /// What was learnt.
    pub facts: &'a Facts<'a>,
    /// What was done.
    pub deed: &'a Deed,
    /// The row of failures that this one ends, if it is one.
    pub failures: Option<Failures>,
}

/// Whether the portal was seen to hold this generation, so that a passing failure must not turn Ready at once.
pub fn verified(object: &DocSpaceBackupSchedule) -> bool {
    let status = object.status.as_ref();
    status.is_some_and(|status| status.observed_generation == object.metadata.generation)
        && condition(status, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Whether a failure passes by itself: then the next try is soon, and a verified object keeps its Ready for a while.
pub fn is_passing(object: &DocSpaceBackupSchedule, reason: Reason) -> bool {
    let rule = reason.rule();
    rule.passing && (rule.class == Class::Retrying || verified(object))
}

impl Report<'_> {
    /// The status to write; equal to the present one when nothing is to be written. With it, what was seen of backups.
    pub fn status(&self) -> (Status, Seen) {
        let before = self.object.status.clone().unwrap_or_default();
        let mut status = if self.is_blip() {
            self.blip(before)
        } else if self.deed.verdict.reason == Reason::Suspended {
            self.suspended(before)
        } else {
            self.looked(before)
        };
        let seen = self.set_fresh(&mut status);
        (status, seen)
    }

    /// A failure of a verified object's portal that has not lasted yet.
    fn is_blip(&self) -> bool {
        let reason = self.deed.verdict.reason;
        let recent = |failures: Failures| {
            self.facts.local_now.duration_since(failures.since).unsigned_abs() < READY_LASTS
        };
        is_passing(self.object, reason)
            && verified(self.object)
            && self.deed.request.is_none()
            && self.synced(reason) == "Unknown"
            && self.failures.is_some_and(recent)
    }

    fn looked(&self, mut status: Status) -> Status {
        let verdict = &self.deed.verdict;
        status.observed_generation = self.object.metadata.generation;
        let Self {
            object, facts, deed, ..
        } = *self;
        fields::echo(object, &mut status);
        fields::identity(object, facts, &mut status);
        fields::schedule(object, facts, deed, &mut status);
        let hidden = &self.facts.hidden_params | &status.hidden_params();
        status.hidden_params = hidden.into_iter().map(Into::into).collect();
        fields::corrections(object, facts, deed, &mut status);
        fields::removals(facts, deed, &mut status);
        self.set_conditions(&mut status, verdict);
        if let Some(request) = &self.deed.request {
            status.last_request = Some(LastRequest {
                time: to_second(request.time.0),
                ..request.clone()
            });
        }
        if verdict.reason == Reason::InSync
            && let Some(request) = &mut status.last_request
        {
            // The portal shows it.
            request.outcome_unknown = false;
        }
        status
    }

    fn blip(&self, mut status: Status) -> Status {
        if self
            .failures
            .is_some_and(|failures| failures.count >= FAILURES_TOLD)
        {
            let verdict = &self.deed.verdict;
            self.conditions(&mut status)
                .set("Synced", ConditionState::of("Unknown", verdict));
        }
        status
    }

    fn suspended(&self, mut status: Status) -> Status {
        let verdict = &self.deed.verdict;
        let as_applied = self.facts.applied.is_some_and(|applied| {
            self.facts.same_address
                && applied.schedule == Schedule::without_secrets(&self.object.spec).shown_as_applied()
        });
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
        let rule = verdict.reason.rule();
        let late =
            |failures: Failures| self.facts.local_now.duration_since(failures.since) >= SECRET_PATIENCE;
        let class = match verdict.reason {
            Reason::SecretMissing if self.failures.is_some_and(late) => Class::Stalled,
            reason if is_passing(self.object, reason) => Class::Retrying,
            _ => rule.class,
        };
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
            (Reason::InSync, ..) => "True",
            (Reason::OutcomeUnknown, ..) => "Unknown",
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
            key: self
                .facts
                .identity
                .as_ref()
                .and_then(|identity| identity.key.as_ref()),
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

    /// BackupFresh, and what it is judged by.
    fn set_fresh(&self, status: &mut Status) -> Seen {
        let facts = self.facts;
        let mut record = if has_moved(self.object, status) {
            Record::default()
        } else {
            facts.record.clone()
        };
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
        let held = status.observed.as_ref();
        let held = held.map(|held| held.last_backup_time.as_ref().map(|time| time.0));
        let judged = judge(expected.as_ref().map_err(|why| *why), &record, held, facts.now);
        self.conditions(status).set("BackupFresh", judged);

        let starts = expected.ok().zip(held).and_then(|(expected, last)| {
            let starts = expected.times.portal_starts(last, facts.now)?;
            // Due since before the write that started the clock anew.
            Some(if last.is_none() {
                starts.max(expected.since)
            } else {
                starts
            })
        });
        status.next_backup_time = starts.map(to_second);
        record.keep(status)
    }
}

#[cfg(test)]
mod tests;
