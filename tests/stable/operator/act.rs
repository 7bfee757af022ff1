//! Act and publish.

use std::mem;

use docspace_backup_operator::{
    api::{AppliedReason, DocSpaceBackupSchedule, Operation, Status},
    controller::{Filed, Key, Source, finalizer, patch},
    portal::Access,
    rules::{
        decide::deletion::give_up,
        facts::Asked,
        memory::{Lost, Trigger},
        outcome::{Kept, Sent, in_sync, left_after_deletion, request, suspended},
        ownership::may_be_at,
        plan::{Plan, Write},
        retry::own_interval,
        status::digest::digest,
        summary::summary,
    },
};
use kube::api::Patch;
use serde_json::Value;

use super::{Next, Stopped, look::Look};
use crate::{claims::slot_of, kubernetes::Failed, story::Point};

impl Look<'_, '_, '_> {
    /// Carries out a plan; `None` if the object was released.
    pub fn act(&mut self, plan: Plan) -> Result<Option<Kept>, Stopped> {
        if matches!(plan, Plan::Adopt(_) | Plan::Write(_) | Plan::Delete { .. }) {
            self.let_others_go_first()?;
        }
        if may_be_at(self.object).is_some() && self.facts.deletion.is_none() {
            self.add_finalizer()?;
        }
        let kept = match plan {
            Plan::Nothing => {
                self.settled();
                Kept::of(in_sync())
            }
            Plan::Refuse(verdict) => Kept::of(verdict),
            Plan::Suspend => Kept::of(suspended()),
            Plan::Adopt(reason) => {
                self.add_finalizer()?;
                self.there.journal.adopts(self.object, self.there.installation);
                self.settled();
                Kept {
                    applied: Some(reason),
                    ..Kept::of(in_sync())
                }
            }
            Plan::Write(plan) => self.write(&plan)?,
            Plan::Delete { access, .. } => return self.delete(&access),
            Plan::Release(_) => {
                self.remove_finalizer()?;
                return Ok(None);
            }
        };
        Ok(Some(kept))
    }

    /// Ends the process, if it is to end here.
    fn may_crash(&mut self, point: Point) -> Result<(), Stopped> {
        if self.operator.crash == Some(point) {
            self.there.journal.seen.count(format_args!("crash {point:?}"));
            return Err(Stopped::Crashed);
        }
        Ok(())
    }

    fn write(&mut self, plan: &Write) -> Result<Kept, Stopped> {
        self.check_still_wanted()?;
        self.add_finalizer()?;
        self.may_crash(Point::BeforeWrite)?;
        self.judge_post(plan);
        let answer = self.there.installation.create(&plan.access, &plan.wanted);
        let posted = self.facts.take_time(answer);
        self.there.journal.posted(&posted);
        if posted.is_ok() {
            self.operator.index.settle_write(self.object);
            self.memory.accepted_write = self.memory.would_write().map(Box::new);
        }
        if Sent::of(&posted, &plan.wanted, &Asked::NotYet) != Sent::Refused {
            let answer = self.there.installation.schedule(&plan.access, plan.wanted.dump);
            self.facts.take_held(answer);
            self.journal_shows();
        }
        let sent = Sent::of(&posted, &plan.wanted, &self.facts.held);
        self.there.journal.outcome(sent);
        match sent {
            Sent::Shown => self.settled(),
            Sent::Lost => self.lose_write(plan.reason),
            Sent::Accepted | Sent::Refused => {}
        }
        self.may_crash(Point::AfterWrite)?;
        Ok(sent.kept(&posted, plan, &self.facts, self.there.now))
    }

    /// Tells the journal what the portal showed.
    pub fn journal_shows(&mut self) {
        if let Asked::Answered(held) = &self.facts.held {
            let (slot, now) = (slot_of(self.object), self.there.now);
            self.there.journal.shows(slot, held.as_ref(), now);
        }
    }

    fn judge_post(&mut self, plan: &Write) {
        let (operator, there) = (&*self.operator, &mut *self.there);
        there.journal.post(
            (self.object, plan, there.now),
            (there.kubernetes, there.installation),
            &operator.accepted,
        );
    }

    fn delete(&mut self, access: &Access) -> Result<Option<Kept>, Stopped> {
        self.check_still_wanted()?;
        let dump = self.object.spec.dump;
        self.there.journal.delete(self.object, self.there.installation);
        let answer = self.there.installation.delete(access, dump);
        let deleted = self.facts.take_time(answer);
        let made = request(
            self.facts.spec,
            Operation::DeleteSchedule,
            deleted.as_ref().err(),
            self.there.now,
        );
        let seen = self.there.installation.schedule(access, dump);
        let seen = self.facts.take_time(seen);
        self.may_crash(Point::AfterWrite)?;
        let Some(verdict) = left_after_deletion(&deleted, &seen) else {
            self.remove_finalizer()?;
            return Ok(None);
        };
        if give_up(&self.facts, &verdict).is_some() {
            self.remove_finalizer()?;
            return Ok(None);
        }
        let lost = self.facts.lost_write;
        Ok(Some(Kept::not_deleted(verdict, made, lost)))
    }

    fn add_finalizer(&mut self) -> Result<(), Stopped> {
        if self.facts.finalizer {
            return Ok(());
        }
        let patch = finalizer::with_finalizer(&self.object.metadata);
        self.patch_finalizers(&patch)?;
        self.facts.finalizer = true;
        Ok(())
    }

    fn remove_finalizer(&mut self) -> Result<(), Stopped> {
        self.operator.index.released(&Key::of(self.object));
        let patch = finalizer::without_finalizer(&self.object.metadata);
        let key = Key::of(self.object);
        match self.patch_finalizers(&patch) {
            Ok(()) => self.memory.released = true,
            Err(_) if self.there.kubernetes.get(&key).is_none() => {}
            Err(failed) => return Err(failed),
        }
        Ok(())
    }

    fn patch_finalizers(&mut self, patch: &Patch<Value>) -> Result<(), Stopped> {
        self.there.journal.patched(self.object);
        let patched = self
            .there
            .kubernetes
            .patch_finalizers(&Key::of(self.object), patch)
            .map_err(|_| Stopped::Kubernetes)?;
        let object = DocSpaceBackupSchedule {
            metadata: patched.metadata.clone(),
            ..self.actual.clone()
        };
        self.file(object, Source::WriteOfMetadata);
        Ok(())
    }

    fn file(&mut self, object: DocSpaceBackupSchedule, source: Source) {
        let now = self.there.now;
        let Filed { others, .. } = self.operator.index.file_at(object, source, now);
        self.operator.wake(others, now);
    }

    fn lose_write(&mut self, reason: AppliedReason) {
        if let Some(written) = self.memory.would_write() {
            let lost = Lost {
                by: self.object.metadata.uid.clone(),
                since: self.there.now,
                reason,
                written,
            };
            self.operator.index.lose_write(self.object, lost);
        }
    }

    fn settled(&mut self) {
        if self.facts.lost_write.is_settled(self.facts.local_now) {
            self.operator.index.settle_write(self.object);
        }
        self.there.journal.settled(self.object, self.there.installation);
        self.memory.shows_wanted();
    }

    fn check_still_wanted(&self) -> Result<(), Stopped> {
        if self.operator.index.is_still_wanted(self.object) {
            Ok(())
        } else {
            Err(Stopped::Superseded)
        }
    }

    /// Patches the status if it changed.
    fn patch_status(&mut self, status: &Status) -> Result<(), Failed> {
        let before = self.actual.status.as_ref();
        if before == Some(status) {
            return Ok(());
        }
        let was = serde_json::to_value(before).unwrap_or_default();
        let is = serde_json::to_value(status).unwrap_or_default();
        if was == is {
            return Ok(());
        }
        let patch = patch::of_status(&self.actual.metadata, &was, &is);
        let key = Key::of(self.object);
        let written = self.there.kubernetes.patch_status(&key, &patch);
        let taken = written.is_ok();
        self.there.journal.status_written(self.object, &is, taken);
        written.map(|object| self.file((*object).clone(), Source::Write))
    }

    /// Publishes the result; returns when to look again.
    pub fn publish(mut self, kept: Kept, trigger: Trigger) -> Result<Next, Stopped> {
        let (now, at) = (self.there.now, self.operator.instant(self.there.now));
        let pace = self.operator.pace(own_interval(&self.object.spec), now);
        let mut summary = summary(self.object, &self.facts, &kept, self.memory, pace);
        let status = mem::take(&mut summary.status);
        let wait = summary.wait;
        self.there.journal.looked(self.object, &kept, summary.class);
        let patched = self.patch_status(&status);
        summary.keep(self.memory);
        self.memory.unwritten = patched.is_err().then(|| Box::new(status.clone()));
        if patched.is_err() {
            return match self.there.kubernetes.get(&Key::of(self.object)) {
                Some(same) if same.metadata.uid == self.object.metadata.uid => Err(Stopped::Kubernetes),
                _ => Ok(self.retry()),
            };
        }
        self.memory.kubernetes_failures = 0;
        self.memory.seen = Some(Trigger {
            status: digest(Some(&status)),
            ..trigger
        });
        self.memory.next_look = at.checked_add(wait);
        self.may_crash(Point::AfterStatus)?;
        Ok(Next::After(wait))
    }
}
