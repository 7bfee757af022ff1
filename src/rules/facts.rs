//! What a reconcile knows; `observe` and `ask` fill it in, the pure parts read it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{
    api::{Applied, DocSpaceBackupScheduleSpec, Tally, to_second},
    portal::{Access, Answer, Archive, PortalError, Progress},
    rules::{
        backup::{
            audit_trail::Trail,
            expected::{Expected, Unexpected},
            record::Record,
        },
        credentials::Identity,
        lost_write::{Clocks, LostWrite},
        reason::Verdict,
    },
    schedule::{Held, Schedule},
};

/// What a portal was asked for.
#[derive(Clone, Debug)]
pub enum Asked<T> {
    /// It was not asked yet.
    NotYet,
    /// The call failed.
    Failed(PortalError),
    /// It has answered.
    Answered(T),
}

impl<T> Asked<T> {
    /// What was answered.
    pub fn answer(&self) -> Option<&T> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::NotYet | Self::Failed(_) => None,
        }
    }

    /// Whether nothing was asked yet.
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
    /// What is recalled of an answer, if anything.
    fn from(recalled: Option<T>) -> Self {
        recalled.map_or(Self::NotYet, Self::Answered)
    }
}

/// What is known about an object and its portal. `None` is: not learnt yet.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// What the user wants.
    pub spec: &'a DocSpaceBackupScheduleSpec,
    /// `status.applied`, where it carries this object's uid; else the slot was never this object's.
    pub applied: Option<&'a Applied>,
    /// Whether `applied` speaks of the address that the spec names now.
    pub same_address: bool,
    /// The parameters that are shown, but for values which the status hides: what was hidden once stays so.
    pub hidden_params: BTreeSet<&'a str>,
    /// `status.corrections`.
    pub corrections: Option<&'a Tally>,
    /// Whether the object carries our finalizer.
    pub finalizer: bool,
    /// When deletion was asked for.
    pub deleted_at: Option<Timestamp>,
    /// The annotation requestedAt has a value that was not acted on yet.
    pub requested: bool,
    /// The status tells of a correction that was decided on and waits for a running backup.
    pub correction_waits: bool,
    /// This operator's clock.
    pub local_now: Timestamp,
    /// The portal's clock, or this operator's until the portal has answered.
    pub now: Timestamp,
    /// Since when looks fail, where the last one did; by this operator's clock.
    pub failing_since: Option<Timestamp>,
    /// A write whose outcome is not known.
    pub lost_write: LostWrite,
    /// `status.lastRequest` tells of a write.
    pub write_recorded: bool,
    /// This very schedule was accepted by the portal, and it has shown another since.
    pub not_converging: bool,
    /// A storage Secret has changed, and the portal was not seen to hold its value since.
    pub secret_changed: bool,
    /// Settings and key have not been read lately.
    pub identity_due: bool,
    /// The key is another one than the portal accepted last.
    pub key_exchanged: bool,
    /// `status.removals`.
    pub removals: Option<&'a Tally>,
    /// What the portal was last seen to hold had this lastBackupTime; `None` when it held no schedule.
    pub seen_last_backup_time: Option<Option<Timestamp>>,
    /// The object is stalled as RemovedByPortal.
    pub removed_by_portal: bool,
    /// The portal is in the vendor's cloud, where backups are paid for.
    pub is_saas: bool,
    /// The schedule in force, as the status tells.
    pub expected: Result<Expected, Unexpected>,
    /// What is recorded of its backups.
    pub record: Record,

    /// Whether the CRD is being deleted.
    pub crd_going: Option<Result<bool, Verdict>>,
    /// The schedule with its values from Secrets, or why it cannot be had.
    pub wanted: Option<Result<Schedule, Verdict>>,
    /// The key and the CA alone, which is all that a deletion takes; or why they cannot be had.
    pub access: Option<Result<Access, Verdict>>,
    /// Whose slot it is, among the objects of this operator.
    pub slot: Slot,
    /// What the portal holds.
    pub held: Asked<Option<Held>>,
    /// The portal and the key as they describe themselves, where that was read in this reconcile.
    pub identity: Option<Identity>,
    /// The running or last run.
    pub progress: Asked<Option<Progress>>,
    /// The archives that the portal lists.
    pub archives: Asked<Vec<Archive>>,
    /// What the audit trail tells of runs; `Ok(None)` when it is not to be had.
    pub events: Asked<Option<Trail>>,
    /// The portal's other schedule: that of the other `dump`.
    pub other: Asked<Option<Held>>,
    /// Whether the audit trail tells that somebody has deleted the schedule; `Ok(None)` when it is not to be had.
    pub deleted: Asked<Option<bool>>,
    /// What free backups there were this month.
    pub bill: Asked<Bill>,
}

