//! Step 3, act: at most one write to the portal, then a look at what it did.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{ResourceExt, api::ObjectMeta};

use crate::{
    api::{AppliedReason, DocSpaceBackupSchedule, LastRequest, Operation},
    controller::{error::Error, finalizer, index::slot::key_of, metrics::WriteReason, observe::Look},
    portal::{Portal, PortalError},
    rules::{
        decide::{deletion::give_up, not_converging},
        events::after_write,
        facts::Asked,
        lost_write::LostWrite,
        memory::{Lost, Written},
        note::Note,
        outcome::{Deed, in_sync},
        plan::{Plan, Write},
        reason::{Reason, Verdict},
    },
    schedule::{Held, Schedule, timetable::Times},
};

/// Carries out a plan.
///
/// # Errors
/// Kubernetes refused the finalizer.
pub async fn act(look: &mut Look<'_>, plan: Plan) -> Result<Deed, Error> {
    match plan {
        Plan::Nothing => {
            look.settled();
            Ok(Deed::of(in_sync()))
        }
        Plan::Refuse(verdict) => Ok(Deed::of(verdict)),
        Plan::Suspend => Ok(Deed::of(Verdict::new(
            Reason::Suspended,
            "spec.suspend is true: the portal is left alone",
        ))),
        Plan::Adopt(reason) => adopt(look, reason).await,
        Plan::Write(plan) => match look.portal(&plan.access) {
            Ok(portal) => write(look, &portal, *plan).await,
            Err(error) => Ok(Deed::of((&error).into())),
        },
        Plan::Delete { access } => match look.portal(&access) {
            Ok(portal) => delete(look, &portal).await,
            Err(error) => Ok(Deed::of((&error).into())),
        },
        Plan::Release(left_behind) => release(look, left_behind).await,
    }
}

async fn adopt(look: &mut Look<'_>, reason: AppliedReason) -> Result<Deed, Error> {
    add_finalizer(look).await?;
    look.settled();
    let mut deed = Deed {
        applied: Some(reason),
        ..Deed::of(in_sync())
    };
    if reason == AppliedReason::Adopted {
        let note = "The portal holds the schedule already; it is looked after from now on";
        deed.notes.push(Note::normal("ScheduleAdopted", note));
    }
    Ok(deed)
}

async fn write(look: &mut Look<'_>, portal: &Portal, plan: Write) -> Result<Deed, Error> {
    let Write {
        reason,
        wanted,
        over: replaced,
        ..
    } = plan;
    look.check_still_wanted()?;
    add_finalizer(look).await?;

    let answer = look.context.within_grace(portal.create_schedule(&wanted)).await;
    let posted = look.facts.take_time(answer);
    look.context.metrics.written(reason, posted.as_ref().err());
    let mut request = request(Operation::CreateSchedule, posted.as_ref().err(), look.facts.now);
    if let Err(error) = &posted
        && error.failure.is_definite_for_a_write()
    {
        return Ok(Deed {
            request: Some(request),
            ..Deed::of(error.into())
        });
    }

    if posted.is_ok() {
        look.memory.lost_write = None;
        look.memory.accepted_write = look.would_write();
    }

    let answer = look.context.within_grace(portal.schedule(wanted.dump)).await;
    look.facts.take_held(answer);
    let equal = matches!(
        &look.facts.held,
        Asked::Answered(held) if wanted.difference(held.as_ref().map(|held| &held.schedule)).is_empty()
    );
    let verdict = match (&posted, &look.facts.held) {
        _ if equal => {
            look.settled();
            in_sync()
        }
        (Err(error), _) => outcome_unknown(error),
        (Ok(()), Asked::Failed(error)) => error.into(),
        (Ok(()), _) => not_converging(),
    };
    if posted.is_err() && !equal {
        look.memory.lost_write = look.would_write().map(|written| Lost {
            since: Timestamp::now(),
            reason,
            written,
        });
        request.outcome_unknown = true;
        return Ok(Deed {
            request: Some(request),
            replaced,
            ..Deed::of(verdict)
        });
    }
    let note = look.written_note(reason, &wanted, replaced.as_ref());
    Ok(Deed {
        applied: Some(reason),
        request: Some(request),
        replaced,
        notes: vec![note],
        ..Deed::of(verdict)
    })
}

