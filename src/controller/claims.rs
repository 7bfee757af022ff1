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

use super::slot::{Key, SlotKey};

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

#[derive(Default)]
struct Known {
    uid: Option<String>,
    slot: Option<SlotKey>,
    dump: bool,
    /// The id of the key that its status tells, where the object owns its slot.
    told: Option<String>,
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
}

impl Known {
    fn told_slot(&self) -> Option<ToldSlot> {
        let told = self.told.clone().filter(|_| !self.settled)?;
        Some((told, self.dump))
    }

    fn keyed_slot(&self) -> Option<KeyedSlot> {
        Some(KeyedSlot {
            digest: self.digest?,
            id: self.id.as_ref().or(self.told.as_ref())?.clone(),
            dump: self.dump,
        })
    }
}

impl Claims {
    /// The digest of a key.
    pub fn digest(&self, key: &SecretString) -> KeyDigest {
        KeyDigest(self.hasher.hash_one(key.expose_secret()))
    }

    /// Files an object that came or changed. One of another uid or address begins with nothing known.
    pub fn file(&mut self, key: &Key, uid: Option<&String>, slot: Option<&SlotKey>, told: Option<ToldSlot>) {
        let before = self.known.get(key);
        if before.is_none_or(|before| before.uid.as_ref() != uid || before.slot.as_ref() != slot) {
            let waiting = self.forget(key);
            self.known.insert(
                key.clone(),
                Known {
                    uid: uid.cloned(),
                    slot: slot.cloned(),
                    waiting,
                    ..Known::default()
                },
            );
        }
        self.change(key, |known| {
            (known.told, known.dump) = match told {
                Some((id, dump)) => (Some(id), dump),
                None => (None, known.dump),
            };
        });
    }

    /// Forgets an object; returned is who waited for it.
    pub fn forget(&mut self, key: &Key) -> HashSet<Key> {
        self.change(key, |known| {
            (known.told, known.digest) = (None, None);
        });
        self.known
            .remove(key)
            .map(|known| known.waiting)
            .unwrap_or_default()
    }

    /// The object's Secret holds this key. Returned is who shared a slot with it by another one.
    pub fn uses_key(&mut self, key: &Key, digest: KeyDigest, dump: bool) -> Vec<Key> {
        let Some(known) = self.known.get(key) else {
            return Vec::new();
        };
        let is_another = known.digest.is_some_and(|before| before != digest);
        let former: HashSet<_> = match is_another {
            true => self.sharing(key).cloned().collect(),
            false => HashSet::new(),
        };
        self.change(key, |known| {
            (known.digest, known.dump) = (Some(digest), dump);
            if is_another {
                // What is known of the key is known of the one before.
                (known.id, known.accepted) = (None, false);
                known.former.extend(former.iter().cloned());
            }
        });
        for other in &former {
            if let Some(other) = self.known.get_mut(other) {
                other.former.insert(key.clone());
            }
        }
        former.into_iter().collect()
    }

    /// The portal told the id of the object's key; returned is the slot by its key.
    pub fn recognize(&mut self, key: &Key, id: &str) -> Option<KeyedSlot> {
        self.change(key, |known| known.id = Some(id.into()));
        self.known.get(key)?.keyed.clone()
    }

