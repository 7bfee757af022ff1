//! When a portal last queued a backup of the schedule that it holds.

use jiff::Timestamp;

use crate::{api::ShownSchedule, schedule::Held};

/// The lastBackupTime of the schedule that a portal was last seen to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastQueued {
    /// It was not seen to hold one.
    #[default]
    NoSchedule,
    /// Never since the last write, which clears it (trap 2).
    Never,
    /// At this time, by the portal's clock.
    At(Timestamp),
}

impl LastQueued {
    /// As the status shows it.
    pub fn shown(observed: Option<&ShownSchedule>) -> Self {
        observed.map_or(Self::NoSchedule, |observed| {
            observed.last_backup_time.as_ref().map(|time| time.0).into()
        })
    }

    /// This, or else the other, where no schedule was seen.
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::NoSchedule => other,
            seen => seen,
        }
    }

    /// The time, where there is one.
    pub fn time(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::NoSchedule | Self::Never => None,
        }
    }
}

impl From<Option<Timestamp>> for LastQueued {
    /// Of a schedule that was seen.
    fn from(last: Option<Timestamp>) -> Self {
        last.map_or(Self::Never, Self::At)
    }
}

impl From<&Held> for LastQueued {
    fn from(held: &Held) -> Self {
        held.last_backup_time.into()
    }
}
