//! What users, people and faults do.

use docspace_backup_operator::controller::Key;
use jiff::SignedDuration;

use super::World;
use crate::{
    in_process::SLOTS,
    story::{Change, Edit, Manifest, NAMESPACES, OBJECTS, Trouble},
};

/// The key of the object at this place.
pub fn key_at(at: usize) -> Key {
    let (namespace, name) = OBJECTS[at];
    Key::new(namespace, name)
}

/// The kind of an event, for counts.
fn kind(edit: &Edit) -> String {
    let told = format!("{edit:?}");
    let end = told.find(['(', ' ', '{']).unwrap_or(told.len());
    format!("edit {}", &told[..end])
}

impl World<'_> {
    /// Lets an event happen.
    pub fn happens(&mut self, edit: &Edit) {
        if self.has_effect(edit) {
            self.journal.seen.count(kind(edit));
        }
        self.journal.tell(|| format!("{:.0} {edit:?}", self.now));
        match *edit {
            Edit::Nothing => {}
            Edit::Create(at, manifest) => self.create(at, manifest),
            Edit::Delete(at) => self.kubernetes.delete(&key_at(at), self.now),
            Edit::DeleteByForce(at) => {
                self.kubernetes.without_finalizers(&key_at(at));
                self.kubernetes.delete(&key_at(at), self.now);
            }
            Edit::Change(at, change) => self.change(at, change),
            Edit::Request(at) => {
                if let Some(object) = self.kubernetes.get(&key_at(at)) {
                    self.journal.may_be_restored(&object);
                }
                self.requests += 1;
                let value = self.requests.to_string();
                self.kubernetes.request(&key_at(at), &value);
            }
            Edit::Restored(at) => self.kubernetes.restore(&key_at(at), self.now),
            Edit::Wiped(at) => {
                if let Some(object) = self.kubernetes.get(&key_at(at)) {
                    self.journal.forgiven(&object);
                }
                self.kubernetes.wipe(&key_at(at));
            }
            Edit::Replaced(at) => self.kubernetes.without_finalizers(&key_at(at)),
            Edit::StorageSecret(namespace, value) => {
                self.journal.secrets_change();
                self.kubernetes.set_storage(namespace, value);
                self.secrets_change(namespace);
            }
            Edit::KeyRevoked(portal) => self.installation.keys[portal] += 1,
            Edit::KeyRenewed(namespace, portal) => {
                let present = self.installation.keys[portal];
                self.kubernetes.set_key(namespace, portal, Some(present));
                self.secrets_change(namespace);
            }
            Edit::KeyLost(namespace, portal) => {
                self.kubernetes.set_key(namespace, portal, None);
                self.secrets_change(namespace);
            }
            Edit::Restart => self.restart(),
            Edit::Crash(point) => self.with_operator(|operator, _| operator.crash = Some(point)),
            Edit::Status(ref fates) => {
                for fate in fates {
                    self.journal.seen.count(format_args!("status {fate:?}"));
                }
                self.kubernetes.fates.extend(fates);
            }
            _ => self.happens_at_a_portal(edit),
        }
    }

    /// Whether there is what the event is about.
    fn has_effect(&self, edit: &Edit) -> bool {
        let is_there = |at: usize| self.kubernetes.json(&key_at(at)).is_some();
        let is_held = |slot: usize| self.installation.held(slot).is_some();
        match *edit {
            Edit::Create(at, _) => !is_there(at),
            Edit::Delete(at)
            | Edit::DeleteByForce(at)
            | Edit::Change(at, _)
            | Edit::Request(at)
            | Edit::Restored(at)
            | Edit::Wiped(at)
            | Edit::Replaced(at) => is_there(at),
            Edit::TheirNumber(slot, _) | Edit::Removed { slot, .. } | Edit::Quota(slot, _) => is_held(slot),
            Edit::KeyLost(namespace, portal) => self.kubernetes.key(NAMESPACES[namespace], portal).is_some(),
            _ => true,
        }
    }

    fn happens_at_a_portal(&mut self, edit: &Edit) {
        let until = |seconds| self.now + SignedDuration::from_secs(seconds);
        match *edit {
            Edit::Theirs(slot, terms) => self.somebody_posts(slot, terms),
            Edit::TheirNumber(slot, number) => {
                self.journal.overtaken(slot);
                self.installation.portals.renumber(SLOTS[slot], number);
            }
            Edit::Removed { slot, by_person } => {
                self.journal.overtaken(slot);
                let is_held = self.installation.held(slot).is_some();
                // Across a change of the clock, the trail may not show it in the right order.
                let is_shown = by_person && self.installation.trail && !self.installation.clocks_move;
                if is_held && !is_shown {
                    self.journal.removed(slot);
                }
                self.installation.remove(slot, by_person);
            }
            Edit::Archives(slot, ref seeds) => self.archives_appear(slot, seeds),
            Edit::Cleaner => drop(self.installation.portals.clean()),
            Edit::Running(slot, lasts) => self.installation.running[slot] = Some(until(lasts)),
            Edit::Trouble(portal, trouble, lasts) => {
                let until = until(lasts);
                if trouble == Trouble::Stale {
                    for slot in [portal, 2] {
                        self.installation.shown[slot] = Some((self.installation.held(slot), until));
                    }
                }
                // What it shows meanwhile may look like a change by somebody else.
                if matches!(trouble, Trouble::Stale | Trouble::Blank) {
                    for slot in [portal, 2] {
                        self.journal.overtaken(slot);
                        if self.installation.held(slot).is_some() {
                            self.journal.removed(slot);
                        }
                    }
                }
                self.installation.troubles[portal] = Some((trouble, until));
            }
            Edit::ClockOff(portal, ahead) => {
                self.installation.ahead[portal] = SignedDuration::from_secs(ahead);
                self.installation.clocks_move = true;
                self.journal.clock_moves();
            }
            Edit::Quota(slot, times) => self.quota[slot] = times,
            _ => unreachable!("{edit:?} is no event of a portal"),
        }
    }

    fn secrets_change(&mut self, namespace: usize) {
        let now = self.now;
        self.with_operator(|operator, _| operator.hear_of_secrets(NAMESPACES[namespace], now));
    }

    /// Creates an object, if it is not there.
    pub fn create(&mut self, at: usize, manifest: Manifest) {
        let key = key_at(at);
        if self.kubernetes.json(&key).is_none() {
            self.journal.tell(|| {
                format!(
                    "{key:?} is created: {}",
                    serde_json::to_string(&manifest.spec()).unwrap_or_default()
                )
            });
            self.kubernetes.create(&key, manifest.spec(), self.now);
            self.manifests[at] = Some(manifest);
        }
    }

    fn change(&mut self, at: usize, change: Change) {
        let key = key_at(at);
        let (Some(object), Some(manifest)) = (self.kubernetes.get(&key), &mut self.manifests[at]) else {
            return;
        };
        let is_applied = object
            .status
            .as_ref()
            .is_some_and(|status| status.applied.is_some());
        let base = &mut manifest.base;
        match change {
            // The API server refuses it.
            Change::Dump(_) if is_applied => return,
            Change::Dump(dump) => base.dump = dump,
            Change::Number(number) => base.terms.number = number,
            Change::Hour(hour) => base.terms.hour = hour,
            Change::Storage(storage) => base.terms.storage = storage,
            Change::Portal(portal) => base.portal = portal,
            Change::Adoption(policy) => base.adoption = policy,
            Change::Management(policy) => base.management = policy,
            Change::Suspend(suspend) => base.suspend = suspend,
            Change::Spelling(spelling) => manifest.spelling = spelling,
            Change::Deletion(policy) => manifest.deletion = policy,
        }
        let spec = manifest.spec();
        self.journal.may_be_restored(&object);
        self.kubernetes.set_spec(&key, spec);
    }
}
