//! The facts of a reconcile. `recall`, `observe` and `fetch` fill them in; the rules read them.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use crate::{
    api::{Applied, DocSpaceBackupScheduleSpec, SecretVersion, Tally, Unconfirmed, to_second},
    portal::{Access, Answer, Archive, PortalError, Progress},
    rules::{
        asked_to_wait::AskedToWait,
        backup::{
            audit_trail::AuditTrail,
            expected::{Expected, Unexpected},
            record::Record,
        },
        clock::PortalClock,
        credentials::Identity,
        drift::SeenDrift,
        last_queued::LastQueued,
        lost_write::LostWrite,
        ownership::Ownership,
        reason::Verdict,
    },
    schedule::{Held, Schedule},
    shares::Share,
};

/// A fact that the portal is asked for.
#[derive(Clone, Debug)]
pub enum Asked<T> {
    /// Not asked yet.
    NotYet,
    /// The call failed.
    Failed(PortalError),
    /// The portal answered.
    Answered(T),
}

impl<T> Asked<T> {
    /// The answer.
    pub fn answer(&self) -> Option<&T> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::NotYet | Self::Failed(_) => None,
        }
    }

    /// Whether the portal was not asked yet.
    pub fn is_not_yet(&self) -> bool {
        matches!(self, Self::NotYet)
    }
}

impl<T> From<Result<T, PortalError>> for Asked<T> {
    fn from(result: Result<T, PortalError>) -> Self {
        match result {
            Ok(answer) => Self::Answered(answer),
            Err(error) => Self::Failed(error),
        }
    }
}

impl<T> From<Option<T>> for Asked<T> {
    /// From a recalled answer, if there is one.
    fn from(recalled: Option<T>) -> Self {
        recalled.map_or(Self::NotYet, Self::Answered)
    }
}

/// The facts about an object and its portal. `None` means not learnt yet.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The spec.
    pub spec: &'a DocSpaceBackupScheduleSpec,
    /// Who owns the portal's schedule, according to the status.
    pub ownership: Ownership<'a>,
    /// Parameters whose values stay hidden although their kind is shown: a value that was hidden once stays hidden.
    pub hidden_params: BTreeSet<&'a str>,
    /// `status.corrections`.
    pub corrections: Option<&'a Tally>,
    /// Whether the object carries our finalizer.
    pub finalizer: bool,
    /// The object's deletion, if it is being deleted.
    pub deletion: Option<Deletion>,
    /// The annotation requestedAt has a value that was not handled yet.
    pub requested: bool,
    /// The portal asked to wait with further calls, or with writes only.
    pub asked_to_wait: Option<AskedToWait>,
    /// This operator's clock.
    pub local_now: Timestamp,
    /// The portal's clock.
    pub now: Timestamp,
    /// How it relates to this operator's.
    pub clock: PortalClock,
    /// When the current row of failures began, by this operator's clock.
    pub failing_since: Option<Timestamp>,
    /// A write with an unknown outcome.
    pub lost_write: LostWrite,
    /// The address of a write with an unknown outcome to another portal than the spec names now, for messages.
    pub lost_elsewhere: Option<String>,
    /// The portal has never shown the applied schedule.
    pub never_shown: bool,
    /// `status.lastRequest` records a write.
    pub write_recorded: bool,
    /// The portal accepted exactly the wanted schedule and has not shown it since.
    pub unconfirmed: Option<Unconfirmed>,
    /// What earlier checks saw of a drift.
    pub drift: SeenDrift<'a>,
    /// A storage Secret changed, and the portal has not shown its new value yet.
    pub secret_changed: bool,
    /// Settings and key must be read again.
    pub identity_due: bool,
    /// The key differs from the one that the portal accepted last.
    pub key_exchanged: bool,
    /// `status.removals`.
    pub removals: Option<&'a Tally>,
    /// The lastBackupTime that the portal showed last.
    pub last_queued: LastQueued,
    /// The portal is in the vendor's cloud, which limits free backups.
    pub is_saas: bool,
    /// The schedule in force, according to the status.
    pub expected: Result<Expected, Unexpected>,
    /// The record of its backups.
    pub record: Record,

    /// Whether the CRD is being deleted.
    pub crd_going: Option<Result<bool, Verdict>>,
    /// The schedule with its values from Secrets, or why it cannot be resolved.
    pub wanted: Option<Result<Schedule, Verdict>>,
    /// Where the values of the storage parameters from Secrets come from.
    pub secret_versions: Vec<SecretVersion>,
    /// The key and the CA, which suffice for a deletion; or why they cannot be resolved.
    pub access: Option<Result<Access, Verdict>>,
    /// Who owns the slot, among the objects of this operator.
    pub slot: Slot,
    /// What the portal holds.
    pub held: Asked<Option<Held>>,
    /// The portal's settings and key, if this reconcile read them.
    pub identity: Option<Identity>,
    /// The running or last run.
    pub progress: Asked<Option<Progress>>,
    /// The archives that the portal lists.
    pub archives: Asked<Vec<Archive>>,
    /// The runs in the audit trail; `None` when the trail is not available.
    pub events: Asked<Option<AuditTrail>>,
    /// The portal's other schedule: that of the other `dump`.
    pub other: Asked<Option<Held>>,
    /// Whether the audit trail shows a deletion of the schedule; `None` when the trail is not available.
    pub deleted: Asked<Option<bool>>,
    /// The free backups of the month.
    pub bill: Asked<Bill>,
    /// The room that large answers take, given back with these facts.
    pub room: Vec<Arc<Share>>,
}

