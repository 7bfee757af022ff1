//! The index of watched objects: the newest version of each, and which of them share a slot or a Secret.

mod claims;
mod entry;
mod lost;
mod multimap;
mod shared;
pub mod slot;
mod standing;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use kube::Resource;

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        index::{
            claims::{Claim, Claimant},
            entry::{Entry, Known, version},
            shared::{FairLock, Shared},
            slot::SlotKey,
        },
        key::Key,
        metrics::values::Values,
        watched::Guarded,
    },
    rules::{lost_write::LostWrite, memory::Lost},
    secret::SharedSecret,
};

pub use crate::controller::index::{entry::Listing, shared::SlotGuard};

/// What an update of an object in the index means for others.
pub struct Filed {
    /// Its key.
    pub key: Key,
    /// Whether the object must be reconciled: it is not as this operator's last write left it.
    pub is_news: bool,
    /// The objects of a slot that it no longer claims.
    pub others: Vec<Key>,
    /// What was known of an object of the same name that is gone.
    pub replaced: Option<Listing>,
}

/// Where a version of an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A list or a watch.
    Watch,
    /// The answer to a write of this operator.
    Write,
    /// Such an answer, with the metadata only; the rest is as it was before.
    WriteOfMetadata,
}

/// The objects of all watched namespaces.
#[derive(Default)]
pub struct Index {
    shared: Mutex<Shared>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

impl Index {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest known version of an object: from the watch, or from this operator's last write.
    pub fn newest(&self, key: &Key) -> Option<Guarded> {
        let packed = self.shared().entries.get(key)?.packed.clone();
        packed.unpack()
    }

    /// Whether this version still says what is to be done: no newer one has another spec, goes, or is another object of
    /// the name.
    pub fn is_still_wanted(&self, object: &DocSpaceBackupSchedule) -> bool {
        let newest = self.newest(&Key::of(object));
        let then = &object.metadata;
        newest
            .and_then(|newest| newest.object.ok())
            .is_some_and(|newest| {
                let now = newest.metadata;
                now.uid == then.uid
                    && now.generation == then.generation
                    && now.deletion_timestamp == then.deletion_timestamp
            })
    }

    /// Whether the object is known.
    pub fn has(&self, key: &Key) -> bool {
        self.shared().entries.contains_key(key)
    }

    /// How many checks of portals all objects cause per second on average; `interval` is the default between two checks
    /// of an object.
    pub fn looks_per_second(&self, interval: Duration) -> f64 {
        let shared = self.shared();
        let intervals = shared.entries.values().map(|entry| entry.listing.interval);
        intervals
            .map(|own| own.unwrap_or(interval).as_secs_f64().recip())
            .sum()
    }

    /// The size of an object in an answer of the API server, in bytes.
    pub fn bytes(&self, key: &Key) -> usize {
        let shared = self.shared();
        shared.entries.get(key).map_or(0, |entry| entry.packed.bytes())
    }

    /// What the metrics show of every object.
    pub fn values(&self) -> Vec<(Key, Values)> {
        let shared = self.shared();
        let values = shared
            .entries
            .iter()
            .map(|(key, entry)| (key.clone(), entry.values.clone()));
        values.collect()
    }

    /// Adds or updates an object, which is read only if this version of it is not known.
    pub fn file(&self, object: impl Resource + Into<Guarded>, source: Source) -> Filed {
        self.file_at(object, source, Timestamp::now())
    }

