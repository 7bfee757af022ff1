//! The process's memory of an object between reconciles. It may be lost at any time; durable data is in the status.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use secrecy::ExposeSecret;
use vecmap::VecMap;

use crate::{
    api::{AppliedReason, DocSpaceBackupSchedule, PortalSpec, REQUESTED_AT, Status},
    portal::{Access, Address},
    rules::{
        asked_to_wait::AskedToWait,
        backup::record::Seen,
        clock::PortalClock,
        decide::removed_by_portal::month,
        drift::Sighting,
        facts::{Asked, Bill, Deletion, Facts, Slot},
        last_queued::LastQueued,
        lost_write::LostWrite,
        ownership::has_finalizer,
        reason::Row,
        status::digest::digest,
    },
    schedule::Schedule,
};

/// A new request for a look (requestedAt) waits until this long after the last one.
const REQUESTS_APART: Duration = Duration::from_secs(2);
/// Settings, key and the bill are read again after this long.
const IDENTITY_LASTS: SignedDuration = SignedDuration::from_hours(6);

/// The memory of one object.
#[derive(Default)]
pub struct Memory {
    /// The trigger of the last reconcile.
    pub seen: Option<Trigger>,
    /// When the next check of the portal is due.
    pub next_look: Option<Instant>,
    /// When the last requested look began.
    pub requested_look: Option<Instant>,
    /// The portal did not answer in time at the last check, or could not be reached.
    pub hung: bool,
    /// The resolved Secrets, and the generation of the spec that named them.
    pub resolved: Option<(i64, Resolved)>,
    /// The finalizer of the deleted object is removed.
    pub released: bool,
    /// The Secrets could be resolved at the last check.
    pub is_resolved: bool,
    /// The access that the portal accepted last. A deletion uses it when the Secret is already gone.
    pub accepted: Option<Access>,
    /// Failures in a row.
    pub failures: Option<Failures>,
    /// A write that the portal accepted but has not shown yet.
    pub accepted_write: Option<Box<Written>>,
    /// A drift that one check has shown.
    pub sighting: Option<Sighting>,
    /// How long the portal asked to wait, and for which generation of the spec.
    pub asked_to_wait: Option<Box<(i64, AskedToWait)>>,
    /// The object's deletion.
    pub deletion: Option<Deletion>,
    /// The status of the last reconcile, if Kubernetes did not take it. The next one continues from it.
    pub unwritten: Option<Box<Status>>,
    /// A storage Secret changed, and the portal has not shown its new value yet.
    pub secret_changed: bool,
    /// A requested reconcile (requestedAt) is not finished yet.
    pub requested: bool,
    /// When settings and key were read last, by the operator's clock.
    pub identity_at: Option<Timestamp>,
    /// The settings were read, so the status has the portal and its time zone.
    pub knows_portal: bool,
    /// The lastBackupTime that the portal showed last.
    pub last_held: LastQueued,
    /// The portal's clock.
    pub clock: Option<PortalClock>,
    /// The portal's clock at the last check.
    pub last_now: Option<Timestamp>,
    /// At how many checks in a row that clock stood still.
    pub standstills: u32,
    /// The free backups of the month, when they were read by the portal's clock, and from which portal.
    pub bill: Option<Box<(Bill, Timestamp, PortalSpec)>>,
    /// What this process saw of the backups.
    pub seen_backups: Option<Seen>,
    /// The month and the number of free backups of the last warning.
    pub bill_told: Option<((i16, i8), i64)>,
    /// Since when the object waits for the check of others that may have precedence on its slot.
    pub lets_others_go_first_since: Option<Instant>,
    /// Kubernetes' own failures in a row.
    pub kubernetes_failures: u32,
    /// The difference between the clocks of portal and operator was reported.
    pub clock_reported: bool,
}

/// What can make a reconcile necessary. A trigger equal to the last one is ignored until the next check is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Generation of the spec.
    pub generation: i64,
    /// The annotation requestedAt.
    pub requested_at: Option<String>,
    /// The object is being deleted.
    pub deleting: bool,
    /// The object carries our finalizer; a replacement (PUT) of the object removes it.
    pub finalizer: bool,
    /// resourceVersions of the Secrets that the spec names; `None` for missing ones.
    pub secrets: Vec<Option<String>>,
    /// Who owns the slot, which depends on other objects.
    pub slot: Slot,
    /// A digest of the status, to notice when somebody wipes it.
    pub status: u64,
}

