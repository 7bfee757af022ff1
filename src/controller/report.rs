//! Step 4, report: what the status says after a reconcile, and which Events tell of it. Pure, as `decide` is.

use std::time::Duration;

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    act::Deed,
    decide::{CONTEST_WINDOW, Facts, Verdict},
    events::Note,
    memory::Failures,
    observe::Identity,
    reason::{Class, Credentials, Reason},
};
use crate::{
    api::{
        ApiKeyStatus, Applied, AppliedReason, DocSpaceBackupSchedule, PortalStatus, REQUESTED_AT,
        ShownSchedule, Status, Tally,
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
    /// Settings and key, where they were read.
    pub identity: Option<&'a Identity>,
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
    /// The status to write; equal to the present one when nothing is to be written.
    pub fn status(&self) -> Status {
        let before = self.object.status.clone().unwrap_or_default();
        let verdict = &self.deed.verdict;
        if is_passing(self.object, verdict.reason)
            && verified(self.object)
            && self.deed.request.is_none()
            && self.synced(verdict.reason) == "Unknown"
            && let Some(failures) = self.failures
            && self.facts.local_now.duration_since(failures.since).unsigned_abs() < READY_LASTS
        {
            return self.blip(before, failures.count);
        }
        if verdict.reason == Reason::Suspended {
            return self.suspended(before);
        }
        let mut status = before;
        status.observed_generation = self.object.metadata.generation;
        self.set_conditions(&mut status.conditions, verdict);
        self.set_echo(&mut status);
        self.set_identity(&mut status);
        self.set_schedule(&mut status);
        self.set_corrections(&mut status);
        if let Some(request) = &self.deed.request {
            status.last_request = Some(request.clone());
            status
                .last_request
                .iter_mut()
                .for_each(|request| request.time = to_second(request.time.0));
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
        notes
    }

    fn blip(&self, mut status: Status, count: u32) -> Status {
        if count >= FAILURES_TOLD {
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

    fn set_conditions(&self, conditions: &mut Vec<Condition>, verdict: &Verdict) {
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
        self.set_credentials(conditions, rule.credentials, verdict);
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

    fn set_credentials(&self, conditions: &mut Vec<Condition>, credentials: Credentials, verdict: &Verdict) {
        let (status, reason) = match credentials {
            Credentials::AtFault(reason) => ("False", reason.to_owned()),
            Credentials::Missing => ("Unknown", verdict.reason.to_string()),
            Credentials::Nothing if matches!(self.facts.held, Some(Ok(_))) => ("True", "Accepted".into()),
            Credentials::Nothing => return,
        };
        let message = if status == "True" {
            "The portal accepts the key"
        } else {
            &verdict.message
        };
        self.put(conditions, "CredentialsValid", status, &reason, message);
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
        let Some(identity) = self.identity else { return };
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
            status.replaced = Some(replaced.shown(wanted));
        }
        if let Some(reason) = self.deed.applied {
            status.applied = Some(self.applied(reason, wanted));
        }
        let Some(Ok(held)) = &self.facts.held else { return };
        let difference = wanted.difference(held.as_ref().map(|held| &held.schedule));
        let time_zone = status.time_zone.as_deref();
        status.schedule = held.as_ref().map(|held| held.schedule.in_words(time_zone));
        status.observed = held.as_ref().map(|held| held.shown(wanted));
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

/// One of a status' conditions.
pub fn condition<'a>(status: Option<&'a Status>, kind: &str) -> Option<&'a Condition> {
    status?
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
}

fn remove(conditions: &mut Vec<Condition>, kind: &str) {
    conditions.retain(|condition| condition.type_ != kind);
}

/// The API keeps times to the second.
fn to_second(time: Timestamp) -> Time {
    let whole = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Trunc);
    Time(time.round(whole).unwrap_or(time))
}

#[cfg(test)]
mod tests;