impl<'a> Facts<'a> {
    /// Facts of a new object: nothing is owned, pending or learnt.
    pub fn new(spec: &'a DocSpaceBackupScheduleSpec, now: Timestamp) -> Self {
        Self {
            spec,
            ownership: Ownership::None,
            hidden_params: BTreeSet::new(),
            corrections: None,
            finalizer: false,
            deletion: None,
            requested: false,
            asked_to_wait: None,
            local_now: now,
            now,
            clock: PortalClock::default(),
            failing_since: None,
            lost_write: LostWrite::None,
            lost_elsewhere: None,
            never_shown: false,
            write_recorded: false,
            unconfirmed: None,
            drift: SeenDrift::default(),
            secret_changed: false,
            identity_due: false,
            key_exchanged: false,
            removals: None,
            last_queued: LastQueued::NoSchedule,
            is_saas: false,
            expected: Err(Unexpected::NotInForce),
            record: Record::default(),
            crd_going: None,
            wanted: None,
            secret_versions: Vec::new(),
            access: None,
            slot: Slot::Free,
            held: Asked::NotYet,
            identity: None,
            progress: Asked::NotYet,
            archives: Asked::NotYet,
            events: Asked::NotYet,
            other: Asked::NotYet,
            deleted: Asked::NotYet,
            bill: Asked::NotYet,
            room: Vec::new(),
        }
    }

    /// The applied schedule, if this object owns the slot.
    pub fn owned(&self) -> Option<&'a Applied> {
        self.ownership.ours()
    }

    /// Whether the portal's schedule differs although the manifest is as applied. If a Secret changed, neither a
    /// different secret value is drift, nor what the portal shows instead of a schedule that it never showed.
    pub fn is_drift(&self) -> bool {
        let (Some(applied), Some(Ok(wanted)), Asked::Answered(held)) =
            (self.owned(), &self.wanted, &self.held)
        else {
            return false;
        };
        let difference = wanted.difference(held.as_ref().map(|held| &held.schedule));
        !difference.is_empty()
            && applied.schedule == wanted.shown_as_applied()
            && !(self.secret_changed && (difference.in_secret || self.never_shown))
    }

    /// The address of an earlier portal that has a schedule of this object, or may get one; for messages.
    pub fn old_address(&self) -> Option<String> {
        match self.ownership {
            Ownership::Elsewhere(applied) => Some(applied.address()),
            Ownership::Ours(_) | Ownership::None => self.lost_elsewhere.clone(),
        }
    }

    /// Updates `now` with the portal's clock from an answer.
    pub fn take_time<T>(&mut self, answer: Result<Answer<T>, PortalError>) -> Result<T, PortalError> {
        let date = match &answer {
            Ok(answer) => answer.date,
            Err(error) => error.date,
        };
        if let Some(date) = date {
            self.clock.hear(date, self.local_now);
            self.now = self.clock.at(self.local_now);
        }
        answer.map(|answer| {
            self.room.extend(answer.room);
            answer.value
        })
    }

    /// Stores the portal's schedule and marks the values that must stay hidden.
    pub fn take_held(&mut self, answer: Result<Answer<Option<Held>>, PortalError>) {
        let mut held = self.take_time(answer);
        if let Ok(Some(held)) = &mut held {
            let wanted = self.wanted.as_ref().and_then(|wanted| wanted.as_ref().ok());
            held.conceal(&self.hidden_params, wanted);
        }
        self.held = held.into();
    }

    /// When the portal last queued a run, according to its current answer; in whole seconds, like all times of a
    /// status.
    pub fn last_backup_time(&self) -> Option<Timestamp> {
        let held = self.held.answer()?.as_ref()?;
        Some(to_second(held.last_backup_time?).0)
    }

    /// The audit trail, if it is available.
    pub fn trail(&self) -> Option<&AuditTrail> {
        self.events.answer()?.as_ref()
    }

    fn run(&self) -> Option<&Progress> {
        self.progress.answer()?.as_ref()
    }

    /// Whether a backup is running.
    pub fn is_running(&self) -> bool {
        self.run().is_some_and(|run| !run.is_completed)
    }

    /// The error of the last run.
    pub fn run_error(&self) -> Option<&str> {
        self.run().filter(|run| run.is_completed)?.error.as_deref()
    }
}

/// The deletion of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Deletion {
    /// When this process first saw it, by the operator's clock.
    pub since: Timestamp,
    /// Why the portal's schedule could not be deleted so far.
    pub refused: Option<String>,
    /// Other objects hold the slot, so the portal must not be called.
    pub locked_out: bool,
}

impl Deletion {
    /// A deletion that begins now.
    pub fn begins(now: Timestamp) -> Self {
        Self {
            since: now,
            refused: None,
            locked_out: false,
        }
    }
}

/// Who owns a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// No other object has precedence.
    Free,
    /// Another object owns it or has precedence; its name, as readers of this object may see it.
    Taken(String),
}

/// The portal's free backups of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Free backups made this calendar month (UTC).
    pub free: i64,
    /// Paid backups are switched on.
    pub paid: bool,
}
