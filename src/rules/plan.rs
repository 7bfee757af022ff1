//! What `decide` answers: the next fact to learn, or the plan.

use crate::{
    api::AppliedReason,
    portal::Access,
    rules::reason::Verdict,
    schedule::{Held, Schedule},
};

/// The next step of a reconcile.
#[derive(Clone, Debug)]
pub enum Step {
    /// Learn this fact, and decide again.
    Ask(Need),
    /// Nothing more is to be learnt: do this.
    Do(Plan),
}

impl Step {
    /// Leave things as they are, and say why.
    pub fn refuse(verdict: impl Into<Verdict>) -> Self {
        Self::Do(Plan::Refuse(verdict.into()))
    }
}

/// A fact that is wanted before a plan can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Whether the CRD is being deleted.
    CrdState,
    /// The Secrets: how to reach the portal, and the schedule that is wanted.
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

/// What to do, with all that it takes. A closed set.
#[derive(Clone, Debug)]
pub enum Plan {
    /// The portal holds what is wanted, and what must be recorded is recorded.
    Nothing,
    /// Record, without a write to the portal, that what it holds is this object's.
    Adopt(AppliedReason),
    /// Write the schedule.
    Write(Box<Write>),
    /// Leave things as they are, and say why.
    Refuse(Verdict),
    /// Make no call at all.
    Suspend,
    /// Delete the portal's schedule, then take the finalizer off.
    Delete {
        /// How to reach the portal.
        access: Access,
    },
    /// Take the finalizer off; what is left behind in the portal, if anything.
    Release(Option<String>),
}

/// A write, with all that it takes.
#[derive(Clone, Debug)]
pub struct Write {
    /// Why.
    pub reason: AppliedReason,
    /// How to reach the portal.
    pub access: Access,
    /// The schedule.
    pub wanted: Schedule,
    /// What the portal holds, and will no longer.
    pub over: Option<Held>,
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Adopt(reason) => write!(f, "adopt {reason:?}"),
            Self::Write(write) => write!(f, "write {:?}", write.reason),
            Self::Refuse(verdict) => write!(f, "refuse {}", verdict.reason),
            Self::Suspend => f.write_str("suspend"),
            Self::Delete { .. } => f.write_str("delete"),
            Self::Release(None) => f.write_str("release"),
            Self::Release(Some(_)) => f.write_str("release, left behind"),
        }
    }
}
