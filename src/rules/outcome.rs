//! The result of a plan.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{AppliedReason, LastRequest, Operation},
    portal::PortalError,
    rules::{
        drift::{accepted_now, not_shown},
        facts::{Asked, Facts},
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
        let mut request = request(facts, Operation::CreateSchedule, posted.as_ref().err());
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
    Verdict {
        status: error.status,
        ..Verdict::new(
            Reason::OutcomeUnknown,
            format!(
                "{error}. DocSpace may still carry out the write, so the operator reads the portal and writes again \
                 after ten minutes at the earliest"
            ),
        )
    }
}

/// The record of a call that was just answered, by the portal's clock.
pub fn request(facts: &Facts<'_>, operation: Operation, error: Option<&PortalError>) -> LastRequest {
    let spec = facts.spec;
    LastRequest {
        operation,
        time: Time(facts.now),
        url: Some(spec.portal.url.clone()),
        host_header: spec.portal.host_header.clone(),
        dump: spec.dump,
        status_code: error.map_or(Some(200), |error| error.status).map(i32::from),
        message: error.map_or_else(|| "Accepted by the portal".into(), ToString::to_string),
        outcome_unknown: false,
    }
}
