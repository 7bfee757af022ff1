//! Which claims have precedence over that of an object, and which of them must be checked first.

use std::collections::{BTreeSet, HashMap};

use crate::controller::{
    index::claims::{Claim, Claimant, Claims},
    key::Key,
};

/// Of each other namespace, an object waits for the check of at most this many objects. Who comes first cannot be
/// forged, so a true claim is among them, unless its own namespace hides it.
const MOST_AWAITED: usize = 4;

impl Claims {
    /// Whether the claim of another object counts against one of this namespace: in the same namespace always, in others
    /// once its portal was seen to accept its key.
    pub fn counts(&self, other: &Key, namespace: &str) -> bool {
        other.namespace() == namespace || self.is_accepted(other)
    }

    /// Whether the object claims its slot, so that others may have to leave the slot to it.
    pub fn has_claim(&self, key: &Key) -> bool {
        self.known
            .get(key)
            .is_some_and(|known| known.claim.rank().is_some())
    }

    /// The object that an object with this claim must leave its slot to, and whether that one names the same address.
    pub fn precedes(&self, me: &Claimant, claim: &Claim) -> Option<(&Key, bool)> {
        let counts = |other: &&Key| **other != me.key && self.counts(other, me.key.namespace());
        let here = self.ranked_at(me.slot.as_ref()).find(|(_, other)| counts(other));
        let here = here.map(|(rank, other)| (rank.clone(), other));
        let keyed = self.sharing(&me.key).filter(counts);
        let keyed = keyed.filter_map(|other| Some((self.known.get(other)?.claim.rank()?, other)));
        let (rank, first) = here
            .into_iter()
            .chain(keyed)
            .min_by(|one, other| one.0.cmp(&other.0))?;
        let known = self.known.get(first)?;
        claim
            .yields_to(&rank)
            .then_some((first, known.claimant.slot == me.slot))
    }

    /// The objects that an object with this claim must leave its slot to if their claims are true, which this process
    /// has not checked yet. Of each other namespace, the first MOST_AWAITED count.
    pub fn unverified(&self, me: &Claimant, claim: &Claim) -> BTreeSet<Key> {
        let is_here = |other: &Key| other.namespace() == me.key.namespace();
        let here = self.ranked_at(me.slot.as_ref()).map(|(_, other)| other);
        let strangers = here
            .chain(self.sharing(&me.key))
            .filter(|other| !is_here(other) && !self.was_examined(other));
        let others: BTreeSet<_> = strangers.chain(self.may_share(&me.key)).collect();
        let ranked = others.into_iter().filter_map(|other| {
            let rank = self.known.get(other)?.claim.rank()?;
            (*other != me.key && claim.yields_to(&rank)).then_some((rank, other))
        });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut awaited = HashMap::<_, usize>::new();
        let first = ranked.into_iter().map(|(_, other)| other).filter(|other| {
            let awaited = awaited.entry(other.namespace()).or_default();
            *awaited += 1;
            is_here(other) || *awaited <= MOST_AWAITED
        });
        first.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::controller::index::slot::SlotKey;

    /// An object at the same slot.
    #[derive(Clone, Debug)]
    struct Object {
        namespace: u8,
        owns: bool,
        competes: bool,
        accepted: bool,
        created: i64,
    }

    fn objects() -> impl Strategy<Value = Vec<Object>> {
        let object = (0..3u8, any::<[bool; 3]>(), 0..3i64).prop_map(
            |(namespace, [owns, competes, accepted], created)| Object {
                namespace,
                owns,
                competes,
                accepted,
                created,
            },
        );
        vec(object, 1..6)
    }

    fn claimant(at: usize, object: &Object) -> Claimant {
        Claimant {
            key: Key::new(&object.namespace.to_string(), &at.to_string()),
            uid: Some(at.to_string().into()),
            slot: SlotKey::new("https://portal.test", None, false),
            dump: false,
        }
    }

    fn claim(at: usize, object: &Object) -> Claim {
        Claim {
            owns: object.owns,
            competes: object.competes,
            age: (
                Timestamp::from_second(object.created).ok(),
                Some(at.to_string().into()),
            ),
        }
    }

    fn filed(objects: &[Object]) -> Claims {
        let mut claims = Claims::default();
        for (at, object) in objects.iter().enumerate() {
            let claimant = claimant(at, object);
            claims.file(claimant.clone(), None, claim(at, object));
            if object.accepted {
                claims.accept(&claimant);
            }
        }
        claims
    }

    proptest! {
        #[test]
        fn the_owner_comes_first_and_then_the_oldest_that_may_take_the_slot(objects in objects()) {
            let claims = filed(&objects);
            for (at, me) in objects.iter().enumerate() {
                let counting = objects.iter().enumerate().filter(|(other, object)| {
                    *other != at && (object.namespace == me.namespace || object.accepted)
                });
                let age = |(at, object): &(usize, &Object)| (object.created, at.to_string());
                let is_older = |other: &(usize, &Object)| age(other) < age(&(at, me));
                let owner = counting.clone().filter(|(_, other)| other.owns).min_by_key(age);
                let wanted = match (me.owns, owner) {
                    (true, owner) => owner.filter(is_older),
                    (false, Some(owner)) => Some(owner),
                    (false, None) => counting.filter(|(_, other)| other.competes).filter(is_older).min_by_key(age),
                };
                let first = claims.precedes(&claimant(at, me), &claim(at, me));
                let first = first.map(|(first, is_here)| (first.name().to_owned(), is_here));
                prop_assert_eq!(first, wanted.map(|(other, _)| (other.to_string(), true)));
            }
        }
    }

    #[test]
    fn of_many_claims_of_a_stranger_the_oldest_are_awaited() {
        let object = |namespace, created| Object {
            namespace,
            owns: true,
            competes: false,
            accepted: false,
            created,
        };
        let mut objects: Vec<_> = (0..9).map(|age| object(1, age)).collect();
        objects.extend((0..2).map(|age| object(2, age)));
        let me = Object {
            owns: false,
            ..object(0, 99)
        };
        objects.push(me.clone());
        let mut claims = filed(&objects);
        let awaited = |claims: &Claims| {
            let awaited = claims.unverified(&claimant(11, &me), &claim(11, &me));
            let mut names: Vec<_> = awaited.iter().map(|key| key.name().to_owned()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(awaited(&claims), ["0", "1", "10", "2", "3", "9"]);
        for at in [0, 9] {
            claims.examined(&claimant(at, &objects[at]), &BTreeSet::new());
        }
        assert_eq!(awaited(&claims), ["1", "10", "2", "3", "4"]);
    }

    #[test]
    fn who_claims_nothing_leaves_no_trace() {
        let mut objects = vec![
            Object {
                namespace: 0,
                owns: true,
                competes: true,
                accepted: true,
                created: 0,
            };
            2
        ];
        objects[1].owns = false;
        let mut claims = filed(&objects);
        for (at, object) in objects.iter().enumerate() {
            let key = claimant(at, object).key;
            assert!(claims.has_claim(&key));
            claims.file(claimant(at, object), None, Claim::default());
            assert!(!claims.has_claim(&key));
        }
        assert!(claims.ranked.is_empty());
    }
}
