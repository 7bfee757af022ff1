//! A write to the portal with an unknown outcome.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{AppliedReason, DocSpaceBackupScheduleSpec, LastRequest, Status},
    rules::ownership::leads_to,
};

/// DocSpace may carry out a write up to 327 s after its client disconnected (R 376). Until then no other is sent.
pub const MAY_LAND_FOR: SignedDuration = SignedDuration::from_mins(10);

/// The two clocks of a reconcile.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// The portal's, or the operator's until the portal has answered.
    pub portal: Timestamp,
    /// The operator's.
    pub operator: Timestamp,
}

/// The last write with an unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostWrite {
    /// There is none.
    None,
    /// This process made it.
    Ours {
        /// When the operator gave it up, by its own clock.
        since: Timestamp,
        /// Why the operator made it.
        reason: AppliedReason,
        /// It wrote the schedule that is wanted now.
        is_wanted: bool,
    },
    /// The status records it: another process may have made it.
    Recorded {
        /// When it was made, by the portal's clock as that process saw it.
        time: Timestamp,
    },
}

impl LostWrite {
    /// From the status, if it was a write to the portal that the spec names now.
    pub fn recorded(spec: &DocSpaceBackupScheduleSpec, status: &Status) -> Self {
        let here = |request: &&LastRequest| {
            let host = request.host_header.as_deref();
            let same = |url: &String| request.dump == spec.dump && leads_to(url, host, spec);
            request.outcome_unknown && request.url.as_ref().is_none_or(same)
        };
        match status.last_request.as_ref().filter(here) {
            Some(request) => Self::Recorded { time: request.time.0 },
            None => Self::None,
        }
    }

    /// The address of a write that the status records, if it is another than that of the spec.
    pub fn elsewhere(spec: &DocSpaceBackupScheduleSpec, status: &Status) -> Option<String> {
        let request = status
            .last_request
            .as_ref()
            .filter(|request| request.outcome_unknown)?;
        (Self::recorded(spec, status) == Self::None).then(|| request.address())?
    }

    /// Whether nothing of it is open once the portal holds the wanted schedule. A different one may still be carried out.
    pub fn is_settled(&self, clocks: &Clocks) -> bool {
        matches!(self, Self::Ours { is_wanted: true, .. }) || !self.may_still_land(clocks)
    }

    /// Whether the portal may still carry it out.
    pub fn may_still_land(&self, clocks: &Clocks) -> bool {
        match *self {
            Self::None => false,
            Self::Ours { since, .. } => clocks.operator.duration_since(since) < MAY_LAND_FOR,
            // Either clock alone may mislead: the portal's may stand still, and another process may have written.
            Self::Recorded { time } => [clocks.portal, clocks.operator]
                .iter()
                .all(|now| now.duration_since(time).abs() < MAY_LAND_FOR),
        }
    }
}
