//! What is remembered of an object between its reconciles. All of it may be lost: status holds what must not be.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::{
    api::{AppliedReason, DocSpaceBackupSchedule, PortalSpec, REQUESTED_AT, Status},
    portal::{Access, Address},
    rules::{
        backup::record::Seen,
        decide::removed_by_portal::month,
        facts::{Asked, Bill, Facts, Slot},
        lost_write::LostWrite,
    },
    schedule::Schedule,
};

/// Settings, key and the bill are read again after this long.
const IDENTITY_LASTS: SignedDuration = SignedDuration::from_hours(6);

/// What is remembered of one object.
#[derive(Default)]
pub struct Memory {
    /// What the last reconcile had before it.
    pub seen: Option<Trigger>,
    /// When the portal is looked at next.
    pub next_look: Option<Instant>,
    /// What the Secrets came to, and the generation of the spec that they were read for.
    pub resolved: Option<(i64, Resolved)>,
    /// The access that the portal accepted last: it serves a deletion when the Secret is gone.
    pub accepted: Option<Access>,
    /// Failures in a row.
    pub failures: Option<Failures>,
    /// A write whose outcome is not known.
    pub lost_write: Option<Lost>,
    /// What the portal has accepted and not shown yet.
    pub accepted_write: Option<Written>,
    /// A storage Secret has changed, and the portal was not seen to hold its value since.
    pub secret_changed: bool,
    /// A reconcile was asked for, and what it was asked for has to wait.
    pub requested: bool,
    /// When settings and key were read last, by the operator's clock.
    pub identity_at: Option<Timestamp>,
    /// The lastBackupTime of the schedule that the portal was last seen to hold.
    pub last_held: Option<Option<Timestamp>>,
    /// How far the portal's clock is ahead of the operator's.
    pub skew: SignedDuration,
    /// What the portal's clock showed last, and at how many looks in a row it has stood still.
    pub last_now: Option<Timestamp>,
    /// See [`Self::last_now`].
    pub standstills: u32,
    /// The free backups of the month, when they were asked for by the portal's clock, and of which portal.
    pub bill: Option<(Bill, Timestamp, PortalSpec)>,
    /// What was seen of its backups.
    pub seen_backups: Option<Seen>,
    /// The month and the number of free backups that were warned of.
    pub bill_told: Option<((i16, i8), i64)>,
    /// Others may have the slot before it: since when it waits until they were looked at.
    pub lets_others_go_first_since: Option<Instant>,
    /// Kubernetes' own failures in a row.
    pub kubernetes_failures: u32,
    /// The difference of the portal's clock to ours has been reported.
    pub clock_reported: bool,
}

/// What can make a reconcile necessary: a trigger that changes none of it is ignored until the next look is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Of the spec.
    pub generation: i64,
    /// The annotation requestedAt.
    pub requested_at: Option<String>,
    /// Deletion has been asked for.
    pub deleting: bool,
    /// resourceVersions of the Secrets that the spec names, as far as they exist.
    pub secrets: Vec<Option<String>>,
    /// Whose slot it is: that changes with other objects.
    pub slot: Slot,
    /// A digest of the status: somebody may have wiped it.
    pub status: u64,
}

impl Trigger {
    /// What stands before a reconcile of this object with these Secrets and this standing.
    pub fn of(object: &DocSpaceBackupSchedule, secrets: Vec<Option<String>>, slot: Slot) -> Self {
        Self {
            generation: object.metadata.generation.unwrap_or_default(),
            requested_at: object.annotations().get(REQUESTED_AT).cloned(),
            deleting: object.metadata.deletion_timestamp.is_some(),
            secrets,
            slot,
            status: digest(object.status.as_ref()),
        }
    }
}

/// A digest of a status.
pub fn digest(status: Option<&Status>) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&status)
        .unwrap_or_default()
        .hash(&mut hasher);
    hasher.finish()
}

/// What was written, and where. It holds secrets, and so never goes into a status.
#[derive(Clone, Debug)]
pub struct Written {
    /// The schedule.
    pub wanted: Schedule,
    address: Address,
}

impl Written {
    /// What a write of this would be.
    pub fn of(resolved: &Resolved) -> Self {
        Self {
            wanted: resolved.wanted.clone(),
            address: resolved.access.address.clone(),
        }
    }
}

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address && self.wanted.difference(Some(&other.wanted)).is_empty()
    }
}

/// A write whose outcome is not known.
#[derive(Clone, Debug)]
pub struct Lost {
    /// When it was given up, by the operator's clock.
    pub since: Timestamp,
    /// Why it was made.
    pub reason: AppliedReason,
    /// What it would write.
    pub written: Written,
}

impl Lost {
    /// What it says to `decide`.
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
    /// When the first of them was, by the operator's clock.
    pub since: Timestamp,
    /// How many.
    pub count: u32,
    /// It is a Secret that is waited for.
    pub secret_missing: bool,
}

impl Memory {
    /// How long a trigger that brings nothing new has to wait.
    pub fn not_yet(&self, trigger: &Trigger, now: Instant) -> Option<Duration> {
        let left = self.next_look?.checked_duration_since(now)?;
        (self.seen.as_ref() == Some(trigger)).then_some(left)
    }

    /// Whether settings and key have to be read again.
    pub fn identity_due(&self, now: Timestamp) -> bool {
        self.identity_at
            .is_none_or(|at| now.duration_since(at) >= IDENTITY_LASTS)
    }

    /// Keeps what a look has learnt for those to come.
    pub fn learn(&mut self, facts: &Facts<'_>) {
        match &facts.held {
            Asked::Answered(Some(held)) => self.last_held = Some(held.last_backup_time),
            // Whoever answers, or as whom we speak, may have changed.
            Asked::Failed(_) => self.identity_at = None,
            _ => {}
        }
        if let Some(identity) = &facts.identity {
            self.identity_at = (!identity.is_to_be_repeated).then_some(facts.local_now);
        }
        if let Asked::Answered(bill) = facts.bill
            && self.recent_bill(&facts.spec.portal, facts.now).is_none()
        {
            self.bill = Some((bill, facts.now, facts.spec.portal.clone()));
        }
        self.skew = facts.now.duration_since(facts.local_now);
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

    /// The free backups of the month, where they were read lately.
    pub fn recent_bill(&self, portal: &PortalSpec, now: Timestamp) -> Option<Bill> {
        let (bill, at, of) = self.bill.as_ref()?;
        let recent = now.duration_since(*at) < IDENTITY_LASTS && month(*at) == month(now);
        (recent && of == portal).then_some(*bill)
    }

    /// Counts a failure; the wait for a Secret is a row of its own.
    pub fn failed(&mut self, secret_missing: bool, now: Timestamp) -> Failures {
        let before = self
            .failures
            .filter(|failures| failures.secret_missing == secret_missing);
        let before = before.unwrap_or(Failures {
            since: now,
            count: 0,
            secret_missing,
        });
        *self.failures.insert(Failures {
            count: before.count.saturating_add(1),
            ..before
        })
    }
}

/// What a spec and its Secrets come to.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// How to reach the portal.
    pub access: Access,
    /// The schedule that it shall hold.
    pub wanted: Schedule,
    /// The resourceVersion of each Secret that was read, by name.
    pub versions: BTreeMap<String, String>,
}
