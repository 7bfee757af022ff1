//! The claims of objects to slots that this process has verified itself.
//!
//! A status can be forged, and its readers learn the id of an API key. So one portal behind two addresses is recognized
//! by the text of the key and its id together, and the claim of a status counts against other namespaces only once the
//! portal was seen to accept that object's key. After a start nothing is verified: objects whose claims may have
//! precedence are checked first.

mod claim;
mod precedence;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use secrecy::ExposeSecret;

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        index::{claims::claim::Rank, entry::Listing, multimap::Multimap, slot::SlotKey},
        key::Key,
    },
    secret::SharedSecret,
};

pub use crate::controller::index::claims::claim::Claim;

/// An object that claims a slot. Verified facts apply to this uid and this slot only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    key: Key,
    uid: Option<Arc<str>>,
    slot: Option<SlotKey>,
    dump: bool,
}

impl Claimant {
    /// The claim of an object with this key and listing, whose texts it shares.
    pub fn new(key: &Key, listing: &Listing, object: &DocSpaceBackupSchedule) -> Self {
        Self {
            key: key.clone(),
            uid: listing.uid.clone(),
            slot: listing.slot.clone(),
            dump: object.spec.dump,
        }
    }

    /// The claim of an object.
    pub fn of(object: &DocSpaceBackupSchedule) -> Self {
        Self {
            key: Key::of(object),
            uid: object.metadata.uid.as_deref().map(Into::into),
            slot: SlotKey::of(&object.spec),
            dump: object.spec.dump,
        }
    }
}

/// A digest of an API key, valid in this process only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(u64);

/// A slot identified by its API key, independent of the address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyedSlot {
    digest: KeyDigest,
    id: Arc<str>,
    dump: bool,
}

/// A slot as a status identifies it: the id of the key, and the dump value.
type ToldSlot = (Arc<str>, bool);

/// The verified claims; see the module.
#[derive(Default)]
pub struct Claims {
    hasher: RandomState,
    known: HashMap<Key, Box<Known>>,
    keyed: Multimap<KeyedSlot, Key>,
    /// The objects that claim a slot at its address, in the order of their precedence.
    ranked: BTreeMap<(SlotKey, Rank), Key>,
    /// Owners that were never checked, by the slot in their status.
    unexamined: Multimap<ToldSlot, Key>,
}

struct Known {
    claimant: Claimant,
    /// The id of the key in its status.
    told: Option<Arc<str>>,
    /// What its status claims.
    claim: Claim,
    digest: Option<KeyDigest>,
    /// The id of the key that this process read from the portal.
    id: Option<Arc<str>>,
    keyed: Option<KeyedSlot>,
    accepted: bool,
    /// Whether it was checked.
    examined: bool,
    /// Objects that shared a slot with it through its former key and were not checked since: the key may have been
    /// replaced for both.
    former: BTreeSet<Key>,
    /// The objects that wait for its check.
    waiting: BTreeSet<Key>,
    /// The objects that it waits for.
    waits_for: BTreeSet<Key>,
}

impl Known {
    fn nothing_of(claimant: Claimant) -> Self {
        Self {
            claimant,
            told: None,
            claim: Claim::default(),
            digest: None,
            id: None,
            keyed: None,
            accepted: false,
            examined: false,
            former: BTreeSet::new(),
            waiting: BTreeSet::new(),
            waits_for: BTreeSet::new(),
        }
    }

    fn told_slot(&self) -> Option<ToldSlot> {
        let told = self.told_as_owner().filter(|_| !self.examined)?.clone();
        Some((told, self.claimant.dump))
    }

    fn keyed_slot(&self) -> Option<KeyedSlot> {
        Some(KeyedSlot {
            digest: self.digest?,
            id: self.id.as_ref().or(self.told_as_owner())?.clone(),
            dump: self.claimant.dump,
        })
    }

    fn told_as_owner(&self) -> Option<&Arc<str>> {
        self.told.as_ref().filter(|_| self.claim.owns)
    }

    /// Its slot and its rank there, if it claims it.
    fn ranked(&self) -> Option<(SlotKey, Rank)> {
        Some((self.claimant.slot.clone()?, self.claim.rank()?))
    }
}

impl Claims {
    /// The digest of a key.
    pub fn digest(&self, key: &SharedSecret) -> KeyDigest {
        KeyDigest(self.hasher.hash_one(key.expose_secret()))
    }

    /// Adds or updates an object, with the id of the key in its status and what the status claims. A new uid or address
    /// starts unverified.
    pub fn file(&mut self, claimant: Claimant, told: Option<Arc<str>>, claim: Claim) {
        let key = claimant.key.clone();
        if !self.is_current(&claimant) {
            let waiting = self.forget(&key);
            let known = Known {
                waiting,
                ..Known::nothing_of(claimant)
            };
            self.known.insert(key.clone(), known.into());
        }
        self.change(&key, |known| {
            // One copy of equal texts.
            if known.told != told {
                known.told = told;
            }
            known.claim = claim;
            known.claim.age.1.clone_from(&known.claimant.uid);
        });
    }

    /// Whether this object, with this uid and slot, is known.
    fn is_current(&self, claimant: &Claimant) -> bool {
        let known = self.known.get(&claimant.key);
        known.is_some_and(|known| known.claimant == *claimant)
    }

    /// Forgets an object; returns the objects that waited for it.
    pub fn forget(&mut self, key: &Key) -> BTreeSet<Key> {
        self.stop_waiting(key);
        self.change(key, |known| {
            (known.told, known.digest, known.claim) = (None, None, Claim::default());
        });
        self.known
            .remove(key)
            .map(|known| known.waiting)
            .unwrap_or_default()
    }