    /// The same, at this time of the operator's clock.
    pub fn file_at(&self, object: impl Resource + Into<Guarded>, source: Source, now: Timestamp) -> Filed {
        let key = Key::of(&object);
        let is_own = match self.known(&key, &object, source) {
            Known::NotYet { is_own } => is_own,
            Known::Already { is_news } => {
                return Filed {
                    key,
                    is_news,
                    others: Vec::new(),
                    replaced: None,
                };
            }
        };
        let mut object = object.into();
        let mut entry = Entry::of(&mut object);
        entry.is_partial = source == Source::WriteOfMetadata;
        let mut guard = self.shared();
        let shared = &mut *guard;
        let (key, before) = match shared.entries.get_key_value(&key) {
            // One copy of the key's text.
            Some((key, before)) => (key.clone(), Some(before)),
            None => (key, None),
        };
        entry.written = before.map_or_else(Vec::new, |before| before.written.clone());
        if source != Source::Watch {
            entry.written.extend(entry.version);
        }
        let is_news = !is_own || before.is_none_or(|before| before.packed != entry.packed);
        let before = before.map(|before| &before.listing);
        let listing = &mut entry.listing;
        before.into_iter().for_each(|before| listing.share(before));
        let gave_up = before
            .is_some_and(|before| before.enforces && (before.slot != listing.slot || !listing.enforces));
        let replaced = before.filter(|before| before.uid != listing.uid).cloned();
        listing.released = before.is_some_and(|before| before.released && before.uid == listing.uid);
        // Who claimed nothing was in nobody's way.
        let others = match gave_up && shared.claims.has_claim(&key) {
            true => shared.others(&key),
            false => Vec::new(),
        };
        if let Ok(object) = &object.object {
            shared.claims.file(
                Claimant::new(&key, listing, object),
                told_key(object),
                Claim::of(object),
            );
            shared.lost.file(object, now);
        }
        shared.insert(key.clone(), entry);
        Filed {
            key,
            is_news,
            others,
            replaced,
        }
    }

    /// What is known of this version of the object.
    fn known(&self, key: &Key, object: &impl Resource, source: Source) -> Known {
        let mut shared = self.shared();
        let known = shared.entries.get_mut(key);
        let known = known.filter(|known| known.listing.uid.as_deref() == object.meta().uid.as_deref());
        let version = version(object);
        match (known, source) {
            (None, Source::Watch) => Known::NotYet { is_own: false },
            (Some(known), Source::Watch) => known.watched(version),
            // A deleted object stays forgotten.
            (None, _) => Known::Already { is_news: false },
            (Some(known), _) if version <= known.version => Known::Already { is_news: false },
            (Some(_), _) => Known::NotYet { is_own: true },
        }
    }

    /// Records that the operator releases the object, so that its end is no surprise.
    pub fn released(&self, key: &Key) {
        if let Some(entry) = self.shared().entries.get_mut(key) {
            entry.listing.released = true;
        }
    }

    /// Forgets a deleted object; returns what was known of it, and the objects that shared its slot.
    pub fn forget(&self, key: &Key) -> (Option<Listing>, Vec<Key>) {
        let mut shared = self.shared();
        let mut others = match shared.claims.has_claim(key) {
            true => shared.others(key),
            false => Vec::new(),
        };
        others.extend(shared.claims.forget(key));
        (shared.remove(key), others)
    }

    /// Every object of the index.
    pub fn keys(&self) -> Vec<Key> {
        self.shared().entries.keys().cloned().collect()
    }

    /// The objects that share a slot with this one.
    pub fn others(&self, key: &Key) -> Vec<Key> {
        self.shared().others(key)
    }

    /// The objects that name this Secret.
    pub fn naming_secret(&self, secret: &Key) -> Vec<Key> {
        self.shared().by_secret.of(secret).cloned().collect()
    }

    /// The lock for reading and writing this object's slot.
    pub fn lock(&self, object: &DocSpaceBackupSchedule) -> FairLock {
        let slot = SlotKey::of(&object.spec);
        let namespace = object.metadata.namespace.as_deref();
        slot.map_or_else(FairLock::default, |slot| {
            FairLock::of(&mut self.shared().locks, slot, namespace)
        })
    }

    /// Records the API key of the object; returns objects that shared a slot with it through another key.
    pub fn uses_key(&self, object: &DocSpaceBackupSchedule, key: &SharedSecret) -> Vec<Key> {
        let claims = &mut self.shared().claims;
        let digest = claims.digest(key);
        let former = claims.uses_key(&Claimant::of(object), digest);
        former.into_iter().collect()
    }

