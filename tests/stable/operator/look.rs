//! Observe and decide: one reconcile's view of an object and its portal.

use std::time::Duration;

use docspace_backup_operator::{
    api::{DocSpaceBackupSchedule, ManagementPolicy},
    controller::Key,
    portal::{Access, Credential},
    rules::{
        decide::decide,
        facts::{Asked, Deletion, Facts},
        lost_write::LostWrite,
        memory::{Lost, Memory, Trigger, Written},
        ownership::enforces,
        plan::{Need, Plan, Step},
        recall::recall,
        resolved::{take_lost_write, take_resolved},
        retry::{after_kubernetes, own_interval},
    },
};
use secrecy::ExposeSecret;

use super::{
    Next, Operator, Stopped, There,
    secrets::{has_versions, of_storage, resolve},
};
use crate::claims::claim;

/// As the controller's.
const OTHERS_GO_FIRST: Duration = Duration::from_secs(60);

/// One reconcile.
pub struct Look<'a, 'b, 'c> {
    pub operator: &'a mut Operator,
    pub object: &'a DocSpaceBackupSchedule,
    /// The object as Kubernetes has it.
    pub actual: &'a DocSpaceBackupSchedule,
    pub memory: &'a mut Memory,
    pub there: &'a mut There<'b, 'c>,
    pub facts: Facts<'a>,
}

