//! What this process has seen for itself of the claims that objects lay to a slot.
//!
//! A status can be forged, and it shows the id of an API key to everybody. So the same portal behind two addresses is
//! known by the text of the key and its id together, and what a status claims counts against another namespace once the
//! portal was seen to accept that object's key. After a start nothing of this is known: those whose claims could come
//! first are looked at first.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use secrecy::{ExposeSecret, SecretString};

use crate::{
    api::DocSpaceBackupSchedule,
    controller::index::slot::{Key, SlotKey, key_of},
};

/// An object as it lays claim to a slot. What is learnt of it is learnt of no other that has its name, and of no other slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    key: Key,
    uid: Option<String>,
    slot: Option<SlotKey>,
    dump: bool,
}

impl Claimant {
    /// The object as it is here.
    pub fn of(object: &DocSpaceBackupSchedule) -> Self {
        Self {
            key: key_of(object),
            uid: object.metadata.uid.clone(),
            slot: SlotKey::of(&object.spec),
            dump: object.spec.dump,
        }
    }
}

/// A digest of an API key, of use in this process alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyDigest(u64);

/// A slot by the API key that is used there, which leads to the same portal from every address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyedSlot {
    digest: KeyDigest,
    id: String,
    dump: bool,
}

/// How a key is known by its status: its id, and which schedule of the portal it is for.
type ToldSlot = (String, bool);

/// See the module.
#[derive(Default)]
pub struct Claims {
    hasher: RandomState,
    known: HashMap<Key, Known>,
    keyed: HashMap<KeyedSlot, HashSet<Key>>,
    /// Owners that were never looked at, by what their status tells.
    unsettled: HashMap<ToldSlot, HashSet<Key>>,
}

struct Known {
    claimant: Claimant,
    /// The id of the key that its status tells.
    told: Option<String>,
    /// Its status tells that it owns its slot.
    owns: bool,
    digest: Option<KeyDigest>,
    /// The id that the portal told this process.
    id: Option<String>,
    keyed: Option<KeyedSlot>,
    accepted: bool,
    /// It was looked at.
    settled: bool,
    /// Who shared a slot with it by the key that it had before, and was not looked at since: the key may have been replaced
    /// for both.
    former: HashSet<Key>,
    /// Who waits until it was looked at.
    waiting: HashSet<Key>,
    /// For whom it waits itself.
    waits_for: HashSet<Key>,
}

impl Known {
    fn nothing_of(claimant: Claimant) -> Self {
        Self {
            claimant,
            told: None,
            owns: false,
            digest: None,
            id: None,
            keyed: None,
            accepted: false,
            settled: false,
            former: HashSet::new(),
            waiting: HashSet::new(),
            waits_for: HashSet::new(),
        }
    }

    fn told_slot(&self) -> Option<ToldSlot> {
        let told = self.told_as_owner().filter(|_| !self.settled)?.clone();
        Some((told, self.claimant.dump))
    }

    fn keyed_slot(&self) -> Option<KeyedSlot> {
        Some(KeyedSlot {
            digest: self.digest?,
            id: self.id.as_ref().or(self.told_as_owner())?.clone(),
            dump: self.claimant.dump,
        })
    }

    fn told_as_owner(&self) -> Option<&String> {
        self.told.as_ref().filter(|_| self.owns)
    }
}

impl Claims {
    /// The digest of a key.
    pub fn digest(&self, key: &SecretString) -> KeyDigest {
        KeyDigest(self.hasher.hash_one(key.expose_secret()))
    }

    /// Files an object that came or changed, the id of the key that its status tells, and whether that tells that it owns its
    /// slot. One of another uid or address begins with nothing known.
    pub fn file(&mut self, claimant: Claimant, told: Option<String>, owns: bool) {
        let key = claimant.key.clone();
        if !self.is_current(&claimant) {
            let waiting = self.forget(&key);
            let known = Known {
                waiting,
                ..Known::nothing_of(claimant)
            };
            self.known.insert(key.clone(), known);
        }
        self.change(&key, |known| (known.told, known.owns) = (told, owns));
    }

    /// Whether the object is filed as it is here.
    fn is_current(&self, claimant: &Claimant) -> bool {
        let known = self.known.get(&claimant.key);
        known.is_some_and(|known| known.claimant == *claimant)
    }

    /// Forgets an object; returned is who waited for it.
    pub fn forget(&mut self, key: &Key) -> HashSet<Key> {
        self.stop_waiting(key);
        self.change(key, |known| {
            (known.told, known.digest) = (None, None);
        });
        self.known
            .remove(key)
            .map(|known| known.waiting)
            .unwrap_or_default()
    }

    /// The object's Secret holds this key. Returned is who shared a slot with it by another one.
    pub fn uses_key(&mut self, claimant: &Claimant, digest: KeyDigest) -> HashSet<Key> {
        let key = &claimant.key;
        let before = self.known.get(key).and_then(|known| known.digest);
        if before == Some(digest) || !self.is_current(claimant) {
            return HashSet::new();
        }
        let former: HashSet<_> = self.sharing(key).cloned().collect();
        self.change(key, |known| {
            // What is known of the key is known of the one before.
            (known.digest, known.id, known.accepted) = (Some(digest), None, false);
            known.former.extend(former.iter().cloned());
        });
        for other in &former {
            if let Some(other) = self.known.get_mut(other) {
                other.former.insert(key.clone());
            }
        }
        former
    }

