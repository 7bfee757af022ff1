//! The objects that this operator watches: the newest of each, and which of them share a slot or a Secret.

pub mod claims;
pub mod slot;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::reflector::{ObjectRef, Store},
};
use secrecy::SecretString;

use crate::{
    api::{DocSpaceBackupSchedule, DocSpaceBackupScheduleSpec, ManagementPolicy},
    controller::{
        index::{
            claims::{Claimant, Claims, KeyedSlot},
            slot::{Guarded, Key, SlotKey, key_of},
        },
        secrets,
    },
    rules::{backup::expected::Expected, facts::Slot, ownership::owned},
};

/// The objects of all watched namespaces.
#[derive(Default)]
pub struct Objects {
    stores: Vec<Store<Guarded>>,
    shared: Mutex<Shared>,
}

type Lock = Weak<tokio::sync::Mutex<()>>;

#[derive(Default)]
struct Shared {
    places: HashMap<Key, Place>,
    slots: HashMap<SlotKey, HashSet<Key>>,
    /// Locks that somebody holds or waits for; whoever is on the slot meanwhile.
    locks: HashMap<SlotKey, Lock>,
    /// What this process has seen of them.
    claims: Claims,
    keyed_locks: HashMap<KeyedSlot, Lock>,
    by_secret: HashMap<(String, String), BTreeSet<String>>,
    /// What our own writes returned, until the watch has caught up with them.
    written: HashMap<Key, Arc<Guarded>>,
}

/// Where an object is listed.
#[derive(PartialEq)]
struct Place {
    uid: Option<String>,
    slot: Option<SlotKey>,
    /// It may write there: others on the slot have to know when that ends.
    claims: bool,
    secrets: BTreeSet<String>,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").finish_non_exhaustive()
    }
}