    /// The portal has accepted the object's key; returned is whether that is news.
    pub fn accept(&mut self, key: &Key) -> bool {
        let known = self.known.get_mut(key);
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
    pub fn settle(&mut self, key: &Key, waited: &HashSet<Key>) {
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
    pub fn wait_for(&mut self, waiting: &Key, other: &Key) {
        if let Some(other) = self.known.get_mut(other) {
            other.waiting.insert(waiting.clone());
        }
    }

    /// Who shares a slot with the object by its key.
    pub fn sharing(&self, key: &Key) -> impl Iterator<Item = &Key> {
        let keyed = self.known.get(key).and_then(|known| known.keyed.as_ref());
        let members = keyed.and_then(|slot| self.keyed.get(slot)).into_iter().flatten();
        members.filter(move |other| *other != key)
    }

    /// Who may turn out to share a slot with the object by its key, once looked at: those that never were and whose status
    /// tells the same id, and those that shared its former key.
    pub fn may_share(&self, key: &Key) -> HashSet<Key> {
        let Some(known) = self.known.get(key) else {
            return HashSet::new();
        };
        let id = known.id.as_ref().or(known.told.as_ref());
        let told = id.and_then(|id| self.unsettled.get(&(id.clone(), known.dump)));
        let others = told.into_iter().flatten().chain(&known.former);
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
mod tests {
    use kube::runtime::reflector::ObjectRef;

    use super::*;

    /// An object for each name, all on slots of their own, with the id that each status tells.
    fn filed(objects: &[(&str, Option<&str>)]) -> (Claims, Vec<Key>) {
        let mut claims = Claims::default();
        let keys: Vec<Key> = objects
            .iter()
            .map(|(name, _)| ObjectRef::new(name).within("ns"))
            .collect();
        for ((name, told), key) in objects.iter().zip(&keys) {
            let told = told.map(|id| (id.to_owned(), false));
            claims.file(key, Some(&format!("uid of {name}")), None, told);
        }
        (claims, keys)
    }

    fn digest(claims: &Claims, key: &str) -> KeyDigest {
        claims.digest(&key.into())
    }

    fn shares(claims: &Claims, key: &Key) -> Vec<String> {
        claims.sharing(key).map(|key| key.name.clone()).collect()
    }

    #[test]
    fn the_same_portal_is_the_same_key_and_the_same_id() {
        let (mut claims, keys) = filed(&[("a", None), ("b", None), ("c", None)]);
        for (key, (text, id)) in keys.iter().zip([("sk-1", "id"), ("sk-1", "id"), ("sk-2", "id")]) {
            let digest = digest(&claims, text);
            claims.uses_key(key, digest, false);
            claims.recognize(key, id);
        }
        assert_eq!(shares(&claims, &keys[0]), ["b"]);
        assert!(shares(&claims, &keys[2]).is_empty(), "an id is public");
        claims.recognize(&keys[1], "another");
        assert!(
            shares(&claims, &keys[0]).is_empty(),
            "a copy of a portal knows the key by another id"
        );
    }

    #[test]
    fn what_was_known_of_a_key_goes_with_it() {
        let (mut claims, keys) = filed(&[("a", Some("id")), ("b", Some("id"))]);
        let [old, new] = ["sk-1", "sk-2"].map(|key| digest(&claims, key));
        for key in &keys {
            claims.uses_key(key, old, false);
            assert!(claims.accept(key) && !claims.accept(key));
            claims.settle(key, &HashSet::new());
        }
        assert_eq!(
            shares(&claims, &keys[0]),
            ["b"],
            "the status tells the id until the portal does"
        );
        assert_eq!(claims.uses_key(&keys[1], new, false), [keys[0].clone()]);
        assert!(shares(&claims, &keys[0]).is_empty() && !claims.is_accepted(&keys[1]));
        // The other's key may have been replaced as well.
        for [one, other] in [[0, 1], [1, 0]] {
            assert_eq!(claims.may_share(&keys[one]), HashSet::from([keys[other].clone()]));
        }
        claims.settle(&keys[0], &claims.waiting(&keys[0]));
        assert!(!claims.may_share(&keys[1]).is_empty(), "that look began before");
        claims.wait_for(&keys[1], &keys[0]);
        claims.settle(&keys[0], &claims.waiting(&keys[0]));
        assert!(claims.may_share(&keys[1]).is_empty());
    }

    #[test]
    fn whose_status_tells_the_same_id_is_looked_at_first() {
        let (mut claims, keys) = filed(&[("a", Some("id")), ("b", None)]);
        claims.recognize(&keys[1], "id");
        assert_eq!(claims.may_share(&keys[1]), HashSet::from([keys[0].clone()]));
        claims.wait_for(&keys[1], &keys[0]);
        let waited = claims.waiting(&keys[0]);
        assert_eq!(waited, HashSet::from([keys[1].clone()]));
        claims.settle(&keys[0], &waited);
        assert!(claims.may_share(&keys[1]).is_empty() && claims.waiting(&keys[0]).is_empty());
    }

    #[test]
    fn an_object_that_is_made_anew_or_moved_begins_with_nothing_known() {
        let (mut claims, keys) = filed(&[("a", Some("id"))]);
        let digest = digest(&claims, "sk-1");
        claims.uses_key(&keys[0], digest, false);
        claims.accept(&keys[0]);
        claims.settle(&keys[0], &HashSet::new());
        claims.file(&keys[0], Some(&"another".into()), None, None);
        assert!(!claims.is_accepted(&keys[0]) && !claims.is_settled(&keys[0]));
        assert!(claims.keyed.is_empty() && claims.unsettled.is_empty());
        claims.forget(&keys[0]);
        assert!(claims.known.is_empty());
    }
}
