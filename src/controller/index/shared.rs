//! Which objects share a slot or a Secret.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Weak},
};

use kube::ResourceExt;
use tokio::sync::OwnedMutexGuard;

use crate::{
    controller::{
        index::{
            claims::{Claims, KeyedSlot},
            lost::LostWrites,
            slot::{Key, SlotKey},
        },
        secrets,
        watched::Guarded,
    },
    rules::ownership::{enforces, may_be_at},
};

type Lock = Weak<tokio::sync::Mutex<()>>;
/// Locks that are held or awaited: for each slot that of all, and those of namespaces.
type Locks<K> = HashMap<(K, Option<String>), Lock>;

#[derive(Default)]
pub struct Shared {
    pub listed: HashMap<Key, Listing>,
    pub slots: HashMap<SlotKey, HashSet<Key>>,
    /// Locks of slots.
    pub locks: Locks<SlotKey>,
    /// The claims that this process has verified.
    pub claims: Claims,
    pub lost: LostWrites,
    pub keyed_locks: Locks<KeyedSlot>,
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

impl Listing {
    /// What is known of this object.
    pub fn of(watched: &Guarded) -> Self {
        let object = watched.object.as_ref().ok();
        let spec = object.map(|object| &object.spec);
        let secrets = spec.map(|spec| secrets::names(spec).map(Into::into).collect());
        Self {
            uid: watched.uid(),
            slot: spec.and_then(SlotKey::of),
            enforces: spec.is_some_and(enforces),
            portal: object.and_then(may_be_at),
            released: false,
            secrets: secrets.unwrap_or_default(),
        }
    }
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
        let slot = self.listed.get(key).and_then(|listing| listing.slot.as_ref());
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