impl Objects {
    /// The objects of these stores.
    pub fn new(stores: Vec<Store<Guarded>>) -> Self {
        Self {
            stores,
            shared: Mutex::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every namespace has been listed.
    ///
    /// # Errors
    /// The watches have ended.
    pub async fn filled(&self) -> Result<(), kube::runtime::reflector::store::WriterDropped> {
        for store in &self.stores {
            store.wait_until_ready().await?;
        }
        Ok(())
    }

    /// The newest that is known of an object: as the watch has it, or as our own last write returned it.
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

    /// The newest that is known of every object.
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

    /// Keeps what a write of ours returned.
    pub fn wrote(&self, mut object: DocSpaceBackupSchedule) {
        object.metadata.managed_fields = None;
        let key = key_of(&object);
        let mut shared = self.shared();
        // What is gone already stays forgotten.
        if shared.places.contains_key(&key) {
            shared.written.insert(key, Arc::new(DeserializeGuard(Ok(object))));
        }
    }

    /// Files an object that came or changed; returned are those whose slot it claimed and no longer does.
    pub fn file(&self, object: &Guarded) -> Vec<Key> {
        let key = ObjectRef::from_obj(object);
        let spec = object.0.as_ref().ok().map(|object| &object.spec);
        let place = Place {
            uid: object.uid(),
            slot: spec.and_then(SlotKey::of),
            claims: spec.is_some_and(claims),
            secrets: spec
                .map(|spec| secrets::names(spec).map(Into::into).collect())
                .unwrap_or_default(),
        };
        let mut shared = self.shared();
        let gave_up = shared
            .places
            .get(&key)
            .is_some_and(|before| before.claims && (before.slot != place.slot || !place.claims));
        let others = if gave_up { shared.others(&key) } else { Vec::new() };
        if let Ok(object) = &object.0 {
            shared
                .claims
                .file(Claimant::of(object), told_key(object), owned(object).is_some());
        }
        if shared.places.get(&key) != Some(&place) {
            shared.insert(&key, &place);
            if let Some(before) = shared.places.insert(key.clone(), place) {
                shared.remove(&key, before);
            }
        }
        others
    }

    /// Forgets an object that is gone; its uid and those that shared its slot are returned.
    pub fn forget(&self, key: &Key) -> (Option<String>, Vec<Key>) {
        let mut shared = self.shared();
        let mut others = shared.others(key);
        others.extend(shared.claims.forget(key));
        let before = shared.places.remove(key);
        let uid = before.as_ref().and_then(|before| before.uid.clone());
        if let Some(before) = before {
            shared.remove(key, before);
        }
        shared.written.remove(key);
        (uid, others)
    }

    /// Every object that is filed.
    pub fn keys(&self) -> Vec<Key> {
        self.shared().places.keys().cloned().collect()
    }

    /// Whether the watch knows the object.
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

    /// The lock under which this object's slot is looked at and written.
    pub fn lock(&self, object: &DocSpaceBackupSchedule) -> Arc<tokio::sync::Mutex<()>> {
        let Some(slot) = SlotKey::of(&object.spec) else {
            return Arc::default();
        };
        lock_of(&mut self.shared().locks, slot)
    }

    /// An object of the same portal with the other `dump` whose backup the portal would start in the same pass; how to
    /// name it to this one's readers.
    pub fn at_same_hour(&self, me: &DocSpaceBackupSchedule, expected: &Expected) -> Option<String> {
        let slot = SlotKey::of(&me.spec)?;
        let others: Vec<_> = {
            let shared = self.shared();
            let members: Vec<_> = match slot.is_of_dump() {
                // Dumps at an address are one slot, whatever the Host.
                false => SlotKey::of_dump(&me.spec)
                    .and_then(|dump| shared.slots.get(&dump))
                    .into_iter()
                    .collect(),
                true => {
                    let here = |other: &SlotKey| !other.is_of_dump() && other.is_beside(&slot);
                    let slots = shared.slots.iter().filter(|(other, _)| here(other));
                    slots.map(|(_, members)| members).collect()
                }
            };
            members.into_iter().flatten().cloned().collect()
        };
        let counting = others.into_iter().filter(|other| self.counts(other, me));
        counting
            .filter_map(|key| self.newest(&key))
            .filter_map(|other| {
                let other = other.0.as_ref().ok()?;
                let theirs = Expected::of(other, other.status.as_ref()?).ok()?;
                let meet = expected.times.meets(&theirs.times, expected.since);
                meet.then(|| name_for(other, me))
            })
            .next()
    }

    /// The object's Secret holds this API key. Returned are those that shared a slot with it by another key.
    pub fn uses_key(&self, object: &DocSpaceBackupSchedule, key: &SecretString) -> Vec<Key> {
        let claims = &mut self.shared().claims;
        let digest = claims.digest(key);
        let former = claims.uses_key(&Claimant::of(object), digest);
        former.into_iter().collect()
    }

    /// The portal has accepted the object's key. Returned are those for whom that is news.
    pub fn accept(&self, object: &DocSpaceBackupSchedule) -> Vec<Key> {
        let (key, mut shared) = (key_of(object), self.shared());
        if !shared.claims.accept(&Claimant::of(object)) {
            return Vec::new();
        }
        let mut others = shared.others(&key);
        others.retain(|other| other.namespace != key.namespace);
        others
    }

    /// The portal has told the id of the object's key. Returned is the lock of the portal, which is taken after that of the
    /// address.
    pub fn recognize(&self, object: &DocSpaceBackupSchedule, id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let shared = &mut *self.shared();
        match shared.claims.recognize(&Claimant::of(object), id) {
            Some(slot) => lock_of(&mut shared.keyed_locks, slot),
            None => Arc::default(),
        }
    }

    /// The portal is to be asked again for the id of the object's key.
    pub fn unrecognize(&self, object: &DocSpaceBackupSchedule) {
        self.shared().claims.unrecognize(&key_of(object));
    }

    /// Who waits until the object was looked at.
    pub fn waiting(&self, key: &Key) -> HashSet<Key> {
        self.shared().claims.waiting(key)
    }

    /// The object was looked at, and these waited for it when that began.
    pub fn settle(&self, object: &DocSpaceBackupSchedule, waited: &HashSet<Key>) {
        self.shared().claims.settle(&Claimant::of(object), waited);
    }

    /// The object's own turn has come, whether or not it has waited for others before.
    pub fn stop_waiting(&self, key: &Key) {
        self.shared().claims.stop_waiting(key);
    }

    /// Has the object wait for those whose claims come first if they are true, which is known once they were looked at.
    pub fn wait_for_others(&self, me: &DocSpaceBackupSchedule) -> Vec<Key> {
        let key = key_of(me);
        let mut others: HashSet<Key> = {
            let shared = self.shared();
            let strangers = shared.others(&key).into_iter();
            let unsettled = strangers
                .filter(|other| other.namespace != key.namespace && !shared.claims.is_settled(other));
            unsettled.chain(shared.claims.may_share(&key)).collect()
        };
        others.retain(|other| {
            let newest = self.newest(other);
            let other = newest.as_ref().and_then(|other| other.0.as_ref().ok());
            other.is_some_and(|other| first(me, std::iter::once(other)).is_some())
        });
        let claims = &mut self.shared().claims;
        others.iter().for_each(|other| claims.wait_for(&key, other));
        others.into_iter().collect()
    }

    /// Whose slot it is: the owner's, else that of the oldest that enforces, is not suspended, and whose key
    /// the portal has accepted. This object may be none of these yet: it is judged as if it were.
    pub fn standing(&self, me: &DocSpaceBackupSchedule) -> Slot {
        let sharing = self.shared().sharing(SlotKey::of(&me.spec).as_ref(), &key_of(me));
        if sharing.is_empty() {
            return Slot::Free;
        }
        let counting = sharing.iter().filter(|other| self.counts(other, me));
        let others: Vec<_> = counting.filter_map(|key| self.newest(key)).collect();
        let others = others.iter().filter_map(|other| other.0.as_ref().ok());
        first(me, others).map_or(Slot::Free, |first| Slot::Taken(owner_for(first, me)))
    }

    /// Whether what the other's status claims counts against this object: in its own namespace at once, in others when its
    /// portal was seen to accept its key.
    fn counts(&self, other: &Key, me: &DocSpaceBackupSchedule) -> bool {
        other.namespace == me.metadata.namespace || self.shared().claims.is_accepted(other)
    }
}

/// Who of the others has the slot before this object, if their statuses are true.
fn first<'a>(
    me: &DocSpaceBackupSchedule,
    others: impl Iterator<Item = &'a DocSpaceBackupSchedule> + Clone,
) -> Option<&'a DocSpaceBackupSchedule> {
    let older = |other: &&DocSpaceBackupSchedule| age(other) < age(me);
    let owners = others.clone().filter(|other| owned(other).is_some());
    let owner = owners.min_by_key(|other| age(other));
    match (owned(me), owner) {
        (Some(_), owner) => owner.filter(older),
        (None, Some(owner)) => Some(owner),
        (None, None) => others
            .filter(|other| competes(other))
            .filter(older)
            .min_by_key(|other| age(other)),
    }
}