impl Trigger {
    /// The trigger of this object with these Secrets and this owner of the slot.
    pub fn of(object: &DocSpaceBackupSchedule, secrets: Vec<Option<String>>, slot: Slot) -> Self {
        Self {
            generation: object.metadata.generation.unwrap_or_default(),
            requested_at: object.annotations().get(REQUESTED_AT).cloned(),
            deleting: object.metadata.deletion_timestamp.is_some(),
            finalizer: has_finalizer(object.metadata.finalizers.as_ref()),
            secrets,
            slot,
            status: digest(object.status.as_ref()),
        }
    }
}

/// Whether the annotation requestedAt has a value that the status does not repeat yet.
pub fn is_requested(object: &DocSpaceBackupSchedule) -> bool {
    let requested = object.annotations().get(REQUESTED_AT);
    let echoed = object
        .status
        .as_ref()
        .and_then(|status| status.last_handled_reconcile_at.as_ref());
    requested.is_some() && requested != echoed
}

/// A written schedule and its portal. Holds secrets, so it is never put into a status.
#[derive(Clone, Debug)]
pub struct Written {
    /// The schedule.
    pub wanted: Schedule,
    address: Address,
}

impl Written {
    /// The write of this schedule.
    pub fn of(resolved: &Resolved) -> Self {
        Self::new(&resolved.wanted, &resolved.access.address)
    }

    /// The write of this schedule to this address.
    pub fn new(wanted: &Schedule, address: &Address) -> Self {
        Self {
            wanted: wanted.clone(),
            address: address.clone(),
        }
    }
}

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && self.wanted.difference(Some(&other.wanted)).is_empty()
    }
}

/// A write with an unknown outcome.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The uid of the object that it was made for.
    pub by: Option<String>,
    /// When the operator gave it up, by its own clock.
    pub since: Timestamp,
    /// Why the operator made it.
    pub reason: AppliedReason,
    /// What it wrote.
    pub written: Written,
}

impl Lost {
    /// The fact for `decide`.
    pub fn as_fact(&self, is_wanted: bool) -> LostWrite {
        LostWrite::Ours {
            since: self.since,
            reason: self.reason,
            is_wanted,
        }
    }
}

/// A row of failures.
#[derive(Clone, Copy, Debug)]
pub struct Failures {
    /// Time of the first one, by the operator's clock.
    pub since: Timestamp,
    /// Number of failures.
    pub count: u32,
    /// The kind of the last ones.
    pub row: Row,
    /// Time of the first one of this kind.
    pub row_since: Timestamp,
}

impl Memory {
    /// Forgets everything, as a restart does, but for how long failures last: it may be what a fault comes from.
    pub fn forget_after_a_fault(&mut self) {
        *self = Self {
            deletion: self.deletion.take(),
            kubernetes_failures: self.kubernetes_failures,
            ..Self::default()
        };
    }

    /// The write that this look would make, once its Secrets are known.
    pub fn would_write(&self) -> Option<Written> {
        self.resolved.as_ref().map(|(_, resolved)| Written::of(resolved))
    }

    /// Notes that the portal holds the wanted schedule.
    pub fn shows_wanted(&mut self) {
        self.accepted_write = None;
        self.secret_changed = false;
    }

    /// How long an unchanged trigger must wait.
    pub fn not_yet(&self, trigger: &Trigger, now: Instant) -> Option<Duration> {
        let left = self.next_look?.checked_duration_since(now)?;
        (self.seen.as_ref() == Some(trigger)).then_some(left)
    }

    /// The time until the next check, if nothing but the versions of Secrets has changed since the last one.
    pub fn secrets_only(&self, trigger: &Trigger, now: Instant) -> Option<Duration> {
        let left = self.next_look?.checked_duration_since(now)?;
        let same = self.is_seen_but_for(trigger, |seen| seen.secrets.clone_from(&trigger.secrets));
        (same && self.is_resolved).then_some(left)
    }

