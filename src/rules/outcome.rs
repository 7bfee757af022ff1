//! What came of a plan.

use crate::{
    api::{AppliedReason, LastRequest},
    rules::{
        note::Note,
        reason::{Reason, Verdict},
    },
    schedule::Held,
};

/// What came of a plan.
#[derive(Debug)]
pub enum Outcome {
    /// The object stays: a status is written.
    Kept(Kept),
    /// The finalizer is off: there is nothing left to report on.
    Released {
        /// The call that was made.
        request: Option<LastRequest>,
        /// Events.
        notes: Vec<Note>,
    },
}

/// What was done about an object that stays.
#[derive(Debug)]
pub struct Kept {
    /// What to say.
    pub verdict: Verdict,
    /// The slot became this object's, or what it applied changed.
    pub applied: Option<AppliedReason>,
    /// The call that was made.
    pub request: Option<LastRequest>,
    /// What was written over.
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

/// The verdict of a portal that holds what is wanted.
pub fn in_sync() -> Verdict {
    Verdict::new(
        Reason::InSync,
        "The portal holds the schedule as the manifest says",
    )
}
