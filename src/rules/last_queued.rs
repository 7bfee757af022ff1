//! When a portal last queued a backup of its schedule.

use jiff::Timestamp;

use crate::{api::ShownSchedule, schedule::Held};

/// The lastBackupTime that a portal showed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastQueued {
    /// The portal showed no schedule.
    #[default]
    NoSchedule,
    /// Never since the last write, which clears it (trap 2).
    Never,
    /// At this time, by the portal's clock.
    At(Timestamp),
}

impl LastQueued {
    /// From the schedule in the status.
    pub fn shown(observed: Option<&ShownSchedule>) -> Self {
        observed.map_or(Self::NoSchedule, |observed| {
            observed.last_backup_time.as_ref().map(|time| time.0).into()
        })
    }

    /// `self`, or `other` if no schedule was seen.
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::NoSchedule => other,
            seen => seen,
        }
    }

    /// The time, if there is one.
    pub fn time(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::NoSchedule | Self::Never => None,
        }
    }
}

impl From<Option<Timestamp>> for LastQueued {
    /// From the lastBackupTime of a schedule that was seen.
    fn from(last: Option<Timestamp>) -> Self {
        last.map_or(Self::Never, Self::At)
    }
}

impl From<&Held> for LastQueued {
    fn from(held: &Held) -> Self {
        held.last_backup_time.into()
    }
}
