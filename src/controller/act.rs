//! Step 3, act: at most one write to the portal, then a read that shows its result.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{ResourceExt, api::ObjectMeta};

use crate::{
    api::{AppliedReason, DocSpaceBackupSchedule, LastRequest, Operation},
    controller::{error::Error, finalizer, index::slot::key_of, metrics::WriteReason, observe::Observation},
    portal::{Portal, PortalError},
    rules::{
        decide::{deletion::give_up, not_converging},
        events::after_write,
        facts::Asked,
        lost_write::LostWrite,
        memory::{Lost, Written},
        note::Note,
        outcome::{Kept, Outcome, in_sync},
        plan::{Plan, Write},
        reason::{Reason, Verdict},
    },
    schedule::{Held, Schedule, timetable::Timetable},
};

/// Carries out a plan.
///
/// # Errors
/// Kubernetes refused the finalizer, or the object changed meanwhile.
pub async fn act(observation: &mut Observation<'_>, plan: Plan) -> Result<Outcome, Error> {
    let kept = match plan {
        Plan::Nothing => {
            observation.settled();
            Kept::of(in_sync())
        }
        Plan::Refuse(verdict) => Kept::of(verdict),
        Plan::Suspend => Kept::of(Verdict::new(
            Reason::Suspended,
            "spec.suspend is true: the operator makes no call to the portal",
        )),
        Plan::Adopt(reason) => adopt(observation, reason).await?,
        Plan::Write(plan) => match observation.portal(&plan.access) {
            Ok(portal) => write(observation, &portal, *plan).await?,
            Err(error) => Kept::of((&error).into()),
        },
        Plan::Delete { access } => match observation.portal(&access) {
            Ok(portal) => return delete(observation, &portal).await,
            Err(error) => Kept::of((&error).into()),
        },
        Plan::Release(left_behind) => return release(observation, left_behind).await,
    };
    Ok(Outcome::Kept(kept))
}

async fn adopt(observation: &mut Observation<'_>, reason: AppliedReason) -> Result<Kept, Error> {
    add_finalizer(observation).await?;
    observation.settled();
    let mut kept = Kept {
        applied: Some(reason),
        ..Kept::of(in_sync())
    };
    if reason == AppliedReason::Adopted {
        let note = "The portal already holds this schedule; the operator now manages it";
        kept.notes.push(Note::normal("ScheduleAdopted", note));
    }
    Ok(kept)
}

