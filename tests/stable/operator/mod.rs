//! One process of the operator: its index, its memories, and its queue. It takes the controller's steps with the controller's
//! own functions, one reconcile at a time, by a simulated clock.

mod act;
mod look;
mod secrets;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use docspace_backup_operator::{
    api::DocSpaceBackupSchedule,
    controller::{Filed, Index, Key, Source},
    rules::{
        memory::{Memory, Trigger, is_requested},
        ownership::may_be_at,
        retry::{Pace, after_kubernetes, after_start, own_interval},
        status::is_observed,
    },
};
use jiff::{SignedDuration, Timestamp};

pub use self::secrets::resolve;
use self::{
    look::Look,
    secrets::{has_same_secrets, versions},
};
use crate::{
    claims::Accepted,
    installation::Installation,
    journal::Journal,
    kubernetes::{Event, Kubernetes},
    story::Point,
};

/// Everything around the operator.
pub struct There<'a, 'b> {
    /// The API server.
    pub kubernetes: &'a mut Kubernetes,
    /// The portals.
    pub installation: &'a mut Installation<'b>,
    /// What happens, and whether it may.
    pub journal: &'a mut Journal,
    /// The operator's clock.
    pub now: Timestamp,
}

/// Why a reconcile ended before its status.
#[derive(Clone, Copy, Debug)]
pub enum Stopped {
    /// The process ended.
    Crashed,
    /// Kubernetes did not take a write.
    Kubernetes,
    /// Others must be checked first.
    OthersFirst(Duration),
    /// The object changed meanwhile.
    Superseded,
}

/// When an object is reconciled again.
enum Next {
    After(Duration),
    Change,
}

/// A process.
pub struct Operator {
    index: Index,
    memories: HashMap<Key, Memory>,
    queue: BTreeMap<Key, Timestamp>,
    chance: fastrand::Rng,
    epoch: (Instant, Timestamp),
    /// Which process it is.
    pub process: u32,
    /// Where it ends.
    pub crash: Option<Point>,
    /// The keys that it has seen portals accept.
    pub accepted: Accepted,
}

/// The default interval; every object of a story has its own.
const INTERVAL: Duration = Duration::from_secs(15 * 60);
/// How late timers fire.
const TICK: Duration = Duration::from_millis(1);

impl Operator {
    /// A process that has listed all objects.
    pub fn start(process: u32, chance: u64, epoch: (Instant, Timestamp), there: &mut There<'_, '_>) -> Self {
        let mut new = Self {
            index: Index::default(),
            memories: HashMap::new(),
            queue: BTreeMap::new(),
            chance: fastrand::Rng::with_seed(chance.wrapping_add(process.into())),
            epoch,
            process,
            crash: None,
            accepted: Accepted::new(),
        };
        there.kubernetes.events.clear();
        for key in there.kubernetes.keys() {
            if let Some(object) = there.kubernetes.get(&key) {
                new.index.file_at((*object).clone(), Source::Watch, there.now);
            }
        }
        new.wake(new.index.keys(), there.now);
        new
    }

    /// Takes in what the watch reports.
    pub fn hear(&mut self, there: &mut There<'_, '_>) {
        while let Some(event) = there.kubernetes.events.pop_front() {
            match event {
                Event::Changed(object) => {
                    let Filed {
                        key, is_news, others, ..
                    } = self.index.file_at((*object).clone(), Source::Watch, there.now);
                    self.wake(others, there.now);
                    if is_news {
                        self.wake(vec![key], there.now);
                    }
                }
                Event::Gone(key) => {
                    let (_, others) = self.index.forget(&key);
                    self.memories.remove(&key);
                    self.queue.remove(&key);
                    self.wake(others, there.now);
                }
            }
        }
    }

    /// A Secret changed: whoever names it is reconciled.
    pub fn hear_of_secrets(&mut self, namespace: &str, now: Timestamp) {
        let keys = self.index.keys().into_iter();
        self.wake(keys.filter(|key| key.namespace() == namespace).collect(), now);
    }

    fn wake(&mut self, keys: Vec<Key>, now: Timestamp) {
        for key in keys {
            let due = self.queue.entry(key).or_insert(now);
            *due = now.min(*due);
        }
    }

    /// The object that is reconciled next, and when.
    pub fn next(&self) -> Option<(Timestamp, Key)> {
        let first = self.queue.iter().min_by_key(|(_, due)| **due)?;
        Some((*first.1, first.0.clone()))
    }

