//! Which objects share a slot or a Secret.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Weak},
};

use crate::controller::index::{
    claims::{Claims, KeyedSlot},
    lost::LostWrites,
    slot::{Guarded, Key, SlotKey},
};

type Lock = Weak<tokio::sync::Mutex<()>>;

#[derive(Default)]
pub struct Shared {
    pub listed: HashMap<Key, Listing>,
    pub slots: HashMap<SlotKey, HashSet<Key>>,
    /// Locks of slots that are held or awaited.
    pub locks: HashMap<SlotKey, Lock>,
    /// The claims that this process has verified.
    pub claims: Claims,
    pub lost: LostWrites,
    pub keyed_locks: HashMap<KeyedSlot, Lock>,
    pub by_secret: HashMap<(String, String), BTreeSet<String>>,
    /// Versions that this operator's writes returned, until the watch has caught up.
    pub written: HashMap<Key, Arc<Guarded>>,
}

/// What is known of an object: where it is indexed, and what its end would leave.
#[derive(Clone, PartialEq)]
pub struct Listing {
    pub uid: Option<String>,
    pub slot: Option<SlotKey>,
    /// Whether it may write there; if that ends, others on the slot must be woken.
    pub enforces: bool,
    pub secrets: BTreeSet<String>,
    /// The portal where its schedule may remain if it goes without having been released.
    pub portal: Option<String>,
    /// The operator has released it.
    pub released: bool,
}

/// The lock of a slot, shared by all objects on it.
pub fn lock_of<K: Eq + std::hash::Hash>(
    locks: &mut HashMap<K, Lock>,
    slot: K,
) -> Arc<tokio::sync::Mutex<()>> {
    // From time to time, unused locks are dropped.
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
    pub fn others(&self, key: &Key) -> Vec<Key> {
        self.sharing(
            self.listed.get(key).and_then(|listing| listing.slot.as_ref()),
            key,
        )
    }

    pub fn sharing(&self, slot: Option<&SlotKey>, key: &Key) -> Vec<Key> {
        let here = slot.and_then(|slot| self.slots.get(slot));
        let keyed = self.claims.sharing(key);
        let others: HashSet<_> = here.into_iter().flatten().chain(keyed).collect();
        others
            .into_iter()
            .filter(|other| *other != key)
            .cloned()
            .collect()
    }

    pub fn insert(&mut self, key: &Key, listing: &Listing) {
        if let Some(slot) = &listing.slot {
            self.slots.entry(slot.clone()).or_default().insert(key.clone());
        }
        for secret in &listing.secrets {
            let names = self
                .by_secret
                .entry((namespace(key), secret.clone()))
                .or_default();
            names.insert(key.name.clone());
        }
    }

    /// Removes the entries of `before` that no longer apply.
    pub fn remove(&mut self, key: &Key, before: Listing) {
        let now = self.listed.get(key);
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

fn namespace(key: &Key) -> String {
    key.namespace.clone().unwrap_or_default()
}