    /// Records the API key of the object; returns objects that shared a slot with it through another key.
    pub fn uses_key(&mut self, claimant: &Claimant, digest: KeyDigest) -> BTreeSet<Key> {
        let key = &claimant.key;
        let before = self.known.get(key).and_then(|known| known.digest);
        if before == Some(digest) || !self.is_current(claimant) {
            return BTreeSet::new();
        }
        let former: BTreeSet<_> = self.sharing(key).cloned().collect();
        self.change(key, |known| {
            // Facts about the former key do not apply to the new one.
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

    /// Records the id of the object's key from the portal; returns the slot of this key.
    pub fn recognize(&mut self, claimant: &Claimant, id: &str) -> Option<KeyedSlot> {
        if !self.is_current(claimant) {
            return None;
        }
        self.change(&claimant.key, |known| {
            let told = known.told.clone().filter(|told| **told == *id);
            known.id = Some(told.unwrap_or_else(|| id.into()));
        });
        self.known.get(&claimant.key)?.keyed.clone()
    }

    /// The slot of the object's key, if the key is recognized.
    pub fn keyed_slot(&self, key: &Key) -> Option<&KeyedSlot> {
        self.known.get(key)?.keyed.as_ref()
    }

    /// Forgets the id of the object's key.
    pub fn unrecognize(&mut self, key: &Key) {
        self.change(key, |known| known.id = None);
    }

    /// Records that the portal accepted the object's key; returns whether that is new.
    pub fn accept(&mut self, claimant: &Claimant) -> bool {
        let is_current = self.is_current(claimant);
        let known = self.known.get_mut(&claimant.key).filter(|_| is_current);
        known.is_some_and(|known| !std::mem::replace(&mut known.accepted, true))
    }

    /// Whether this process has seen the portal that the object names accept its key.
    pub fn is_accepted(&self, key: &Key) -> bool {
        self.known.get(key).is_some_and(|known| known.accepted)
    }

    /// The objects that wait for the check of this one.
    pub fn waiting(&self, key: &Key) -> BTreeSet<Key> {
        self.known
            .get(key)
            .map(|known| known.waiting.clone())
            .unwrap_or_default()
    }

    /// Records that the object was checked; `waiting` are the objects that waited when the check began.
    pub fn examined(&mut self, claimant: &Claimant, waited: &BTreeSet<Key>) {
        if !self.is_current(claimant) {
            return;
        }
        let key = &claimant.key;
        self.change(key, |known| {
            known.examined = true;
            known.former.clear();
            known.waiting.retain(|other| !waited.contains(other));
        });
        for other in waited {
            if let Some(other) = self.known.get_mut(other) {
                other.former.remove(key);
            }
        }
    }

    /// Whether the object was checked.
    pub fn was_examined(&self, key: &Key) -> bool {
        self.known.get(key).is_some_and(|known| known.examined)
    }

    /// The object waits for the check of the other one.
    pub fn wait_for(&mut self, key: &Key, other: &Key) {
        if let Some(known) = self.known.get_mut(key) {
            known.waits_for.insert(other.clone());
        }
        if let Some(other) = self.known.get_mut(other) {
            other.waiting.insert(key.clone());
        }
    }

    /// The object no longer waits for others.
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

    /// The objects that share a slot with this one through its key.
    pub fn sharing(&self, key: &Key) -> impl Iterator<Item = &Key> {
        let members = self
            .keyed_slot(key)
            .into_iter()
            .flat_map(|slot| self.keyed.of(slot));
        members.filter(move |other| *other != key)
    }

    /// Objects that may share a slot with this one through its key, to be checked first: unchecked owners with the same
    /// key id in their status, and objects that shared its former key. The id in its own status counts, too, because
    /// the key may have been replaced for both before a start.
    fn may_share(&self, key: &Key) -> impl Iterator<Item = &Key> {
        let known = self.known.get(key).into_iter();
        known.flat_map(move |known| {
            let ids = known.id.iter().chain(&known.told);
            let told = ids.flat_map(|id| self.unexamined.of(&(id.clone(), known.claimant.dump)));
            let others = told.chain(&known.former);
            others.filter(move |other| *other != key && self.known.contains_key(other))
        })
    }

    /// Changes the facts of an object and updates the indexes.
    fn change(&mut self, key: &Key, change: impl FnOnce(&mut Known)) {
        let Some(known) = self.known.get_mut(key) else {
            return;
        };
        let (told, ranked) = (known.told_slot(), known.ranked());
        change(known);
        let (now_told, now_ranked, now_keyed) = (known.told_slot(), known.ranked(), known.keyed_slot());
        let keyed = std::mem::replace(&mut known.keyed, now_keyed.clone());
        // One copy of the key's text in all of them.
        let key = &known.claimant.key;
        self.unexamined.relocate(key, told.as_ref(), now_told.as_ref());
        self.keyed.relocate(key, keyed.as_ref(), now_keyed.as_ref());
        if ranked != now_ranked {
            ranked.and_then(|ranked| self.ranked.remove(&ranked));
            self.ranked.extend(now_ranked.map(|ranked| (ranked, key.clone())));
        }
    }

    /// The objects that claim this slot at its address, in the order of their precedence.
    fn ranked_at(&self, slot: Option<&SlotKey>) -> impl Iterator<Item = (&Rank, &Key)> {
        let slot = slot.cloned();
        let from = slot
            .clone()
            .map(|slot| self.ranked.range((slot, Rank::default())..));
        let here = from.into_iter().flatten();
        here.take_while(move |((other, _), _)| Some(other) == slot.as_ref())
            .map(|((_, rank), key)| (rank, key))
    }
}

#[cfg(test)]
mod tests;