/// An object that may take a free slot: its key was accepted when its portal was asked last.
fn competes(object: &DocSpaceBackupSchedule) -> bool {
    let conditions = object.status.as_ref().map(|status| &status.conditions);
    let generation = object.metadata.generation;
    let accepted = |condition: &Condition| {
        condition.type_ == "CredentialsValid"
            && condition.status == "True"
            && condition.observed_generation == generation
    };
    claims(&object.spec)
        && object.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|conditions| conditions.iter().any(accepted))
}

/// The id of the object's key, as its status tells.
fn told_key(object: &DocSpaceBackupSchedule) -> Option<String> {
    let key = object.status.as_ref()?.api_key.as_ref()?;
    key.id.clone()
}

/// A lock that everybody shares who is on this slot meanwhile.
fn lock_of<K: Eq + std::hash::Hash>(locks: &mut HashMap<K, Lock>, slot: K) -> Arc<tokio::sync::Mutex<()>> {
    // Every so often, those that nobody holds are dropped.
    if locks.len() == locks.capacity() {
        locks.retain(|_, lock| lock.strong_count() > 0);
    }
    if let Some(lock) = locks.get(&slot).and_then(Weak::upgrade) {
        return lock;
    }
    let lock = Arc::default();
    locks.insert(slot, Arc::downgrade(&lock));
    lock
}

