//! The result of a plan.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{AppliedReason, DocSpaceBackupScheduleSpec, LastRequest, Operation},
    portal::PortalError,
    rules::{
        drift::{accepted_now, not_shown},
        facts::{Asked, Facts},
        lost_write::LostWrite,
        note::Note,
        plan::Write,
        reason::{Reason, Verdict},
    },
    schedule::{Held, Schedule},
};

/// The result of a plan.
#[derive(Debug)]
pub enum Outcome {
    /// The object stays; the operator writes its status.
    Kept(Kept),
    /// The finalizer is removed; there is no status to write.
    Released {
        /// The call that was made.
        request: Option<LastRequest>,
        /// Events.
        notes: Vec<Note>,
    },
    /// Kubernetes does not know the object. The watch should tell its end; if it does not, the answer was wrong, such as
    /// that of an API server that starts and does not know the CRD yet.
    NotFound,
}

/// What was done for an object that stays.
#[derive(Debug)]
pub struct Kept {
    /// What to report.
    pub verdict: Verdict,
    /// Why `status.applied` changes, if it does.
    pub applied: Option<AppliedReason>,
    /// The call that was made.
    pub request: Option<LastRequest>,
    /// The schedule that the write replaced.
    pub replaced: Option<Held>,
    /// Events.
    pub notes: Vec<Note>,
}

impl Kept {
    /// Nothing was done.
    pub fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            applied: None,
            request: None,
            replaced: None,
            notes: Vec::new(),
        }
    }

    /// The DELETE did not remove the schedule. Nor did it settle a write before it whose outcome is unknown.
    pub fn not_deleted(verdict: Verdict, request: LastRequest, lost: LostWrite) -> Self {
        Self {
            request: Some(LastRequest {
                outcome_unknown: lost != LostWrite::None,
                ..request
            }),
            ..Self::of(verdict)
        }
    }
}

/// The verdict when the portal holds the wanted schedule.
pub fn in_sync() -> Verdict {
    Verdict::new(
        Reason::InSync,
        "The portal holds the schedule as the manifest says",
    )
}

/// The verdict of a suspended object.
pub fn suspended() -> Verdict {
    Verdict::new(
        Reason::Suspended,
        "spec.suspend is true: the operator makes no call to the portal",
    )
}

/// What the portal's answer to a POST and the GET after it show together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The portal refused it, and will not carry it out.
    Refused,
    /// The portal shows the schedule.
    Shown,
    /// The portal accepted it and does not show it yet.
    Accepted,
    /// Nobody knows.
    Lost,
}

impl Sent {
    /// What became of a POST of this schedule. `held` is what the GET after it showed; a refused one needs none.
    pub fn of(posted: &Result<(), PortalError>, wanted: &Schedule, held: &Asked<Option<Held>>) -> Self {
        let is_equal = |held: &Option<Held>| {
            let held = held.as_ref().map(|held| &held.schedule);
            wanted.difference(held).is_empty()
        };
        match posted {
            Err(error) if error.failure.is_definite_for_a_write() => Self::Refused,
            _ if held.answer().is_some_and(is_equal) => Self::Shown,
            Ok(()) => Self::Accepted,
            Err(_) => Self::Lost,
        }
    }

    /// What is reported of the POST, and of the GET after it; `now` is the operator's clock.
    pub fn kept(
        self,
        posted: &Result<(), PortalError>,
        write: &Write,
        facts: &Facts<'_>,
        now: Timestamp,
    ) -> Kept {
        let mut request = request(facts.spec, Operation::CreateSchedule, posted.as_ref().err(), now);
        request.outcome_unknown = self == Self::Lost;
        let verdict = match (self, posted, &facts.held) {
            (Self::Shown, ..) => in_sync(),
            (Self::Lost, Err(error), _) => outcome_unknown(error),
            (_, Err(error), _) | (_, Ok(()), Asked::Failed(error)) => error.into(),
            (_, Ok(()), _) => not_shown(&accepted_now(now), now),
        };
        let replaced = (self != Self::Refused).then(|| write.over.clone());
        Kept {
            applied: matches!(self, Self::Shown | Self::Accepted).then_some(write.reason),
            request: Some(request),
            replaced: replaced.flatten(),
            ..Kept::of(verdict)
        }
    }
}

fn outcome_unknown(error: &PortalError) -> Verdict {
    Verdict::new(
        Reason::OutcomeUnknown,
        format!(
            "{error}. DocSpace may still carry out the write, so the operator reads the portal and writes again after ten \
             minutes at the earliest"
        ),
    )
}

/// The verdict while a schedule may be left, from the answer to its DELETE and the GET after it; `None` once it is gone.
pub fn left_after_deletion(
    deleted: &Result<(), PortalError>,
    seen: &Result<Option<Held>, PortalError>,
) -> Option<Verdict> {
    match (deleted, seen) {
        (_, Ok(None)) | (Ok(()), Err(_)) => None,
        (Err(error), _) => Some(error.into()),
        (Ok(()), Ok(Some(_))) => Some(Verdict::new(
            Reason::OutcomeUnknown,
            "The portal accepted the deletion but still shows the schedule; the operator retries",
        )),
    }
}

