//! The reasons of BackupFresh.

use strum::{EnumIter, IntoStaticStr};

/// The reasons of BackupFresh. A closed list; docs/conditions.md explains each.
#[derive(Clone, Copy, Debug, EnumIter, IntoStaticStr, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is explained where `judge` names it")]
pub enum Freshness {
    BackupFound,
    NotDueYet,
    Running,
    Confirming,
    NoEvidence,
    Overdue,
    Failed,
    Vanished,
    Dropped,
    NeverStarts,
    StartsLate,
    StorageCannotBackUp,
}

impl Freshness {
    /// The status of the condition.
    pub const fn status(self) -> &'static str {
        match self {
            Self::BackupFound => "True",
            Self::NotDueYet | Self::Running | Self::Confirming | Self::NoEvidence => "Unknown",
            Self::Overdue
            | Self::Failed
            | Self::Vanished
            | Self::Dropped
            | Self::NeverStarts
            | Self::StartsLate
            | Self::StorageCannotBackUp => "False",
        }
    }
}

impl std::fmt::Display for Freshness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}