    /// Reconciles an object.
    ///
    /// # Errors
    /// The process ended.
    pub fn reconcile(&mut self, key: &Key, there: &mut There<'_, '_>) -> Result<(), Stopped> {
        self.queue.remove(key);
        let mut memory = self.memories.remove(key).unwrap_or_default();
        let Some(object) = self.index.newest(key).and_then(|newest| newest.object.ok()) else {
            return Ok(());
        };
        let next = match self.reconcile_valid(&object, &mut memory, there) {
            Ok(next) => next,
            Err(Stopped::Crashed) => return Err(Stopped::Crashed),
            Err(Stopped::OthersFirst(wait)) => {
                memory.next_look = None;
                Next::After(wait)
            }
            Err(Stopped::Superseded) => Next::After(Duration::ZERO),
            Err(Stopped::Kubernetes) => {
                Next::After(after_kubernetes(&mut memory, self.pace(None, there.now)))
            }
        };
        self.memories.insert(key.clone(), memory);
        if let Next::After(wait) = next {
            // A timer fires a little late.
            let wait = SignedDuration::try_from(wait + TICK).expect("a wait");
            let due = there.now + wait;
            let known = self.queue.entry(key.clone()).or_insert(due);
            *known = due.min(*known);
        }
        Ok(())
    }

    fn pace(&mut self, own_interval: Option<Duration>, now: Timestamp) -> Pace {
        Pace {
            interval: own_interval.unwrap_or(INTERVAL),
            now,
            chance: self.chance.f64(),
        }
    }

    /// The clock that never jumps.
    fn instant(&self, now: Timestamp) -> Instant {
        let since = now.duration_since(self.epoch.1);
        self.epoch.0 + Duration::try_from(since).unwrap_or_default()
    }

    /// As the controller: nothing, unless something changed or a check is due.
    fn reconcile_valid(
        &mut self,
        object: &DocSpaceBackupSchedule,
        memory: &mut Memory,
        there: &mut There<'_, '_>,
    ) -> Result<Next, Stopped> {
        if memory.released {
            return Ok(Next::Change);
        }
        let (key, instant) = (Key::of(object), self.instant(there.now));
        let trigger = Trigger::of(
            object,
            versions(there.kubernetes, object),
            self.index.standing(object),
        );
        let waiting = self.index.waiting(&key);
        let lacks_finalizer = !trigger.finalizer && may_be_at(object).is_some();
        let at_once = trigger.deleting || is_requested(object) || !waiting.is_empty() || lacks_finalizer;
        if memory.seen.is_none() && !at_once && is_observed(object) {
            let pace = self.pace(own_interval(&object.spec), there.now);
            let wait = after_start(object, pace);
            memory.next_look = instant.checked_add(wait);
            memory.seen = Some(trigger);
            return Ok(Next::After(wait));
        }
        match memory.not_yet(&trigger, instant) {
            Some(left) if waiting.is_empty() => return Ok(Next::After(left)),
            _ => {}
        }
        if let Some(left) = memory.secrets_only(&trigger, instant) {
            if has_same_secrets(there.kubernetes, object, memory) && waiting.is_empty() {
                memory.seen = Some(trigger);
                return Ok(Next::After(left));
            }
            memory.asked_to_wait = None;
        }
        if let Some(left) = memory
            .request_waits(&trigger, instant)
            .filter(|_| waiting.is_empty())
        {
            return Ok(Next::After(left));
        }
        if is_requested(object) {
            memory.requested_look = Some(instant);
        }
        let (next, is_definite) = self.reconcile_now(object, memory, trigger, there)?;
        memory.lets_others_go_first_since = None;
        self.index.stop_waiting(&key);
        if is_definite {
            self.index.examined(object, &waiting);
            self.wake(waiting.into_iter().collect(), there.now);
            if !self.index.waiting(&key).is_empty() {
                self.wake(vec![key], there.now);
            }
        }
        Ok(next)
    }

    /// Observes, decides, acts and publishes. Returns also whether it did not end with a passing failure.
    fn reconcile_now(
        &mut self,
        object: &DocSpaceBackupSchedule,
        memory: &mut Memory,
        trigger: Trigger,
        there: &mut There<'_, '_>,
    ) -> Result<(Next, bool), Stopped> {
        // What Kubernetes did not take of the last status still holds.
        let unwritten = memory.unwritten.as_ref().map(|status| DocSpaceBackupSchedule {
            status: Some((**status).clone()),
            ..object.clone()
        });
        let actual = object;
        let object = unwritten.as_ref().unwrap_or(object);
        Look::begin(self, [object, actual], memory, there).run(trigger)
    }
}
