//! What came of a plan: what to say, and what was done.

use crate::{
    api::{AppliedReason, LastRequest},
    rules::{
        note::Note,
        reason::{Reason, Verdict},
    },
    schedule::Held,
};

/// What was done, and what came of it.
#[derive(Debug)]
pub struct Deed {
    /// What to say.
    pub verdict: Verdict,
    /// The slot became this object's, or what it applied changed.
    pub applied: Option<AppliedReason>,
    /// The call that was made.
    pub request: Option<LastRequest>,
    /// What was written over.
    pub replaced: Option<Held>,
    /// What to tell in Events.
    pub notes: Vec<Note>,
    /// The finalizer is off: there is nothing left to report on.
    pub released: bool,
}

impl Deed {
    /// Nothing was done.
    pub fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            applied: None,
            request: None,
            replaced: None,
            notes: Vec::new(),
            released: false,
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
