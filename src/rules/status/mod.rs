//! Step 4, report: what the status says after a reconcile, and which Events tell of it. Pure, as `decide` is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::{
        ApiKeyStatus, Applied, AppliedReason, DocSpaceBackupSchedule, InForce, LastRequest, ManagementPolicy,
        PortalStatus, REQUESTED_AT, ShownSchedule, Status, Tally, condition, to_second,
    },
    rules::{
        backup::{
            expected::{Expected, schedule_in_force},
            judge,
            next_question::awaited,
            record::{Record, Seen},
        },
        credentials,
        decide::{CONTEST_WINDOW, removed_by_portal::month},
        events,
        facts::Facts,
        memory::Failures,
        note::Note,
        outcome::Deed,
        ownership::leads_to,
        reason::{Class, Reason, Verdict},
    },
    schedule::Schedule,
};

/// A verified object stays Ready this long while its portal cannot be reached.
pub const READY_LASTS: Duration = Duration::from_secs(3600);
/// That many failures in a row are told, while the object stays Ready.
const FAILURES_TOLD: u32 = 3;
/// A time that lies this far ahead is of a clock that was wrong.
const CLOCKS_APART: SignedDuration = SignedDuration::from_hours(1);
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
        self.set_echo(&mut status);
        self.set_identity(&mut status);
        self.set_schedule(&mut status);
        let hidden = &self.facts.hidden_params | &status.hidden_params();
        status.hidden_params = hidden.into_iter().map(Into::into).collect();
        self.set_corrections(&mut status);
        self.set_removals(&mut status);
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

    /// Events: what was done, and what Ready's reason has become.
    pub fn notes(&self, status: &Status) -> Vec<Note> {
        let mut notes = self.deed.notes.clone();
        let before = condition(self.object.status.as_ref(), "Ready");
        let (Some(before), Some(now)) = (before, condition(Some(status), "Ready")) else {
            return notes;
        };
        let changed = before.reason != now.reason;
        match now.status.as_str() {
            "True" if changed && before.status == "False" && notes.is_empty() => {
                notes.push(Note::normal(&now.reason, &now.message));
            }
            "False" if changed => notes.push(Note::warning(&now.reason, &now.message)),
            _ => {}
        }
        if self.deed.applied.is_some()
            && let Some(applied) = self.facts.applied.filter(|_| !self.facts.same_address)
        {
            let text = format!(
                "The portal's address was changed; a schedule stays as it is in {}",
                applied.url
            );
            notes.push(Note::warning("ScheduleLeftBehind", text));
        }
        notes.extend(events::notes(self.object, self.facts, status));
        notes
    }

    fn blip(&self, mut status: Status) -> Status {
        if self
            .failures
            .is_some_and(|failures| failures.count >= FAILURES_TOLD)
        {
            let verdict = &self.deed.verdict;
            self.set(&mut status.conditions, "Synced", "Unknown", verdict);
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
            for kind in ["Reconciling", "Stalled", "Synced"] {
                remove(&mut status.conditions, kind);
            }
            self.set(&mut status.conditions, "Ready", "Unknown", verdict);
        }
        self.set(&mut status.conditions, "Suspended", "True", verdict);
        status
    }

    fn set_conditions(&self, status: &mut Status, verdict: &Verdict) {
        self.set_credentials(status, verdict);
        let conditions = &mut status.conditions;
        let rule = verdict.reason.rule();
        let late =
            |failures: Failures| self.facts.local_now.duration_since(failures.since) >= SECRET_PATIENCE;
        let class = match verdict.reason {
            Reason::SecretMissing if self.failures.is_some_and(late) => Class::Stalled,
            reason if is_passing(self.object, reason) => Class::Retrying,
            _ => rule.class,
        };
        let ready = if class == Class::Ready { "True" } else { "False" };
        self.set(conditions, "Ready", ready, verdict);
        for (kind, when) in [("Reconciling", Class::Retrying), ("Stalled", Class::Stalled)] {
            if class == when {
                self.set(conditions, kind, "True", verdict);
            } else {
                remove(conditions, kind);
            }
        }
        self.set(conditions, "Synced", self.synced(verdict.reason), verdict);
        remove(conditions, "Suspended");
    }

    fn synced(&self, reason: Reason) -> &'static str {
        let wanted = self.facts.wanted.as_ref().and_then(|wanted| wanted.as_ref().ok());
        match (reason, &self.facts.held, wanted) {
            (Reason::InSync, ..) => "True",
            (Reason::OutcomeUnknown, ..) => "Unknown",
            (_, Some(Ok(held)), Some(wanted)) => {
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
            accepted: matches!(self.facts.held, Some(Ok(_))),
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
        if let Some((valid, reason, message)) = judge.valid() {
            self.put(
                &mut status.conditions,
                "CredentialsValid",
                valid,
                &reason,
                &message,
            );
        }
    }

    /// BackupFresh, and what it is judged by.
    fn set_fresh(&self, status: &mut Status) -> Seen {
        let facts = self.facts;
        let mut record = if self.has_moved(status) {
            Record::default()
        } else {
            facts.record.clone()
        };
        let storage_before = status.in_force.as_ref().map(|before| before.storage_type.clone());
        self.set_in_force(status);
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
        let freshness = judged.freshness;
        let (fresh, reason) = (freshness.status(), freshness.to_string());
        self.put(
            &mut status.conditions,
            "BackupFresh",
            fresh,
            &reason,
            &judged.message,
        );

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

    /// Whether what is recorded is of another portal, of its other schedule, or of none for all that is known.
    fn has_moved(&self, status: &Status) -> bool {
        let before = status.in_force.as_ref();
        before.is_none_or(|before| !self.is_of_this_slot(before))
    }

    fn is_of_this_slot(&self, in_force: &InForce) -> bool {
        let spec = &self.object.spec;
        in_force.dump == spec.dump && leads_to(&in_force.url, in_force.host_header.as_deref(), spec)
    }

    /// Since when the schedule in force is expected to make backups: another one begins anew.
    fn set_in_force(&self, status: &mut Status) {
        let Some(schedule) = schedule_in_force(self.object, status) else {
            status.in_force = None;
            return;
        };
        let words = schedule.in_words(status.time_zone.as_deref());
        let is_ahead = |since: Timestamp| since.duration_since(self.facts.now) > CLOCKS_APART;
        let same = |before: &InForce| {
            before.schedule == words
                && before.storage_type == schedule.storage_type
                && self.is_of_this_slot(before)
                && !(self.facts.held.is_some() && is_ahead(before.since.0))
        };
        if !status.in_force.as_ref().is_some_and(same) {
            let portal = &self.object.spec.portal;
            status.in_force = Some(InForce {
                since: to_second(self.facts.now),
                schedule: words,
                storage_type: schedule.storage_type.clone(),
                dump: self.object.spec.dump,
                url: portal.url.clone(),
                host_header: portal.host_header.clone(),
            });
        }
    }

    fn set(&self, conditions: &mut Vec<Condition>, kind: &str, status: &str, verdict: &Verdict) {
        self.put(
            conditions,
            kind,
            status,
            &verdict.reason.to_string(),
            &verdict.message,
        );
    }

    /// A condition's lastTransitionTime moves only with its status, so an equal one is not written again.
    fn put(&self, conditions: &mut Vec<Condition>, kind: &str, status: &str, reason: &str, message: &str) {
        let before = conditions.iter().position(|condition| condition.type_ == kind);
        // The CRD's own default is since 1970, which is no time that anybody saw.
        let since = before.map(|at| &conditions[at]).filter(|before| {
            before.status == status && before.last_transition_time.0 != Timestamp::UNIX_EPOCH
        });
        let condition = Condition {
            type_: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            observed_generation: self.object.metadata.generation,
            last_transition_time: since.map_or_else(
                || to_second(self.facts.local_now),
                |since| since.last_transition_time.clone(),
            ),
        };
        match before {
            Some(at) => conditions[at] = condition,
            None => conditions.push(condition),
        }
    }

    fn set_echo(&self, status: &mut Status) {
        let annotations = self.object.metadata.annotations.as_ref();
        if let Some(requested) = annotations.and_then(|annotations| annotations.get(REQUESTED_AT)) {
            status.last_handled_reconcile_at = Some(requested.clone());
        }
    }

    fn set_identity(&self, status: &mut Status) {
        let Some(identity) = &self.facts.identity else {
            return;
        };
        if let Some(settings) = &identity.settings {
            status.time_zone = settings.time_zone.clone().or(status.time_zone.take());
            status.portal = Some(PortalStatus {
                version: settings.version.clone(),
                standalone: settings.standalone,
                alias: settings.alias.clone(),
            });
        }
        if self.object.spec.dump {
            status.time_zone = Some("UTC".into());
        }
        if let Some(key) = &identity.key {
            status.api_key = key.as_ref().map(|key| ApiKeyStatus {
                id: Some(key.id.clone()),
                name: key.name.clone(),
                expires_at: key.expires_at.map(to_second),
            });
        }
    }

    fn set_schedule(&self, status: &mut Status) {
        let Some(Ok(wanted)) = &self.facts.wanted else {
            return;
        };
        if let Some(replaced) = &self.deed.replaced {
            status.replaced = Some(replaced.shown());
        }
        if let Some(reason) = self.deed.applied {
            status.applied = Some(self.applied(reason, wanted));
        }
        let Some(Ok(held)) = &self.facts.held else { return };
        let difference = wanted.difference(held.as_ref().map(|held| &held.schedule));
        let time_zone = status.time_zone.as_deref();
        status.schedule = held.as_ref().map(|held| held.schedule.in_words(time_zone));
        status.observed = held.as_ref().map(|held| held.shown());
        status.difference = difference.lines;
    }

    fn applied(&self, reason: AppliedReason, wanted: &Schedule) -> Applied {
        let portal = &self.object.spec.portal;
        Applied {
            time: to_second(self.facts.now),
            reason,
            generation: self.object.metadata.generation.unwrap_or_default(),
            uid: self.object.metadata.uid.clone().unwrap_or_default(),
            url: portal.url.clone(),
            host_header: portal.host_header.clone(),
            schedule: wanted.shown_as_applied(),
        }
    }

    fn set_corrections(&self, status: &mut Status) {
        let now = to_second(self.facts.now);
        let recent = |tally: &Tally| self.facts.now.duration_since(tally.last_time.0) < CONTEST_WINDOW;
        let before = self.facts.corrections.filter(|tally| recent(tally));
        status.corrections = match (self.deed.applied, before) {
            (Some(AppliedReason::Corrected), before) => Some(Tally {
                count: before.map_or(1, |before| before.count.saturating_add(1)),
                last_time: now,
            }),
            (Some(AppliedReason::Recreated), before) => before.cloned(),
            (Some(_), _) => None,
            // A quiet day is counted from the last foreign change that was seen.
            (None, Some(before))
                if self.deed.verdict.reason == Reason::Contested && self.changed_again(status) =>
            {
                Some(Tally {
                    last_time: now,
                    ..before.clone()
                })
            }
            (None, before) => before.cloned(),
        };
    }

    /// The month is DocSpace's, in UTC.
    fn set_removals(&self, status: &mut Status) {
        let now = self.facts.now;
        let before = self
            .facts
            .removals
            .filter(|tally| month(tally.last_time.0) == month(now));
        status.removals = match self.deed.applied {
            Some(AppliedReason::Recreated) => Some(Tally {
                count: before.map_or(1, |before| before.count.saturating_add(1)),
                last_time: to_second(now),
            }),
            _ => before.cloned(),
        };
    }

    fn changed_again(&self, status: &Status) -> bool {
        let seen = |status: &Status| {
            let observed = status.observed.clone();
            observed.map(|observed| ShownSchedule {
                last_backup_time: None,
                ..observed
            })
        };
        self.object
            .status
            .as_ref()
            .is_some_and(|before| seen(before) != seen(status))
    }
}

fn remove(conditions: &mut Vec<Condition>, kind: &str) {
    conditions.retain(|condition| condition.type_ != kind);
}

#[cfg(test)]
mod tests;