async fn write(observation: &mut Observation<'_>, portal: &Portal, plan: Write) -> Result<Kept, Error> {
    let Write {
        reason,
        wanted,
        over: replaced,
        ..
    } = plan;
    observation.check_still_wanted()?;
    add_finalizer(observation).await?;

    let answer = observation
        .context
        .within_grace(portal.create_schedule(&wanted))
        .await;
    let posted = observation.facts.take_time(answer);
    observation.context.metrics.written(reason, posted.as_ref().err());
    let mut request = request(
        Operation::CreateSchedule,
        posted.as_ref().err(),
        observation.facts.now,
    );
    if let Err(error) = &posted
        && error.failure.is_definite_for_a_write()
    {
        return Ok(Kept {
            request: Some(request),
            ..Kept::of(error.into())
        });
    }

    if posted.is_ok() {
        observation.memory.lost_write = None;
        observation.memory.accepted_write = observation.would_write();
    }

    let answer = observation
        .context
        .within_grace(portal.schedule(wanted.dump))
        .await;
    observation.facts.take_held(answer);
    let equal = matches!(
        &observation.facts.held,
        Asked::Answered(held) if wanted.difference(held.as_ref().map(|held| &held.schedule)).is_empty()
    );
    let verdict = match (&posted, &observation.facts.held) {
        _ if equal => {
            observation.settled();
            in_sync()
        }
        (Err(error), _) => outcome_unknown(error),
        (Ok(()), Asked::Failed(error)) => error.into(),
        (Ok(()), _) => not_converging(),
    };
    if posted.is_err() && !equal {
        observation.memory.lost_write = observation.would_write().map(|written| Lost {
            since: Timestamp::now(),
            reason,
            written,
        });
        request.outcome_unknown = true;
        return Ok(Kept {
            request: Some(request),
            replaced,
            ..Kept::of(verdict)
        });
    }
    let note = observation.written_note(reason, &wanted, replaced.as_ref());
    Ok(Kept {
        applied: Some(reason),
        request: Some(request),
        replaced,
        notes: vec![note],
        ..Kept::of(verdict)
    })
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

fn request(operation: Operation, error: Option<&PortalError>, now: Timestamp) -> LastRequest {
    LastRequest {
        operation,
        time: Time(now),
        status_code: error.map_or(Some(200), |error| error.status).map(i32::from),
        message: error.map_or_else(|| "Accepted by the portal".into(), ToString::to_string),
        outcome_unknown: false,
    }
}

async fn delete(observation: &mut Observation<'_>, portal: &Portal) -> Result<Outcome, Error> {
    observation.check_still_wanted()?;
    let dump = observation.object.spec.dump;
    let answer = observation
        .context
        .within_grace(portal.delete_schedule(dump))
        .await;
    let deleted = observation.facts.take_time(answer);
    let metrics = &observation.context.metrics;
    metrics.written(WriteReason::Deleted, deleted.as_ref().err());
    let request = request(
        Operation::DeleteSchedule,
        deleted.as_ref().err(),
        observation.facts.now,
    );
    let seen = observation.context.within_grace(portal.schedule(dump)).await;
    let gone = match (&deleted, observation.facts.take_time(seen)) {
        (_, Ok(held)) => held.is_none(),
        (Ok(()), Err(_)) => true,
        (Err(_), Err(_)) => false,
    };
    if gone {
        remove_finalizer(observation).await?;
        let note = Note::normal("ScheduleDeleted", "The operator deleted the portal's schedule");
        return Ok(Outcome::Released {
            request: Some(request),
            notes: vec![note],
        });
    }
    let verdict = match &deleted {
        Err(error) => error.into(),
        Ok(()) => Verdict::new(
            Reason::OutcomeUnknown,
            "The portal accepted the deletion but still shows the schedule; the operator retries",
        ),
    };
    match give_up(&observation.facts, &verdict) {
        Some(left_behind) => release(observation, Some(left_behind)).await,
        None => Ok(Outcome::Kept(Kept {
            request: Some(request),
            ..Kept::of(verdict)
        })),
    }
}

async fn release(observation: &mut Observation<'_>, left_behind: Option<String>) -> Result<Outcome, Error> {
    remove_finalizer(observation).await?;
    let notes = left_behind.map(|why| {
        let portal = &observation.object.spec.portal.url;
        observation.context.metrics.left_behind();
        tracing::warn!(
            name = observation.object.name_any(),
            namespace = observation.object.namespace(),
            portal,
            why,
            "object released; a schedule may remain in the portal"
        );
        Note::warning(
            "ScheduleLeftBehind",
            format!(
                "A schedule may remain in the portal {portal}: {why}. Delete it there if nobody needs it"
            ),
        )
    });
    Ok(Outcome::Released {
        request: None,
        notes: notes.into_iter().collect(),
    })
}

async fn add_finalizer(observation: &mut Observation<'_>) -> Result<(), Error> {
    if observation.facts.finalizer {
        return Ok(());
    }
    let api = observation.context.api(observation.object);
    let patched = finalizer::add(&api, &observation.object.metadata).await?;
    observation.wrote(patched.metadata);
    observation.facts.finalizer = true;
    Ok(())
}

async fn remove_finalizer(observation: &mut Observation<'_>) -> Result<(), Error> {
    let api = observation.context.api(observation.object);
    match finalizer::remove(&api, &observation.object.metadata).await {
        Ok(patched) => observation.wrote(patched.metadata),
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

impl Observation<'_> {
    /// Updates the index with the metadata that a write returned.
    fn wrote(&self, metadata: ObjectMeta) {
        self.context.index.wrote(DocSpaceBackupSchedule {
            metadata,
            ..self.object.clone()
        });
    }

    /// The Event of a write, and what the portal does next.
    fn written_note(&self, reason: AppliedReason, wanted: &Schedule, replaced: Option<&Held>) -> Note {
        let zone = self.zone(wanted);
        let what = wanted.in_words(zone);
        let found = wanted
            .difference(replaced.map(|held| &held.schedule))
            .lines
            .join("; ");
        let times = zone.and_then(|zone| Timetable::new(wanted.into(), zone));
        let after = times.map_or("", |times| after_write(&times, self.facts.now));
        match (reason, replaced) {
            (AppliedReason::Created, None) => {
                Note::normal("ScheduleCreated", format!("The portal now holds {what}{after}"))
            }
            (AppliedReason::Created, Some(_)) => Note::normal(
                "ScheduleReplaced",
                format!(
                    "The portal now holds {what}, which replaced a different schedule (status.replaced; {found}){after}"
                ),
            ),
            (AppliedReason::Corrected, _) => Note::warning(
                "ScheduleCorrected",
                format!(
                    "Somebody had changed the portal's schedule; the operator restored it ({found}){after}"
                ),
            ),
            (AppliedReason::Recreated, _) => Note::warning(
                "ScheduleRecreated",
                format!(
                    "The portal had removed the schedule when it was due, probably because of a bill or a quota (see the \
                     portal's payments page); the operator restored it, which it does once a calendar month{after}"
                ),
            ),
            _ => Note::normal(
                "ScheduleChanged",
                format!("The portal now holds {what}; changed: {found}{after}"),
            ),
        }
    }

    /// The time zone in which the portal reads the hour, if it is known.
    fn zone(&self, wanted: &Schedule) -> Option<&str> {
        if wanted.dump {
            return Some("UTC");
        }
        let settings = self
            .facts
            .identity
            .as_ref()
            .and_then(|identity| identity.settings.as_ref());
        let told = settings.and_then(|settings| settings.time_zone.as_deref());
        let known = self
            .object
            .status
            .as_ref()
            .and_then(|status| status.time_zone.as_deref());
        told.or(known)
    }

    /// The write that this reconcile would make.
    fn would_write(&self) -> Option<Written> {
        self.memory
            .resolved
            .as_ref()
            .map(|(_, resolved)| Written::of(resolved))
    }

    /// Call when the portal holds the wanted schedule. A lost write of a different schedule may still be carried out.
    fn settled(&mut self) {
        let lost = &self.facts.lost_write;
        let is_wanted = matches!(lost, LostWrite::Ours { is_wanted: true, .. });
        if is_wanted || !lost.may_still_land(&self.facts.clocks()) {
            self.memory.lost_write = None;
        }
        self.memory.accepted_write = None;
        self.memory.secret_changed = false;
    }

    /// The reads may have taken long, so the object may have changed meanwhile.
    fn check_still_wanted(&self) -> Result<(), Error> {
        let newest = self.context.index.newest(&key_of(self.object));
        let newest = newest
            .as_ref()
            .and_then(|newest| newest.0.as_ref().ok())
            .map(|newest| &newest.metadata);
        let then = &self.object.metadata;
        let same = newest.is_some_and(|now| {
            now.uid == then.uid
                && now.generation == then.generation
                && now.deletion_timestamp == then.deletion_timestamp
        });
        if same { Ok(()) } else { Err(Error::Superseded) }
    }
}
