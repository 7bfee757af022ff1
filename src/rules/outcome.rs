//! The result of a plan.

use crate::{
    api::{AppliedReason, LastRequest},
    rules::{
        note::Note,
        reason::{Reason, Verdict},
    },
    schedule::Held,
};

/// The result of a plan.
#[derive(Debug)]
pub enum Outcome {
    /// The object stays; the operator writes its status.
    Kept(Kept),
    /// The finalizer is removed; there is no status to write.
    Released {
        /// The call that was made.
        request: Option<LastRequest>,
        /// Events.
        notes: Vec<Note>,
    },
}

/// What was done for an object that stays.
#[derive(Debug)]
pub struct Kept {
    /// What to report.
    pub verdict: Verdict,
    /// Why `status.applied` changes, if it does.
    pub applied: Option<AppliedReason>,
    /// The call that was made.
    pub request: Option<LastRequest>,
    /// The schedule that the write replaced.
    pub replaced: Option<Held>,
    /// Events.
    pub notes: Vec<Note>,
}

impl Kept {
    /// Nothing was done.
    pub fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            applied: None,
            request: None,
            replaced: None,
            notes: Vec::new(),
        }
    }
}

/// The verdict when the portal holds the wanted schedule.
pub fn in_sync() -> Verdict {
    Verdict::new(
        Reason::InSync,
        "The portal holds the schedule as the manifest says",
    )
}