impl<'a> Facts<'a> {
    /// Facts of an object that nobody has looked at: nothing is owned, pending or learnt.
    pub fn new(spec: &'a DocSpaceBackupScheduleSpec, now: Timestamp) -> Self {
        Self {
            spec,
            applied: None,
            same_address: false,
            hidden_params: BTreeSet::new(),
            corrections: None,
            finalizer: false,
            deleted_at: None,
            requested: false,
            correction_waits: false,
            local_now: now,
            now,
            failing_since: None,
            lost_write: LostWrite::None,
            write_recorded: false,
            not_converging: false,
            secret_changed: false,
            identity_due: false,
            key_exchanged: false,
            removals: None,
            seen_last_backup_time: None,
            removed_by_portal: false,
            is_saas: false,
            expected: Err(Unexpected::NotInForce),
            record: Record::default(),
            crd_going: None,
            wanted: None,
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
        }
    }

    /// The applied schedule, where it still makes the slot this object's own.
    pub fn owned(&self) -> Option<&'a Applied> {
        self.applied.filter(|_| self.finalizer && self.same_address)
    }

    /// The portal's clock and the operator's.
    pub fn clocks(&self) -> Clocks {
        Clocks {
            portal: self.now,
            operator: self.local_now,
        }
    }

    /// Takes the portal's clock from an answer.
    pub fn take_time<T>(&mut self, answer: Result<Answer<T>, PortalError>) -> Result<T, PortalError> {
        let date = match &answer {
            Ok(answer) => answer.date,
            Err(error) => error.date,
        };
        self.now = date.unwrap_or(self.now);
        answer.map(|answer| answer.value)
    }

    /// Keeps what the portal holds, with those values marked that must not be shown.
    pub fn take_held(&mut self, answer: Result<Answer<Option<Held>>, PortalError>) {
        let mut held = self.take_time(answer);
        if let Ok(Some(held)) = &mut held {
            let wanted = self.wanted.as_ref().and_then(|wanted| wanted.as_ref().ok());
            held.conceal(&self.hidden_params, wanted);
        }
        self.held = held.into();
    }

    /// When the portal queued a run last, as it tells now; to the second, as all times of a status.
    pub fn last_backup_time(&self) -> Option<Timestamp> {
        let held = self.held.answer()?.as_ref()?;
        Some(to_second(held.last_backup_time?).0)
    }

    /// What the audit trail tells, where it is to be had.
    pub fn trail(&self) -> Option<&Trail> {
        self.events.answer()?.as_ref()
    }

    fn run(&self) -> Option<&Progress> {
        self.progress.answer()?.as_ref()
    }

    /// Whether a run is under way.
    pub fn is_running(&self) -> bool {
        self.run().is_some_and(|run| !run.is_completed)
    }

    /// What the last run failed with.
    pub fn run_error(&self) -> Option<&str> {
        self.run().filter(|run| run.is_completed)?.error.as_deref()
    }
}

/// Whose slot it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Nobody's before this object.
    Free,
    /// Another object owns it, or comes first; how to name that object to this one's readers.
    Taken(String),
}

/// What the portal's owner has had for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Free backups made this calendar month (UTC).
    pub free: i64,
    /// Paid backups are switched on.
    pub paid: bool,
}