fn outcome_unknown(error: &PortalError) -> Verdict {
    Verdict {
        status: error.status,
        ..Verdict::new(
            Reason::OutcomeUnknown,
            format!(
                "{error}; DocSpace may still carry the write out, so the portal is looked at, and written to \
                     again after ten minutes at the earliest"
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

async fn delete(look: &mut Look<'_>, portal: &Portal) -> Result<Deed, Error> {
    look.check_still_wanted()?;
    let dump = look.object.spec.dump;
    let answer = look.context.within_grace(portal.delete_schedule(dump)).await;
    let deleted = look.facts.take_time(answer);
    let metrics = &look.context.metrics;
    metrics.written(WriteReason::Deleted, deleted.as_ref().err());
    let request = request(Operation::DeleteSchedule, deleted.as_ref().err(), look.facts.now);
    let seen = look.context.within_grace(portal.schedule(dump)).await;
    let gone = match (&deleted, look.facts.take_time(seen)) {
        (_, Ok(held)) => held.is_none(),
        (Ok(()), Err(_)) => true,
        (Err(_), Err(_)) => false,
    };
    if gone {
        remove_finalizer(look).await?;
        let note = Note::normal("ScheduleDeleted", "The portal's schedule has been deleted");
        return Ok(Deed {
            request: Some(request),
            released: true,
            notes: vec![note],
            ..Deed::of(in_sync())
        });
    }
    let verdict = match &deleted {
        Err(error) => error.into(),
        Ok(()) => Verdict::new(
            Reason::OutcomeUnknown,
            "The portal accepted the deletion, and still shows the schedule",
        ),
    };
    match give_up(&look.facts, &verdict) {
        Some(left_behind) => release(look, Some(left_behind)).await,
        None => Ok(Deed {
            request: Some(request),
            ..Deed::of(verdict)
        }),
    }
}

async fn release(look: &mut Look<'_>, left_behind: Option<String>) -> Result<Deed, Error> {
    remove_finalizer(look).await?;
    let notes = left_behind.map(|why| {
        let portal = &look.object.spec.portal.url;
        look.context.metrics.left_behind();
        tracing::warn!(
            name = look.object.name_any(),
            namespace = look.object.namespace(),
            portal,
            why,
            "released; the portal's schedule, if there is one, stays"
        );
        Note::warning(
            "ScheduleLeftBehind",
            format!("A schedule may stay in the portal {portal}: {why}"),
        )
    });
    Ok(Deed {
        released: true,
        notes: notes.into_iter().collect(),
        ..Deed::of(in_sync())
    })
}

async fn add_finalizer(look: &mut Look<'_>) -> Result<(), Error> {
    if look.facts.finalizer {
        return Ok(());
    }
    let api = look.context.api(look.object);
    let patched = finalizer::add(&api, &look.object.metadata).await?;
    look.wrote(patched.metadata);
    look.facts.finalizer = true;
    Ok(())
}

async fn remove_finalizer(look: &mut Look<'_>) -> Result<(), Error> {
    let api = look.context.api(look.object);
    match finalizer::remove(&api, &look.object.metadata).await {
        Ok(patched) => look.wrote(patched.metadata),
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

impl Look<'_> {
    /// Keeps what a write of the object's metadata returned.
    fn wrote(&self, metadata: ObjectMeta) {
        self.context.objects.wrote(DocSpaceBackupSchedule {
            metadata,
            ..self.object.clone()
        });
    }

    /// What was written, and what the portal makes of it.
    fn written_note(&self, reason: AppliedReason, wanted: &Schedule, replaced: Option<&Held>) -> Note {
        let zone = self.zone(wanted);
        let what = wanted.in_words(zone);
        let found = wanted
            .difference(replaced.map(|held| &held.schedule))
            .lines
            .join("; ");
        let times = zone.and_then(|zone| Times::new(wanted.into(), zone));
        let after = times.map_or("", |times| after_write(&times, self.facts.now));
        match (reason, replaced) {
            (AppliedReason::Created, None) => {
                Note::normal("ScheduleCreated", format!("The portal now holds {what}{after}"))
            }
            (AppliedReason::Created, Some(_)) => Note::normal(
                "ScheduleReplaced",
                format!("The portal now holds {what}, in place of another schedule ({found}){after}"),
            ),
            (AppliedReason::Corrected, _) => Note::warning(
                "ScheduleCorrected",
                format!("Somebody had changed the portal's schedule; it was put back ({found}){after}"),
            ),
            (AppliedReason::Recreated, _) => Note::warning(
                "ScheduleRecreated",
                format!(
                    "The portal itself had removed the schedule when it came due, over a bill or a quota for all that \
                     is known; it was restored, which is done once a calendar month{after}"
                ),
            ),
            _ => Note::normal(
                "ScheduleChanged",
                format!("The portal now holds {what}; changed: {found}{after}"),
            ),
        }
    }

    /// The zone that the portal reads the hour in, as far as it is known.
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

    /// What a write of this look would write.
    fn would_write(&self) -> Option<Written> {
        self.memory
            .resolved
            .as_ref()
            .map(|(_, resolved)| Written::of(resolved))
    }

    /// The portal holds what is wanted. A lost write of something else may still be carried out.
    fn settled(&mut self) {
        let lost = &self.facts.lost_write;
        let is_wanted = matches!(lost, LostWrite::Ours { is_wanted: true, .. });
        if is_wanted || !lost.may_still_land(&self.facts.clocks()) {
            self.memory.lost_write = None;
        }
        self.memory.accepted_write = None;
        self.memory.secret_changed = false;
    }

    /// The look may have taken long: what the object says may have changed since.
    fn check_still_wanted(&self) -> Result<(), Error> {
        let newest = self.context.objects.newest(&key_of(self.object));
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
