//! Step 3, act: at most one write to the portal, then a read that shows its result.

use jiff::Timestamp;
use kube::api::ObjectMeta;

use crate::{
    api::{AppliedReason, DocSpaceBackupSchedule, Operation},
    controller::{
        error::Error, finalizer, index::Source, key::Key, left_behind::left_behind, metrics::WriteReason,
        observe::Observation, watched::Guarded,
    },
    portal::Portal,
    rules::{
        decide::deletion::give_up,
        events::after_write,
        facts::Asked,
        memory::Lost,
        note::Note,
        outcome::{Kept, Outcome, Sent, in_sync, left_after_deletion, request, suspended},
        ownership::may_be_at,
        plan::{Plan, Write},
    },
    schedule::{Held, Schedule, timetable::Timetable},
};

/// Carries out a plan.
///
/// # Errors
/// Kubernetes refused the finalizer, the object changed meanwhile, or others must be checked first.
pub async fn act(observation: &mut Observation<'_>, plan: Plan) -> Result<Outcome, Error> {
    if matches!(plan, Plan::Adopt(_) | Plan::Write(_) | Plan::Delete { .. }) {
        observation.let_others_go_first()?;
    }
    if may_be_at(observation.object).is_some() && observation.facts.deletion.is_none() {
        // A replacement of the object (PUT) removes it.
        add_finalizer(observation).await?;
    }
    let kept = match plan {
        Plan::Nothing => {
            observation.settled();
            Kept::of(in_sync())
        }
        Plan::Refuse(verdict) => Kept::of(verdict),
        Plan::Suspend => Kept::of(suspended()),
        Plan::Adopt(reason) => adopt(observation, reason).await?,
        Plan::Write(plan) => match observation.portal(&plan.access) {
            Ok(portal) => write(observation, &portal, *plan).await?,
            Err(error) => Kept::of((&error).into()),
        },
        Plan::Delete { access, left_behind } => match observation.portal(&access) {
            Ok(portal) => return delete(observation, &portal, left_behind).await,
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
    let wanted = &plan.wanted;
    observation.check_still_wanted()?;
    add_finalizer(observation).await?;

    let answer = observation
        .context
        .within_grace(portal.create_schedule(wanted))
        .await;
    let posted = observation.facts.take_time(answer);
    let metrics = &observation.context.metrics;
    metrics.written(plan.reason, posted.as_ref().err());
    if posted.is_ok() {
        observation.context.index.settle_write(observation.object);
        observation.memory.accepted_write = observation.memory.would_write().map(Box::new);
    }
    if Sent::of(&posted, wanted, &Asked::NotYet) != Sent::Refused {
        let answer = observation
            .context
            .within_grace(portal.schedule(wanted.dump))
            .await;
        observation.facts.take_held(answer);
    }
    let sent = Sent::of(&posted, wanted, &observation.facts.held);
    match sent {
        Sent::Shown => observation.settled(),
        Sent::Lost => observation.lose_write(plan.reason),
        Sent::Accepted | Sent::Refused => {}
    }
    let mut kept = sent.kept(&posted, &plan, &observation.facts, Timestamp::now());
    if kept.applied.is_some() {
        let note = observation.written_note(plan.reason, wanted, plan.over.as_ref());
        kept.notes.push(note);
    }
    Ok(kept)
}

async fn delete(
    observation: &mut Observation<'_>,
    portal: &Portal,
    left_behind: Option<String>,
) -> Result<Outcome, Error> {
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
        &observation.object.spec,
        Operation::DeleteSchedule,
        deleted.as_ref().err(),
        Timestamp::now(),
    );
    let seen = observation.context.within_grace(portal.schedule(dump)).await;
    let seen = observation.facts.take_time(seen);
    let Some(verdict) = left_after_deletion(&deleted, &seen) else {
        if !remove_finalizer(observation).await? {
            return Ok(Outcome::NotFound);
        }
        let note = Note::normal("ScheduleDeleted", "The operator deleted the portal's schedule");
        let left = left_behind.map(|why| observation.left_behind(&why));
        return Ok(Outcome::Released {
            request: Some(request),
            notes: std::iter::once(note).chain(left).collect(),
        });
    };
    match give_up(&observation.facts, &verdict) {
        Some(left_behind) => release(observation, Some(left_behind)).await,
        None => {
            let lost = observation.facts.lost_write;
            Ok(Outcome::Kept(Kept::not_deleted(verdict, request, lost)))
        }
    }
}

async fn release(observation: &mut Observation<'_>, left_behind: Option<String>) -> Result<Outcome, Error> {
    if !remove_finalizer(observation).await? {
        return Ok(Outcome::NotFound);
    }
    let notes = left_behind.map(|why| observation.left_behind(&why));
    Ok(Outcome::Released {
        request: None,
        notes: notes.into_iter().collect(),
    })
}

async fn add_finalizer(observation: &mut Observation<'_>) -> Result<(), Error> {
    if observation.facts.finalizer {
        return Ok(());
    }
    let _room = observation.context.room_for(observation.object).await;
    let api = observation.context.api(observation.object);
    let patched = finalizer::add(&api, &observation.object.metadata).await?;
    observation.wrote(patched.metadata);
    observation.facts.finalizer = true;
    Ok(())
}

/// Returns whether Kubernetes knows the object.
async fn remove_finalizer(observation: &mut Observation<'_>) -> Result<bool, Error> {
    let _room = observation.context.room_for(observation.object).await;
    let api = observation.context.api(observation.object);
    observation.context.index.released(&Key::of(observation.object));
    match finalizer::remove(&api, &observation.object.metadata).await {
        Ok(patched) => {
            observation.wrote(patched.metadata);
            observation.memory.released = true;
            Ok(true)
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl Observation<'_> {
    /// Keeps the write of this reconcile, whose outcome is unknown.
    fn lose_write(&self, reason: AppliedReason) {
        if let Some(written) = self.memory.would_write() {
            let lost = Lost {
                by: self.object.metadata.uid.clone(),
                since: Timestamp::now(),
                reason,
                written,
            };
            self.context.index.lose_write(self.object, lost);
        }
    }

    /// Reports that the object goes and its schedule may stay.
    fn left_behind(&self, why: &str) -> Note {
        let old = self.facts.old_address();
        let portal = old.unwrap_or_else(|| self.object.spec.portal.shown());
        left_behind(&self.context.metrics, &Key::of(self.object), &portal, why)
    }

    /// Updates the index with the metadata that a write returned.
    fn wrote(&self, metadata: ObjectMeta) {
        let bytes = self.context.bytes_of(self.actual);
        let object = Ok(DocSpaceBackupSchedule {
            metadata,
            ..self.actual.clone()
        });
        self.context
            .file(Guarded { object, bytes }, Source::WriteOfMetadata);
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
        let after = times.map_or_else(String::new, |times| after_write(&times, self.facts.now));
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

    /// Call when the portal holds the wanted schedule.
    fn settled(&mut self) {
        if self.facts.lost_write.is_settled(self.facts.local_now) {
            self.context.index.settle_write(self.object);
        }
        self.memory.shows_wanted();
    }

    /// The reads may have taken long, so the object may have changed meanwhile.
    fn check_still_wanted(&self) -> Result<(), Error> {
        if self.context.index.is_still_wanted(self.object) {
            Ok(())
        } else {
            Err(Error::Superseded)
        }
    }
}
