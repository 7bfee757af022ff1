//! The index of watched objects: the newest version of each, and which of them share a slot or a Secret.

mod claims;
mod lost;
mod shared;
pub mod slot;
mod standing;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use kube::{
    Resource,
    runtime::reflector::{ObjectRef, Store},
};

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        index::{
            claims::{Claim, Claimant},
            shared::{FairLock, Shared},
            slot::{Key, SlotKey, key_of},
        },
        watched::Guarded,
    },
    rules::{lost_write::LostWrite, memory::Lost},
    secret::SharedSecret,
};

pub use crate::controller::index::shared::{Listing, SlotGuard};

/// What an update of an object in the index means for others.
pub struct Filed {
    /// The objects of a slot that it no longer claims.
    pub others: Vec<Key>,
    /// What was known of an object of the same name that is gone.
    pub replaced: Option<Listing>,
}

/// The objects of all watched namespaces.
#[derive(Default)]
pub struct Index {
    stores: Vec<Store<Guarded>>,
    shared: Mutex<Shared>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

impl Index {
    /// An index over these stores.
    pub fn new(stores: Vec<Store<Guarded>>) -> Self {
        Self {
            stores,
            shared: Mutex::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest known version of an object: from the watch, or from this operator's last write.
    pub fn newest(&self, key: &Key) -> Option<Arc<Guarded>> {
        let watched = self.stores.iter().find_map(|store| store.get(key))?;
        let mut shared = self.shared();
        match shared.written.get(key) {
            Some(written) if version(written) > version(&watched) => Some(written.clone()),
            Some(_) => {
                shared.written.remove(key);
                Some(watched)
            }
            None => Some(watched),
        }
    }

    /// The newest known version of every object.
    pub fn all(&self) -> Vec<Arc<Guarded>> {
        let mut all: Vec<_> = self.stores.iter().flat_map(Store::state).collect();
        let shared = self.shared();
        for object in &mut all {
            let written = shared.written.get(&ObjectRef::from_obj(&**object));
            if let Some(written) = written.filter(|written| version(written) > version(object)) {
                *object = written.clone();
            }
        }
        all
    }

    /// Keeps the version that a write returned.
    pub fn wrote(&self, written: Guarded) {
        let Ok(object) = &written.object else { return };
        let key = key_of(object);
        let mut shared = self.shared();
        // A deleted object stays forgotten.
        if shared.listed.contains_key(&key) {
            shared
                .claims
                .file(Claimant::of(object), told_key(object), Claim::of(object));
            shared.written.insert(key, Arc::new(written));
        }
    }

    /// Adds or updates an object.
    pub fn file(&self, watched: &Guarded) -> Filed {
        let key = ObjectRef::from_obj(watched);
        let mut listing = Listing::of(watched);
        let mut guard = self.shared();
        let shared = &mut *guard;
        let before = shared.listed.get(&key);
        let gave_up = before
            .is_some_and(|before| before.enforces && (before.slot != listing.slot || !listing.enforces));
        let replaced = before.filter(|before| before.uid != listing.uid).cloned();
        listing.released = before.is_some_and(|before| before.released && before.uid == listing.uid);
        // Who claimed nothing was in nobody's way.
        let others = match gave_up && shared.claims.has_claim(&key) {
            true => shared.others(&key),
            false => Vec::new(),
        };
        if let Ok(object) = &watched.object {
            // The watch may lag behind this operator's last write.
            let written = shared.written.get(&key);
            let written = written.filter(|written| version(written) > version(watched));
            let newest = written.and_then(|written| written.object.as_ref().ok());
            let newest = newest.unwrap_or(object);
            shared
                .claims
                .file(Claimant::of(newest), told_key(newest), Claim::of(newest));
            shared.lost.file(object, Timestamp::now());
        }
        if shared.listed.get(&key) != Some(&listing) {
            shared.insert(&key, &listing);
            if let Some(before) = shared.listed.insert(key.clone(), listing) {
                shared.remove(&key, before);
            }
        }
        Filed { others, replaced }
    }

    /// Records that the operator releases the object, so that its end is no surprise.
    pub fn released(&self, key: &Key) {
        if let Some(listing) = self.shared().listed.get_mut(key) {
            listing.released = true;
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
        let before = shared.listed.remove(key);
        if let Some(before) = before.clone() {
            shared.remove(key, before);
        }
        shared.written.remove(key);
        (before, others)
    }

    /// Every object of the index.
    pub fn keys(&self) -> Vec<Key> {
        self.shared().listed.keys().cloned().collect()
    }

    /// Whether the watch has the object.
    pub fn is_there(&self, key: &Key) -> bool {
        self.stores.iter().any(|store| store.get(key).is_some())
    }

    /// The objects that share a slot with this one.
    pub fn others(&self, key: &Key) -> Vec<Key> {
        self.shared().others(key)
    }

    /// The objects that name this Secret.
    pub fn naming_secret(&self, namespace: &str, name: &str) -> Vec<Key> {
        let shared = self.shared();
        let names = shared.by_secret.get(&(namespace.into(), name.into()));
        names
            .into_iter()
            .flatten()
            .map(|name| ObjectRef::new(name).within(namespace))
            .collect()
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
        let (key, mut shared) = (key_of(object), self.shared());
        if !shared.claims.accept(&Claimant::of(object)) || !shared.claims.has_claim(&key) {
            return Vec::new();
        }
        let mut others = shared.others(&key);
        others.retain(|other| other.namespace != key.namespace);
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
        self.shared().claims.unrecognize(&key_of(object));
    }

    /// The lost write of the object's slot that this process made.
    pub fn lost_write(&self, me: &DocSpaceBackupSchedule) -> Option<Lost> {
        let slot = SlotKey::of(&me.spec)?;
        self.shared().lost.ours(&slot).cloned()
    }

    /// The lost write of the slot that the status of another object records. In another namespace, it counts if that
    /// object names the slot itself, and once the portal was seen to accept its key.
    pub fn recorded_lost_write(&self, me: &DocSpaceBackupSchedule) -> LostWrite {
        let (key, shared) = (key_of(me), self.shared());
        let counts = |by: &Key, is_own_slot: bool| {
            let is_believed = is_own_slot && shared.claims.is_accepted(by);
            *by != key && (by.namespace == key.namespace || is_believed)
        };
        SlotKey::of(&me.spec).map_or(LostWrite::None, |slot| shared.lost.recorded(&slot, counts))
    }

    /// Keeps a lost write to the object's slot.
    pub fn lose_write(&self, me: &DocSpaceBackupSchedule, lost: Lost) {
        if let Some(slot) = SlotKey::of(&me.spec) {
            self.shared().lost.lose(slot, lost);
        }
    }

    /// The lost write of the object's slot is settled.
    pub fn settle_write(&self, me: &DocSpaceBackupSchedule) {
        if let Some(slot) = SlotKey::of(&me.spec) {
            self.shared().lost.settle(&slot);
        }
    }

    /// The objects that wait for the check of this one.
    pub fn waiting(&self, key: &Key) -> HashSet<Key> {
        self.shared().claims.waiting(key)
    }

    /// Records that the object was checked; `waiting` are the objects that waited when the check began.
    pub fn examined(&self, object: &DocSpaceBackupSchedule, waited: &HashSet<Key>) {
        self.shared().claims.examined(&Claimant::of(object), waited);
    }

    /// The object no longer waits for others.
    pub fn stop_waiting(&self, key: &Key) {
        self.shared().claims.stop_waiting(key);
    }
}

/// The id of the object's key, according to its status.
fn told_key(object: &DocSpaceBackupSchedule) -> Option<String> {
    let key = object.status.as_ref()?.api_key.as_ref()?;
    key.id.clone()
}

/// Resource versions are decimal numbers that only grow.
fn version(object: &Guarded) -> Option<u128> {
    object.meta().resource_version.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests;