impl<'a, 'b, 'c> Look<'a, 'b, 'c> {
    /// Starts with the facts from status and memory.
    pub fn begin(
        operator: &'a mut Operator,
        [object, actual]: [&'a DocSpaceBackupSchedule; 2],
        memory: &'a mut Memory,
        there: &'a mut There<'b, 'c>,
    ) -> Self {
        let now = there.now;
        if enforces(&object.spec) && object.metadata.deletion_timestamp.is_some() {
            memory.deletion.get_or_insert_with(|| Deletion::begins(now));
        }
        let mut facts = recall(object, memory, operator.index.standing(object), now);
        if facts.lost_write == LostWrite::None && facts.deletion.is_none() {
            facts.lost_write = operator.index.recorded_lost_write(object);
        }
        let lost = lost_write(operator, object).map(|lost| lost.as_fact(false));
        facts.lost_write = lost.unwrap_or(facts.lost_write);
        Self {
            operator,
            object,
            actual,
            memory,
            there,
            facts,
        }
    }

    /// The whole reconcile.
    pub fn run(mut self, mut trigger: Trigger) -> Result<(Next, bool), Stopped> {
        let deleting = trigger.deleting;
        if self.facts.owned().is_none() {
            self.let_others_go_first()?;
        }
        let plan = loop {
            match decide(&self.facts) {
                Step::Ask(need) => self.learn(need),
                Step::Do(plan) => break plan,
            }
        };
        if deleting && matches!(plan, Plan::Nothing) {
            return Ok((Next::Change, true));
        }
        self.there
            .journal
            .decided(self.object, &plan, (self.there.now, self.there.installation));
        let Some(kept) = self.act(plan)? else {
            let others = self.operator.index.others(&Key::of(self.object));
            self.operator.wake(others, self.there.now);
            let next = match self.memory.released {
                true => Next::Change,
                false => self.retry(),
            };
            return Ok((next, true));
        };
        trigger.slot = self.facts.slot.clone();
        trigger.finalizer = self.facts.finalizer;
        let is_definite = !kept.verdict.reason.rule().passing;
        Ok((self.publish(kept, trigger)?, is_definite))
    }

    /// When to ask Kubernetes again, which knew no such object.
    pub fn retry(&mut self) -> Next {
        let pace = self
            .operator
            .pace(own_interval(&self.object.spec), self.there.now);
        Next::After(after_kubernetes(self.memory, pace))
    }

    fn learn(&mut self, need: Need) {
        match need {
            Need::CrdState => self.facts.crd_going = Some(Ok(false)),
            Need::Secrets => self.learn_secrets(),
            Need::Access => self.learn_access(),
            need => self.learn_from_portal(need),
        }
    }

    fn learn_secrets(&mut self) {
        let generation = self.object.metadata.generation.unwrap_or_default();
        let awaited = !self.operator.index.waiting(&Key::of(self.object)).is_empty();
        let remembered = self.memory.resolved.as_ref();
        let fresh = remembered.filter(|(of, resolved)| {
            !awaited && *of == generation && has_versions(self.there.kubernetes, self.object, resolved)
        });
        let resolved = match fresh {
            Some((_, resolved)) => Ok(resolved.clone()),
            None => resolve(self.there.kubernetes, self.object),
        };
        self.memory.is_resolved = resolved.is_ok();
        self.facts.wanted = Some(match resolved {
            Ok(resolved) => {
                self.facts.secret_versions = of_storage(&resolved);
                let lost = lost_write(self.operator, self.object);
                let (facts, memory) = (&mut self.facts, &mut *self.memory);
                take_resolved(facts, memory, self.object, &resolved, lost.as_ref());
                self.connect(&resolved.access);
                self.facts.access = Some(Ok(resolved.access));
                Ok(resolved.wanted)
            }
            Err(verdict) => Err(verdict),
        });
    }

    fn learn_access(&mut self) {
        match resolve(self.there.kubernetes, self.object) {
            Ok(resolved) => {
                let remembered = self.memory.resolved.as_ref();
                let wanted = remembered.map_or(resolved.wanted, |(_, before)| before.wanted.clone());
                self.connect(&resolved.access);
                let written = Written::new(&wanted, &resolved.access.address);
                let lost = lost_write(self.operator, self.object);
                take_lost_write(&mut self.facts, lost.as_ref(), &written);
                self.facts.wanted = Some(Ok(wanted));
                self.facts.access = Some(Ok(resolved.access));
            }
            Err(verdict) => {
                let accepted = self.memory.accepted.clone();
                if let Some(accepted) = &accepted {
                    self.connect(accepted);
                }
                self.facts.access = Some(accepted.ok_or(verdict));
            }
        }
    }

    fn connect(&mut self, access: &Access) {
        let accepted = self.memory.accepted.as_ref();
        self.facts.key_exchanged =
            accepted.is_some_and(|accepted| accepted.key.expose_secret() != access.key.expose_secret());
        let claim = claim(self.object);
        let known = self.operator.accepted.get(&claim);
        if known.is_some_and(|known| known != access.key.expose_secret()) {
            self.operator.accepted.remove(&claim);
        }
        let former = self.operator.index.uses_key(self.object, &access.key);
        self.operator.wake(former, self.there.now);
        self.facts.slot = self.operator.index.standing(self.object);
    }

    fn learn_from_portal(&mut self, need: Need) {
        let Some(Ok(access)) = self.facts.access.clone() else {
            return self.learn_secrets();
        };
        self.there.installation.fetch(&access, need, &mut self.facts);
        match need {
            Need::Schedule if matches!(self.facts.held, Asked::Answered(_)) => {
                self.journal_shows();
                let key = access.key.expose_secret().to_owned();
                self.operator.accepted.insert(claim(self.object), key);
                self.memory.accepted = Some(access);
                let others = self.operator.index.accept(self.object);
                self.operator.wake(others, self.there.now);
            }
            Need::Identity => {
                let identity = self.facts.identity.as_ref();
                if let Some(Credential::ApiKey(key)) =
                    identity.and_then(|identity| identity.credential.as_ref())
                {
                    drop(self.operator.index.recognize(self.object, &key.id));
                    self.facts.slot = self.operator.index.standing(self.object);
                    self.recall_lost_write();
                }
            }
            _ => {}
        }
    }

    fn recall_lost_write(&mut self) {
        if self.facts.lost_write == LostWrite::None && self.facts.deletion.is_none() {
            let index = &self.operator.index;
            let ours = index.lost_write(self.object).map(|lost| lost.as_fact(false));
            self.facts.lost_write = ours.unwrap_or_else(|| index.recorded_lost_write(self.object));
        }
    }

    /// As the controller: waits, for a limited time, for the check of objects that may have precedence.
    pub fn let_others_go_first(&mut self) -> Result<(), Stopped> {
        let spec = &self.object.spec;
        if spec.suspend || spec.management_policy == ManagementPolicy::Observe {
            return Ok(());
        }
        let others = self.operator.index.wait_for_others(self.object);
        if others.is_empty() {
            return Ok(());
        }
        let now = self.operator.instant(self.there.now);
        let since = *self.memory.lets_others_go_first_since.get_or_insert(now);
        let left = OTHERS_GO_FIRST.saturating_sub(now - since);
        if left.is_zero() {
            return Ok(());
        }
        self.operator.index.unrecognize(self.object);
        self.operator.wake(others.into_iter().collect(), self.there.now);
        Err(Stopped::OthersFirst(left))
    }
}

/// The write of this process to the object's slot with an unknown outcome; for a deletion, only the object's own.
pub fn lost_write(operator: &Operator, object: &DocSpaceBackupSchedule) -> Option<Lost> {
    let deleting = object.metadata.deletion_timestamp.is_some();
    let lost = operator.index.lost_write(object);
    lost.filter(|lost| !deleting || lost.by == object.metadata.uid)
}