/// The record of a call that was just answered; `now` is the operator's clock.
pub fn request(
    spec: &DocSpaceBackupScheduleSpec,
    operation: Operation,
    error: Option<&PortalError>,
    now: Timestamp,
) -> LastRequest {
    LastRequest {
        operation,
        time: Time(now),
        url: Some(spec.portal.url.clone()),
        host_header: spec.portal.host_header.clone(),
        dump: spec.dump,
        status_code: error.map_or(Some(200), |error| error.status).map(i32::from),
        message: error.map_or_else(|| "Accepted by the portal".into(), ToString::to_string),
        outcome_unknown: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        portal::{Access, Address, Failure},
        rules::sample,
    };

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().expect("a time")
    }

    fn spec(hour: i32) -> DocSpaceBackupScheduleSpec {
        let mut spec = sample::object(&json!({"name": "nightly"}), &json!(null)).spec;
        spec.portal.host_header = Some("docs.test".into());
        spec.cron_params.hour = hour;
        spec
    }

    fn held(hour: i32) -> Held {
        Held {
            schedule: Schedule::without_secrets(&spec(hour)),
            last_backup_time: None,
        }
    }

    fn failed(failure: Failure, status: Option<u16>) -> PortalError {
        PortalError {
            failure,
            status,
            message: "what happened".into(),
            date: None,
            retry_after: None,
        }
    }

    #[test]
    fn a_post_is_what_its_answer_and_the_look_after_it_say() {
        let wanted = Schedule::without_secrets(&spec(3));
        let shown = || Asked::Answered(Some(held(3)));
        let other = || Asked::Answered(Some(held(9)));
        let refused = || Err(failed(Failure::Rejected, Some(400)));
        let lost = || Err(failed(Failure::TimedOut, None));
        for (posted, look, expected) in [
            (Ok(()), shown(), Sent::Shown),
            (Ok(()), other(), Sent::Accepted),
            (Ok(()), Asked::Answered(None), Sent::Accepted),
            (Ok(()), Asked::NotYet, Sent::Accepted),
            (lost(), shown(), Sent::Shown),
            (lost(), other(), Sent::Lost),
            (lost(), Asked::NotYet, Sent::Lost),
            (refused(), shown(), Sent::Refused),
            (refused(), Asked::NotYet, Sent::Refused),
        ] {
            assert_eq!(Sent::of(&posted, &wanted, &look), expected, "{posted:?} {look:?}");
        }
    }

    #[test]
    fn what_is_reported_of_a_post() {
        let spec = spec(3);
        let write = Write {
            reason: AppliedReason::Changed,
            access: Access {
                namespace: "docspace".into(),
                address: Address::parse("https://p.test", Some("docs.test")).expect("an address"),
                key: "key".to_owned().into(),
                ca: None,
            },
            wanted: Schedule::without_secrets(&spec),
            over: Some(held(9)),
        };
        let kept = |sent: Sent, posted: Result<(), PortalError>, look: Asked<Option<Held>>| {
            let facts = Facts {
                held: look,
                ..Facts::new(&spec, now())
            };
            let kept = sent.kept(&posted, &write, &facts, now());
            let request = kept.request.expect("a request");
            assert_eq!(
                (request.url.as_deref(), request.time.0),
                (Some("https://p.test"), now())
            );
            assert_eq!(
                (request.host_header.as_deref(), request.dump),
                (Some("docs.test"), false)
            );
            let of_request = (request.status_code, request.outcome_unknown);
            (
                kept.verdict.reason,
                kept.applied,
                of_request,
                kept.replaced.is_some(),
            )
        };
        let changed = Some(AppliedReason::Changed);
        let look = |hour| Asked::Answered(Some(held(hour)));
        let lost = || Err(failed(Failure::Proxy, Some(504)));
        assert_eq!(
            kept(Sent::Shown, Ok(()), look(3)),
            (Reason::InSync, changed, (Some(200), false), true)
        );
        assert_eq!(
            kept(Sent::Shown, lost(), look(3)),
            (Reason::InSync, changed, (Some(504), false), true)
        );
        assert_eq!(
            kept(Sent::Accepted, Ok(()), look(9)),
            (Reason::Verifying, changed, (Some(200), false), true)
        );
        let unread = Asked::Failed(failed(Failure::TimedOut, None));
        assert_eq!(
            kept(Sent::Accepted, Ok(()), unread),
            (Reason::TimedOut, changed, (Some(200), false), true)
        );
        assert_eq!(
            kept(Sent::Lost, lost(), look(9)),
            (Reason::OutcomeUnknown, None, (Some(504), true), true)
        );
        let refused = Err(failed(Failure::Rejected, Some(400)));
        assert_eq!(
            kept(Sent::Refused, refused, Asked::NotYet),
            (Reason::Rejected, None, (Some(400), false), false)
        );
    }

    #[test]
    fn a_schedule_is_gone_when_the_portal_shows_none_or_deleted_it() {
        let failed = || failed(Failure::Connect, None);
        let reason = |deleted, seen| left_after_deletion(&deleted, &seen).map(|verdict| verdict.reason);
        assert_eq!(reason(Ok(()), Ok(None)), None);
        assert_eq!(reason(Err(failed()), Ok(None)), None, "somebody deleted it");
        assert_eq!(reason(Ok(()), Err(failed())), None, "its answer is enough");
        assert_eq!(reason(Ok(()), Ok(Some(held(3)))), Some(Reason::OutcomeUnknown));
        for seen in [Ok(Some(held(3))), Err(failed())] {
            assert_eq!(reason(Err(failed()), seen), Some(Reason::Unreachable));
        }
    }

    #[test]
    fn a_deletion_that_fails_settles_no_write_before_it() {
        let kept = |lost| {
            let verdict = Verdict::new(Reason::Unreachable, "gone");
            let request = request(&spec(3), Operation::DeleteSchedule, None, now());
            Kept::not_deleted(verdict, request, lost)
        };
        let unknown = |lost| kept(lost).request.map(|request| request.outcome_unknown);
        assert_eq!(unknown(LostWrite::None), Some(false));
        assert_eq!(unknown(LostWrite::Recorded { time: now() }), Some(true));
    }
}
