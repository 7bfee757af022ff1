//! What the index knows of all objects, and the locks of slots.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Weak},
};

use tokio::sync::OwnedMutexGuard;

use crate::controller::{
    index::{
        claims::{Claims, KeyedSlot},
        entry::{Entry, Listing},
        lost::LostWrites,
        multimap::Multimap,
        slot::SlotKey,
    },
    key::Key,
};

type Lock = Weak<tokio::sync::Mutex<()>>;
/// Locks that are held or awaited: for each slot that of all, and those of namespaces.
type Locks<K> = HashMap<(K, Option<String>), Lock>;

#[derive(Default)]
pub struct Shared {
    pub entries: HashMap<Key, Box<Entry>>,
    pub slots: Multimap<SlotKey, Key>,
    /// Locks of slots.
    pub locks: Locks<SlotKey>,
    /// The claims that this process has verified.
    pub claims: Claims,
    pub lost: LostWrites,
    pub keyed_locks: Locks<KeyedSlot>,
    /// The objects that name a Secret.
    pub by_secret: Multimap<Key, Key>,
}

/// A lock that namespaces take in turns: only one object of each is in the queue.
#[derive(Default)]
pub struct FairLock {
    of_namespace: Arc<tokio::sync::Mutex<()>>,
    of_all: Arc<tokio::sync::Mutex<()>>,
}

/// The held lock of a slot.
pub type SlotGuard = [OwnedMutexGuard<()>; 2];

impl FairLock {
    /// The lock of a slot, shared by all objects on it, for one of this namespace.
    pub fn of<K: Clone + Eq + Hash>(locks: &mut Locks<K>, slot: K, namespace: Option<&str>) -> Self {
        let namespace = namespace.unwrap_or_default();
        Self {
            of_namespace: lock_of(locks, (slot.clone(), Some(namespace.into()))),
            of_all: lock_of(locks, (slot, None)),
        }
    }

    /// Waits for the lock.
    pub async fn lock(self) -> SlotGuard {
        let first = self.of_namespace.lock_owned().await;
        [first, self.of_all.lock_owned().await]
    }
}

fn lock_of<K: Eq + Hash>(locks: &mut HashMap<K, Lock>, slot: K) -> Arc<tokio::sync::Mutex<()>> {
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
        let slot = self
            .entries
            .get(key)
            .and_then(|entry| entry.listing.slot.as_ref());
        let here = slot.into_iter().flat_map(|slot| self.slots.of(slot));
        let others: HashSet<_> = here.chain(self.claims.sharing(key)).collect();
        others
            .into_iter()
            .filter(|other| *other != key)
            .cloned()
            .collect()
    }

    /// Adds an entry, or replaces it.
    pub fn insert(&mut self, key: Key, entry: Entry) {
        let before = self.entries.get(&key).map(|entry| &entry.listing);
        let (was, is) = (
            before.and_then(|before| before.slot.as_ref()),
            &entry.listing.slot,
        );
        self.slots.relocate(&key, was, is.as_ref());
        let none = Vec::new();
        let (was, are) = (
            before.map_or(&none, |before| &before.secrets),
            &entry.listing.secrets,
        );
        if was != are {
            was.iter().for_each(|secret| self.by_secret.remove(secret, &key));
            are.iter()
                .for_each(|secret| self.by_secret.insert(secret.clone(), key.clone()));
        }
        self.entries.insert(key, entry.into());
    }

    /// Removes an entry; returns what was known of its object.
    pub fn remove(&mut self, key: &Key) -> Option<Listing> {
        let Listing { slot, secrets, .. } = &self.entries.get(key)?.listing;
        self.slots.relocate(key, slot.as_ref(), None);
        secrets
            .iter()
            .for_each(|secret| self.by_secret.remove(secret, key));
        self.entries.remove(key).map(|entry| entry.listing)
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::Pin, sync::Mutex};

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn namespaces_take_a_lock_in_turns() {
        let mut locks = Locks::<u8>::default();
        let mut lock = |namespace| FairLock::of(&mut locks, 1, Some(namespace)).lock();
        let mut held = lock("many").await;
        let order = Mutex::new(Vec::new());
        let mut waiting: Vec<Pin<Box<dyn Future<Output = SlotGuard>>>> = Vec::new();
        for name in ["many", "many", "many", "one"] {
            let (lock, order) = (lock(name), &order);
            waiting.push(Box::pin(
                lock.inspect(move |_| order.lock().expect("no panic").push(name)),
            ));
        }
        while !waiting.is_empty() {
            for waiting in &mut waiting {
                assert!(waiting.now_or_never().is_none());
            }
            drop(held);
            let (next, _, others) = futures::future::select_all(waiting).await;
            (held, waiting) = (next, others);
        }
        assert_eq!(*order.lock().expect("no panic"), ["one", "many", "many", "many"]);
        let another = FairLock::of(&mut locks, 2, Some("many")).lock();
        assert!(another.now_or_never().is_some());
    }
}
