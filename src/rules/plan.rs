//! What `decide` answers: a plan, or the fact that it wants first.

use crate::{api::AppliedReason, rules::reason::Verdict};

/// A fact that is wanted before a plan can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Whether the CRD is being deleted.
    CrdState,
    /// The Secrets, and with them the schedule that is wanted.
    Secrets,
    /// The Secrets that a deletion takes.
    Access,
    /// The portal's schedule.
    Schedule,
    /// The portal's settings and the key's own description.
    Identity,
    /// The running or last run.
    Progress,
    /// The history.
    Archives,
    /// What the audit trail tells of runs.
    Events,
    /// The portal's other schedule.
    OtherSchedule,
    /// Whether the audit trail tells of a deletion.
    Deletion,
    /// The free backups of the month.
    Bill,
}

/// What to do. A closed set.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Learn this, and ask again.
    Observe(Need),
    /// The portal holds what is wanted, and what must be recorded is recorded.
    Nothing,
    /// Record, without a write to the portal, that what it holds is this object's.
    Adopt(AppliedReason),
    /// Write the schedule.
    Write(AppliedReason),
    /// Leave things as they are, and say why.
    Refuse(Verdict),
    /// Make no call at all.
    Suspend,
    /// Delete the portal's schedule, then take the finalizer off.
    Delete,
    /// Take the finalizer off; what is left behind in the portal, if anything.
    Release(Option<String>),
}