impl Shared {
    fn others(&self, key: &Key) -> Vec<Key> {
        self.sharing(self.places.get(key).and_then(|place| place.slot.as_ref()), key)
    }

    fn sharing(&self, slot: Option<&SlotKey>, key: &Key) -> Vec<Key> {
        let here = slot.and_then(|slot| self.slots.get(slot));
        let keyed = self.claims.sharing(key);
        let others: HashSet<_> = here.into_iter().flatten().chain(keyed).collect();
        others
            .into_iter()
            .filter(|other| *other != key)
            .cloned()
            .collect()
    }

    fn insert(&mut self, key: &Key, place: &Place) {
        if let Some(slot) = &place.slot {
            self.slots.entry(slot.clone()).or_default().insert(key.clone());
        }
        for secret in &place.secrets {
            let names = self
                .by_secret
                .entry((namespace(key), secret.clone()))
                .or_default();
            names.insert(key.name.clone());
        }
    }

    /// Takes away what `before` says and what is filed now does not.
    fn remove(&mut self, key: &Key, before: Place) {
        let now = self.places.get(key);
        if let Some(slot) = before.slot
            && now.is_none_or(|now| now.slot.as_ref() != Some(&slot))
            && let Some(members) = self.slots.get_mut(&slot)
        {
            members.remove(key);
            if members.is_empty() {
                self.slots.remove(&slot);
            }
        }
        let secrets = before.secrets.into_iter();
        for secret in secrets.filter(|secret| now.is_none_or(|now| !now.secrets.contains(secret))) {
            let secret = (namespace(key), secret);
            if let Some(names) = self.by_secret.get_mut(&secret) {
                names.remove(&key.name);
                if names.is_empty() {
                    self.by_secret.remove(&secret);
                }
            }
        }
    }
}

fn age(object: &DocSpaceBackupSchedule) -> impl Ord + use<'_> {
    (
        object.metadata.creation_timestamp.as_ref().map(|time| time.0),
        object.metadata.uid.as_deref(),
    )
}

fn claims(spec: &DocSpaceBackupScheduleSpec) -> bool {
    spec.management_policy == ManagementPolicy::Enforce && !spec.suspend
}

/// Whose slot it is, for this object's readers.
fn owner_for(owner: &DocSpaceBackupSchedule, me: &DocSpaceBackupSchedule) -> String {
    let name = name_for(owner, me);
    if SlotKey::of(&owner.spec) == SlotKey::of(&me.spec) {
        name
    } else {
        format!("{name} (the same API key leads to both addresses, so they are one portal)")
    }
}

/// An object is named within its own namespace only.
fn name_for(other: &DocSpaceBackupSchedule, me: &DocSpaceBackupSchedule) -> String {
    if other.metadata.namespace == me.metadata.namespace {
        format!("DocSpaceBackupSchedule {}", other.name_any())
    } else {
        "an object in another namespace".into()
    }
}

fn namespace(key: &Key) -> String {
    key.namespace.clone().unwrap_or_default()
}

/// Resource versions are decimal numbers that only grow.
fn version(object: &Guarded) -> Option<u128> {
    object.meta().resource_version.as_deref()?.parse().ok()
}