    /// The portal told the id of the object's key; returned is the slot by its key.
    pub fn recognize(&mut self, claimant: &Claimant, id: &str) -> Option<KeyedSlot> {
        if !self.is_current(claimant) {
            return None;
        }
        self.change(&claimant.key, |known| known.id = Some(id.into()));
        self.known.get(&claimant.key)?.keyed.clone()
    }

    /// What the portal told of the object's key is not known any more.
    pub fn unrecognize(&mut self, key: &Key) {
        self.change(key, |known| known.id = None);
    }

    /// The portal has accepted the object's key; returned is whether that is news.
    pub fn accept(&mut self, claimant: &Claimant) -> bool {
        let is_current = self.is_current(claimant);
        let known = self.known.get_mut(&claimant.key).filter(|_| is_current);
        known.is_some_and(|known| !std::mem::replace(&mut known.accepted, true))
    }

    /// Whether this process has seen the portal that the object names accept its key.
    pub fn is_accepted(&self, key: &Key) -> bool {
        self.known.get(key).is_some_and(|known| known.accepted)
    }

    /// Who waits until the object was looked at.
    pub fn waiting(&self, key: &Key) -> HashSet<Key> {
        self.known
            .get(key)
            .map(|known| known.waiting.clone())
            .unwrap_or_default()
    }

    /// The object was looked at, and these waited for it when that began.
    pub fn settle(&mut self, claimant: &Claimant, waited: &HashSet<Key>) {
        if !self.is_current(claimant) {
            return;
        }
        let key = &claimant.key;
        self.change(key, |known| {
            known.settled = true;
            known.former.clear();
            known.waiting.retain(|other| !waited.contains(other));
        });
        for other in waited {
            if let Some(other) = self.known.get_mut(other) {
                other.former.remove(key);
            }
        }
    }

    /// Whether the object was looked at.
    pub fn is_settled(&self, key: &Key) -> bool {
        self.known.get(key).is_some_and(|known| known.settled)
    }

    /// The object waits until the other was looked at.
    pub fn wait_for(&mut self, key: &Key, other: &Key) {
        if let Some(known) = self.known.get_mut(key) {
            known.waits_for.insert(other.clone());
        }
        if let Some(other) = self.known.get_mut(other) {
            other.waiting.insert(key.clone());
        }
    }

    /// The object's own turn has come, whether or not it has waited for others before.
    pub fn stop_waiting(&mut self, key: &Key) {
        let known = self.known.get_mut(key);
        for other in known
            .map(|known| std::mem::take(&mut known.waits_for))
            .unwrap_or_default()
        {
            if let Some(other) = self.known.get_mut(&other) {
                other.waiting.remove(key);
            }
        }
    }

    /// Who shares a slot with the object by its key.
    pub fn sharing(&self, key: &Key) -> impl Iterator<Item = &Key> {
        let keyed = self.known.get(key).and_then(|known| known.keyed.as_ref());
        let members = keyed.and_then(|slot| self.keyed.get(slot)).into_iter().flatten();
        members.filter(move |other| *other != key)
    }

    /// Who may turn out to share a slot with the object by its key, once looked at: owners that never were and whose status
    /// tells the same id, and those that shared its former key. The id that its own status tells counts, too: after a start,
    /// the key may have been replaced for both.
    pub fn may_share(&self, key: &Key) -> HashSet<Key> {
        let Some(known) = self.known.get(key) else {
            return HashSet::new();
        };
        let ids = known.id.iter().chain(&known.told);
        let told = ids.filter_map(|id| self.unsettled.get(&(id.clone(), known.claimant.dump)));
        let others = told.flatten().chain(&known.former);
        let others = others.filter(|other| *other != key && self.known.contains_key(other));
        others.cloned().collect()
    }

    /// Changes what is known of an object, and files it anew where that moves it.
    fn change(&mut self, key: &Key, change: impl FnOnce(&mut Known)) {
        let Some(known) = self.known.get_mut(key) else {
            return;
        };
        let told = known.told_slot();
        change(known);
        let (now_told, now_keyed) = (known.told_slot(), known.keyed_slot());
        let keyed = std::mem::replace(&mut known.keyed, now_keyed.clone());
        relocate(&mut self.unsettled, key, told, now_told);
        relocate(&mut self.keyed, key, keyed, now_keyed);
    }
}

/// Moves an object from one set to another; none stays empty.
fn relocate<S: Eq + std::hash::Hash>(
    sets: &mut HashMap<S, HashSet<Key>>,
    key: &Key,
    from: Option<S>,
    to: Option<S>,
) {
    if from == to {
        return;
    }
    if let Some(from) = from
        && let Some(members) = sets.get_mut(&from)
    {
        members.remove(key);
        if members.is_empty() {
            sets.remove(&from);
        }
    }
    if let Some(to) = to {
        sets.entry(to).or_default().insert(key.clone());
    }
}

#[cfg(test)]
mod tests;