    /// Records that the portal accepted the object's key; returns the objects that this affects.
    pub fn accept(&self, object: &DocSpaceBackupSchedule) -> Vec<Key> {
        let (key, mut shared) = (Key::of(object), self.shared());
        if !shared.claims.accept(&Claimant::of(object)) || !shared.claims.has_claim(&key) {
            return Vec::new();
        }
        let mut others = shared.others(&key);
        others.retain(|other| other.namespace() != key.namespace());
        others
    }

    /// Records the id of the object's key from the portal; returns the lock of the portal, to be taken after that of
    /// the address.
    pub fn recognize(&self, object: &DocSpaceBackupSchedule, id: &str) -> FairLock {
        let shared = &mut *self.shared();
        let namespace = object.metadata.namespace.as_deref();
        let slot = shared.claims.recognize(&Claimant::of(object), id);
        slot.map_or_else(FairLock::default, |slot| {
            FairLock::of(&mut shared.keyed_locks, slot, namespace)
        })
    }

    /// Forgets the id of the object's key, so that it is read again.
    pub fn unrecognize(&self, object: &DocSpaceBackupSchedule) {
        self.shared().claims.unrecognize(&Key::of(object));
    }

    /// The lost write of the object's slot that this process made.
    pub fn lost_write(&self, me: &DocSpaceBackupSchedule) -> Option<Lost> {
        let (slot, shared) = (SlotKey::of(&me.spec)?, self.shared());
        let keyed = shared.claims.keyed_slot(&Key::of(me));
        shared.lost.ours(&slot, keyed).cloned()
    }

    /// The lost write of the slot that the status of another object records. In another namespace, it counts if that
    /// object names the slot itself, and once the portal was seen to accept its key.
    pub fn recorded_lost_write(&self, me: &DocSpaceBackupSchedule) -> LostWrite {
        let (key, shared) = (Key::of(me), self.shared());
        let counts = |by: &Key, is_own_slot: bool| {
            let is_believed = is_own_slot && shared.claims.is_accepted(by);
            *by != key && (by.namespace() == key.namespace() || is_believed)
        };
        let others = shared
            .claims
            .sharing(&key)
            .filter_map(|other| shared.entries.get(other));
        let others = others.filter_map(|other| other.listing.slot.clone());
        let slots = others.chain(SlotKey::of(&me.spec));
        let times = slots.filter_map(|slot| shared.lost.recorded(&slot, counts));
        times
            .max()
            .map_or(LostWrite::None, |time| LostWrite::Recorded { time })
    }

    /// Keeps a lost write to the object's slot.
    pub fn lose_write(&self, me: &DocSpaceBackupSchedule, lost: Lost) {
        if let Some(slot) = SlotKey::of(&me.spec) {
            let shared = &mut *self.shared();
            let keyed = shared.claims.keyed_slot(&Key::of(me)).cloned();
            shared.lost.lose(slot, keyed, lost);
        }
    }

    /// The lost write of the object's slot is settled.
    pub fn settle_write(&self, me: &DocSpaceBackupSchedule) {
        if let Some(slot) = SlotKey::of(&me.spec) {
            self.shared().lost.settle(&slot);
        }
    }

    /// The objects that wait for the check of this one.
    pub fn waiting(&self, key: &Key) -> BTreeSet<Key> {
        self.shared().claims.waiting(key)
    }

    /// Records that the object was checked; `waiting` are the objects that waited when the check began.
    pub fn examined(&self, object: &DocSpaceBackupSchedule, waited: &BTreeSet<Key>) {
        self.shared().claims.examined(&Claimant::of(object), waited);
    }

    /// The object no longer waits for others.
    pub fn stop_waiting(&self, key: &Key) {
        self.shared().claims.stop_waiting(key);
    }
}

/// The id of the object's key, according to its status.
fn told_key(object: &DocSpaceBackupSchedule) -> Option<Arc<str>> {
    let key = object.status.as_ref()?.api_key.as_ref()?;
    key.id.as_deref().map(Into::into)
}

#[cfg(test)]
mod tests;
