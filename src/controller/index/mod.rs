//! The index of watched objects: the newest version of each, and which of them share a slot or a Secret.

mod claims;
mod shared;
pub mod slot;
mod standing;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kube::{
    Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::reflector::{ObjectRef, Store},
};
use secrecy::SecretString;

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        index::{
            claims::Claimant,
            shared::{Listing, Shared, lock_of},
            slot::{Guarded, Key, SlotKey, key_of},
        },
        secrets,
    },
    rules::ownership::{enforces, is_owner},
};

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
    pub fn wrote(&self, mut object: DocSpaceBackupSchedule) {
        object.metadata.managed_fields = None;
        let key = key_of(&object);
        let mut shared = self.shared();
        // A deleted object stays forgotten.
        if shared.listed.contains_key(&key) {
            shared.written.insert(key, Arc::new(DeserializeGuard(Ok(object))));
        }
    }

    /// Adds or updates an object; returns the objects of a slot that it no longer claims.
    pub fn file(&self, object: &Guarded) -> Vec<Key> {
        let key = ObjectRef::from_obj(object);
        let spec = object.0.as_ref().ok().map(|object| &object.spec);
        let listing = Listing {
            uid: object.uid(),
            slot: spec.and_then(SlotKey::of),
            enforces: spec.is_some_and(enforces),
            secrets: spec
                .map(|spec| secrets::names(spec).map(Into::into).collect())
                .unwrap_or_default(),
        };
        let mut shared = self.shared();
        let gave_up = shared
            .listed
            .get(&key)
            .is_some_and(|before| before.enforces && (before.slot != listing.slot || !listing.enforces));
        let others = if gave_up { shared.others(&key) } else { Vec::new() };
        if let Ok(object) = &object.0 {
            shared
                .claims
                .file(Claimant::of(object), told_key(object), is_owner(object));
        }
        if shared.listed.get(&key) != Some(&listing) {
            shared.insert(&key, &listing);
            if let Some(before) = shared.listed.insert(key.clone(), listing) {
                shared.remove(&key, before);
            }
        }
        others
    }

    /// Forgets a deleted object; returns its uid and the objects that shared its slot.
    pub fn forget(&self, key: &Key) -> (Option<String>, Vec<Key>) {
        let mut shared = self.shared();
        let mut others = shared.others(key);
        others.extend(shared.claims.forget(key));
        let before = shared.listed.remove(key);
        let uid = before.as_ref().and_then(|before| before.uid.clone());
        if let Some(before) = before {
            shared.remove(key, before);
        }
        shared.written.remove(key);
        (uid, others)
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
    pub fn lock(&self, object: &DocSpaceBackupSchedule) -> Arc<tokio::sync::Mutex<()>> {
        let Some(slot) = SlotKey::of(&object.spec) else {
            return Arc::default();
        };
        lock_of(&mut self.shared().locks, slot)
    }

    /// Records the API key of the object; returns objects that shared a slot with it through another key.
    pub fn uses_key(&self, object: &DocSpaceBackupSchedule, key: &SecretString) -> Vec<Key> {
        let claims = &mut self.shared().claims;
        let digest = claims.digest(key);
        let former = claims.uses_key(&Claimant::of(object), digest);
        former.into_iter().collect()
    }

    /// Records that the portal accepted the object's key; returns the objects that this affects.
    pub fn accept(&self, object: &DocSpaceBackupSchedule) -> Vec<Key> {
        let (key, mut shared) = (key_of(object), self.shared());
        if !shared.claims.accept(&Claimant::of(object)) {
            return Vec::new();
        }
        let mut others = shared.others(&key);
        others.retain(|other| other.namespace != key.namespace);
        others
    }

    /// Records the id of the object's key from the portal; returns the lock of the portal, to be taken after that of
    /// the address.
    pub fn recognize(&self, object: &DocSpaceBackupSchedule, id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let shared = &mut *self.shared();
        match shared.claims.recognize(&Claimant::of(object), id) {
            Some(slot) => lock_of(&mut shared.keyed_locks, slot),
            None => Arc::default(),
        }
    }

    /// Forgets the id of the object's key, so that it is read again.
    pub fn unrecognize(&self, object: &DocSpaceBackupSchedule) {
        self.shared().claims.unrecognize(&key_of(object));
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
