//! A write to the portal with an unknown outcome.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{AppliedReason, DocSpaceBackupScheduleSpec, LastRequest, Status},
    rules::ownership::leads_to,
};

/// DocSpace may carry out a write up to 327 s after its client disconnected (R 376). Until then no other is sent.
pub const MAY_LAND_FOR: SignedDuration = SignedDuration::from_mins(10);

/// The last write with an unknown outcome. All times are of the operator's clock: the portal's may jump or stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostWrite {
    /// There is none.
    None,
    /// This process made it.
    Ours {
        /// When the operator gave it up.
        since: Timestamp,
        /// Why the operator made it.
        reason: AppliedReason,
        /// It wrote the schedule that is wanted now.
        is_wanted: bool,
    },
    /// The status records it: another process may have made it.
    Recorded {
        /// When that process gave it up.
        time: Timestamp,
    },
}

impl LostWrite {
    /// From the status, if it was a write to the portal that the spec names now.
    pub fn recorded(spec: &DocSpaceBackupScheduleSpec, status: &Status) -> Self {
        let here = |request: &&LastRequest| {
            let host = request.host_header.as_deref();
            let same = |url: &String| request.dump == spec.dump && leads_to(url, host, spec);
            request.url.as_ref().is_none_or(same)
        };
        match status.lost_request().filter(here) {
            Some(request) => Self::Recorded { time: request.time.0 },
            None => Self::None,
        }
    }

    /// The address of a write that the status records, if it is another than that of the spec.
    pub fn elsewhere(spec: &DocSpaceBackupScheduleSpec, status: &Status) -> Option<String> {
        let request = status.lost_request()?;
        (Self::recorded(spec, status) == Self::None).then(|| request.address())?
    }

    /// Whether nothing of it is open once the portal holds the wanted schedule. A different one may still be carried out.
    pub fn is_settled(&self, now: Timestamp) -> bool {
        matches!(self, Self::Ours { is_wanted: true, .. }) || !self.may_still_land(now)
    }

    /// Whether the portal may still carry it out.
    pub fn may_still_land(&self, now: Timestamp) -> bool {
        match *self {
            Self::None => false,
            Self::Ours { since, .. } => now.duration_since(since) < MAY_LAND_FOR,
            // The clock of the process that wrote may be ahead.
            Self::Recorded { time } => now.duration_since(time).abs() < MAY_LAND_FOR,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::sample;

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().expect("a time")
    }

    fn spec(dump: bool) -> DocSpaceBackupScheduleSpec {
        let mut spec = sample::object(&json!({"name": "nightly"}), &json!(null)).spec;
        spec.portal.host_header = Some("docs.test".into());
        spec.dump = dump;
        spec
    }

    fn status(request: serde_json::Value) -> Status {
        let mut last = json!({"operation": "CreateSchedule", "time": now(), "message": "lost"});
        let fields = last.as_object_mut().expect("an object");
        fields.extend(request.as_object().expect("an object").clone());
        serde_json::from_value(json!({"lastRequest": last})).expect("a status")
    }

    #[test]
    fn a_recorded_write_counts_where_it_was_made() {
        let lost = |url: &str, host: &str, dump: bool| {
            status(json!({"outcomeUnknown": true, "url": url, "hostHeader": host, "dump": dump}))
        };
        let here = LostWrite::Recorded { time: now() };
        for (status, recorded, elsewhere) in [
            (lost("https://p.test:443/", "docs.test", false), here, None),
            (status(json!({"outcomeUnknown": true})), here, None),
            (
                lost("https://q.test", "docs.test", false),
                LostWrite::None,
                Some("https://q.test (Host docs.test)"),
            ),
            (
                lost("https://p.test", "other.test", false),
                LostWrite::None,
                Some("https://p.test (Host other.test)"),
            ),
            (
                lost("https://p.test", "docs.test", true),
                LostWrite::None,
                Some("https://p.test (Host docs.test)"),
            ),
            (
                status(json!({"outcomeUnknown": false, "url": "https://q.test"})),
                LostWrite::None,
                None,
            ),
            (Status::default(), LostWrite::None, None),
        ] {
            assert_eq!(LostWrite::recorded(&spec(false), &status), recorded, "{status:?}");
            let told = LostWrite::elsewhere(&spec(false), &status);
            assert_eq!(told.as_deref(), elsewhere, "{status:?}");
        }
    }

    #[test]
    fn a_write_may_land_for_ten_minutes() {
        let at = |seconds| now() + SignedDuration::from_secs(seconds);
        let may = |lost: LostWrite, seconds| lost.may_still_land(at(seconds));
        assert!(!may(LostWrite::None, 0));
        let ours = LostWrite::Ours {
            since: now(),
            reason: AppliedReason::Created,
            is_wanted: true,
        };
        assert!(may(ours, 599) && !may(ours, 600));
        // Another process may have made it, and its clock may differ from ours.
        let recorded = LostWrite::Recorded { time: now() };
        assert!(may(recorded, 599) && may(recorded, -599));
        assert!(!may(recorded, 600) && !may(recorded, -600));
    }

    #[test]
    fn a_portal_that_holds_what_is_wanted_settles_the_write_of_it() {
        let ours = |is_wanted| LostWrite::Ours {
            since: now(),
            reason: AppliedReason::Created,
            is_wanted,
        };
        let recorded = LostWrite::Recorded { time: now() };
        assert!(LostWrite::None.is_settled(now()) && ours(true).is_settled(now()));
        for other in [ours(false), recorded] {
            assert!(!other.is_settled(now()), "{other:?} may still be carried out");
            assert!(other.is_settled(now() + MAY_LAND_FOR), "{other:?}");
        }
    }
}
