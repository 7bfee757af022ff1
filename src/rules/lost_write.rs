//! A write to the portal whose outcome is not known.

use jiff::{SignedDuration, Timestamp};

use crate::api::{AppliedReason, Status};

/// DocSpace may carry out a write for 327 s after its client has gone (R 376); no other is sent meanwhile.
const MAY_LAND_FOR: SignedDuration = SignedDuration::from_mins(10);

/// The two clocks of a reconcile.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// The portal's, or the operator's until the portal has answered.
    pub portal: Timestamp,
    /// The operator's.
    pub operator: Timestamp,
}

/// The last write whose outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostWrite {
    /// There is none.
    None,
    /// This process made it.
    Ours {
        /// When it was given up, by the operator's clock.
        since: Timestamp,
        /// Why it was made.
        reason: AppliedReason,
        /// It was of what is wanted now.
        is_wanted: bool,
    },
    /// The status records it: another process may have made it.
    Recorded {
        /// By the portal's clock, as that process saw it.
        time: Timestamp,
    },
}

impl LostWrite {
    /// The one that the status records, if any.
    pub fn recorded(status: &Status) -> Self {
        let request = status.last_request.as_ref();
        match request.filter(|request| request.outcome_unknown) {
            Some(request) => Self::Recorded { time: request.time.0 },
            None => Self::None,
        }
    }

    /// Whether the portal may still carry it out.
    pub fn may_still_land(&self, clocks: &Clocks) -> bool {
        match *self {
            Self::None => false,
            Self::Ours { since, .. } => clocks.operator.duration_since(since) < MAY_LAND_FOR,
            // The portal's clock may stand still, and this operator's need not be that of the process that wrote.
            Self::Recorded { time } => [clocks.portal, clocks.operator]
                .iter()
                .all(|now| now.duration_since(time).abs() < MAY_LAND_FOR),
        }
    }
}