    /// How long a request must wait, if nothing else is new: whoever may write the annotation must not keep the operator
    /// and the portal busy.
    pub fn request_waits(&self, trigger: &Trigger, now: Instant) -> Option<Duration> {
        let left = self.next_look?.checked_duration_since(now)?;
        let apart = REQUESTS_APART.checked_sub(now.saturating_duration_since(self.requested_look?))?;
        let same = self.is_seen_but_for(trigger, |seen| {
            seen.requested_at.clone_from(&trigger.requested_at)
        });
        same.then_some(left.min(apart))
    }

    fn is_seen_but_for(&self, trigger: &Trigger, change: impl FnOnce(&mut Trigger)) -> bool {
        self.seen.clone().is_some_and(|mut seen| {
            change(&mut seen);
            seen == *trigger
        })
    }

    /// Whether settings and key must be read again: it is time, or the status has lost them.
    pub fn identity_due(&self, status: &Status, now: Timestamp) -> bool {
        let lasts = |at| now.duration_since(at) < IDENTITY_LASTS;
        !self.identity_at.is_some_and(lasts) || self.knows_portal && status.portal.is_none()
    }

    /// What the portal asked for, unless the time is over, or the user changed the spec or requested a reconcile.
    pub fn asked_to_wait(&self, object: &DocSpaceBackupSchedule, now: Timestamp) -> Option<AskedToWait> {
        let (generation, wait) = self.asked_to_wait.as_deref()?;
        let same = Some(*generation) == object.metadata.generation && !is_requested(object);
        (same && wait.until > now).then(|| wait.clone())
    }

    /// Remembers what this reconcile learnt.
    pub fn learn(&mut self, facts: &Facts<'_>) {
        if let Asked::Answered(held) = &facts.held {
            self.sighting = facts
                .is_drift()
                .then(|| Sighting::next(self.sighting.take(), held.as_ref(), facts.local_now));
        }
        match &facts.held {
            Asked::Answered(Some(held)) => self.last_held = held.into(),
            // The portal or the key may have changed.
            Asked::Failed(_) => self.identity_at = None,
            _ => {}
        }
        if let Some(identity) = &facts.identity {
            self.identity_at = (!identity.is_to_be_repeated).then_some(facts.local_now);
            self.knows_portal = identity.settings.is_some();
        }
        if let Asked::Answered(bill) = facts.bill
            && self.recent_bill(&facts.spec.portal, facts.now).is_none()
        {
            self.bill = Some(Box::new((bill, facts.now, facts.spec.portal.clone())));
        }
        self.clock = Some(facts.clock);
        let stands = self
            .last_now
            .replace(facts.now)
            .is_some_and(|last| facts.now <= last);
        self.standstills = if stands {
            self.standstills.saturating_add(1)
        } else {
            0
        };
    }

    /// The free backups of the month, if they were read recently.
    pub fn recent_bill(&self, portal: &PortalSpec, now: Timestamp) -> Option<Bill> {
        let (bill, at, of) = self.bill.as_deref()?;
        let recent = now.duration_since(*at) < IDENTITY_LASTS && month(*at) == month(now);
        (recent && of == portal).then_some(*bill)
    }

    /// Counts a failure. Missing Secrets are a row of their own.
    pub fn failed(&mut self, row: Row, now: Timestamp) -> Failures {
        let before = self
            .failures
            .filter(|failures| (failures.row == Row::Secrets) == (row == Row::Secrets));
        let failures = match before {
            Some(before) => Failures {
                since: before.since,
                count: before.count.saturating_add(1),
                row,
                row_since: if before.row == row { before.row_since } else { now },
            },
            None => Failures {
                since: now,
                count: 1,
                row,
                row_since: now,
            },
        };
        *self.failures.insert(failures)
    }
}

/// A spec with the values of its Secrets.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// How to reach the portal.
    pub access: Access,
    /// The schedule that the portal must hold.
    pub wanted: Schedule,
    /// The resourceVersion of each Secret that was read, by name.
    pub versions: VecMap<String, String>,
}

impl Resolved {
    /// Whether both have the same values.
    pub fn has_values_of(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.access, &other.access);
        ours.address == theirs.address
            && ours.key.expose_secret() == theirs.key.expose_secret()
            && ours.ca == theirs.ca
            && self.wanted.difference(Some(&other.wanted)).is_empty()
    }
}

#[cfg(test)]
mod tests;
