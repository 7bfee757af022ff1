//! The result of `decide`: the next fact to learn, or the plan.

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
    /// All facts are known: do this.
    Do(Plan),
}

impl Step {
    /// Change nothing, and report why.
    pub fn refuse(verdict: impl Into<Verdict>) -> Self {
        Self::Do(Plan::Refuse(verdict.into()))
    }
}

/// A fact that `decide` needs before it can name a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Whether the CRD is being deleted.
    CrdState,
    /// The Secrets: access to the portal, and the wanted schedule.
    Secrets,
    /// The Secrets that a deletion needs.
    Access,
    /// The portal's schedule.
    Schedule,
    /// The portal's settings and the key's own description.
    Identity,
    /// The running or last run.
    Progress,
    /// The history.
    Archives,
    /// The runs in the audit trail.
    Events,
    /// The portal's other schedule.
    OtherSchedule,
    /// Whether the audit trail shows a deletion of the schedule.
    Deletion,
    /// The free backups of the month.
    Bill,
}

/// What to do, with all data for it. A closed set.
#[derive(Clone, Debug)]
pub enum Plan {
    /// The portal holds the wanted schedule, and the status records it.
    Nothing,
    /// Record that this object owns the portal's schedule, without a write to the portal.
    Adopt(AppliedReason),
    /// Write the schedule.
    Write(Box<Write>),
    /// Change nothing, and report why.
    Refuse(Verdict),
    /// Make no call at all.
    Suspend,
    /// Delete the portal's schedule, then remove the finalizer.
    Delete {
        /// How to reach the portal.
        access: Access,
        /// Why a schedule may remain even then.
        left_behind: Option<String>,
    },
    /// Remove the finalizer. The text says why a schedule may remain in the portal.
    Release(Option<String>),
}

/// A write, with all data for it.
#[derive(Clone, Debug)]
pub struct Write {
    /// Why.
    pub reason: AppliedReason,
    /// How to reach the portal.
    pub access: Access,
    /// The schedule.
    pub wanted: Schedule,
    /// The schedule that the write replaces.
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
            Self::Delete {
                left_behind: None, ..
            } => f.write_str("delete"),
            Self::Delete { .. } => f.write_str("delete, left behind"),
            Self::Release(None) => f.write_str("release"),
            Self::Release(Some(_)) => f.write_str("release, left behind"),
        }
    }
}
