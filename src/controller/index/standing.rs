//! Which object of this operator owns a slot.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use crate::{
    api::DocSpaceBackupSchedule,
    controller::index::{
        Index,
        shared::Shared,
        slot::{Key, SlotKey, key_of},
    },
    rules::{
        backup::expected::Expected,
        facts::Slot,
        ownership::{enforces, is_owner},
    },
};

/// One comparison of two hostile timetables takes about 0.2 ms.
const MOST_COMPARED: usize = 16;

impl Index {
    /// An object of the same portal with the other `dump` whose backup the portal would start in the same pass; its
    /// name, as readers of this object may see it. Of many such objects, MOST_COMPARED are compared.
    pub fn at_same_hour(&self, me: &DocSpaceBackupSchedule, expected: &Expected) -> Option<String> {
        let slot = SlotKey::of(&me.spec)?;
        let others: Vec<_> = {
            let shared = self.shared();
            let members: Vec<_> = match slot.is_of_dump() {
                // Dumps at an address are one slot, independent of the Host.
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
            let counting = members
                .into_iter()
                .flatten()
                .filter(|other| shared.counts(other, me));
            counting.take(MOST_COMPARED).cloned().collect()
        };
        let mut newest = others.iter().filter_map(|key| self.newest(key));
        newest.find_map(|other| {
            let other = other.0.as_ref().ok()?;
            let theirs = Expected::of(other, other.status.as_ref()?).ok()?;
            let meet = expected.times.meets(&theirs.times, expected.since);
            meet.then(|| name_for(other, me))
        })
    }

    /// Makes the object wait for objects whose claims have precedence if they are true, until these were checked.
    pub fn wait_for_others(&self, me: &DocSpaceBackupSchedule) -> Vec<Key> {
        let key = key_of(me);
        let mut others: HashSet<Key> = {
            let shared = self.shared();
            let strangers = shared.others(&key).into_iter();
            let unexamined = strangers
                .filter(|other| other.namespace != key.namespace && !shared.claims.was_examined(other));
            unexamined.chain(shared.claims.may_share(&key)).collect()
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

    /// Who owns the slot: the owner, else the oldest object that enforces, is not suspended, and whose key the portal
    /// has accepted. This object is judged as if it met these conditions.
    pub fn standing(&self, me: &DocSpaceBackupSchedule) -> Slot {
        let counting: Vec<_> = {
            let shared = self.shared();
            let sharing = shared.sharing(SlotKey::of(&me.spec).as_ref(), &key_of(me));
            sharing
                .into_iter()
                .filter(|other| shared.counts(other, me))
                .collect()
        };
        let others: Vec<_> = counting.iter().filter_map(|key| self.newest(key)).collect();
        let others = others.iter().filter_map(|other| other.0.as_ref().ok());
        first(me, others).map_or(Slot::Free, |first| Slot::Taken(owner_for(first, me)))
    }
}

impl Shared {
    /// Whether the claim of another object's status counts against this one: in the same namespace always, in others
    /// once its portal was seen to accept its key.
    fn counts(&self, other: &Key, me: &DocSpaceBackupSchedule) -> bool {
        other.namespace == me.metadata.namespace || self.claims.is_accepted(other)
    }
}

/// The other object that has precedence on the slot, if the statuses are true.
fn first<'a>(
    me: &DocSpaceBackupSchedule,
    others: impl Iterator<Item = &'a DocSpaceBackupSchedule> + Clone,
) -> Option<&'a DocSpaceBackupSchedule> {
    let older = |other: &&DocSpaceBackupSchedule| age(other) < age(me);
    let owners = others.clone().filter(|other| is_owner(other));
    let owner = owners.min_by_key(|other| age(other));
    match (is_owner(me), owner) {
        (true, owner) => owner.filter(older),
        (false, Some(owner)) => Some(owner),
        (false, None) => others
            .filter(|other| competes(other))
            .filter(older)
            .min_by_key(|other| age(other)),
    }
}

/// An object that may take a free slot: its portal last accepted its key.
fn competes(object: &DocSpaceBackupSchedule) -> bool {
    let conditions = object.status.as_ref().map(|status| &status.conditions);
    let generation = object.metadata.generation;
    let accepted = |condition: &Condition| {
        condition.type_ == "CredentialsValid"
            && condition.status == "True"
            && condition.observed_generation == generation
    };
    enforces(&object.spec)
        && object.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|conditions| conditions.iter().any(accepted))
}

fn age(object: &DocSpaceBackupSchedule) -> impl Ord + use<'_> {
    (
        object.metadata.creation_timestamp.as_ref().map(|time| time.0),
        object.metadata.uid.as_deref(),
    )
}

/// Who owns the slot, as readers of this object may see it.
fn owner_for(owner: &DocSpaceBackupSchedule, me: &DocSpaceBackupSchedule) -> String {
    let name = name_for(owner, me);
    if SlotKey::of(&owner.spec) == SlotKey::of(&me.spec) {
        name
    } else {
        format!("{name} (the same API key leads to both addresses, so they are one portal)")
    }
}

/// The name of an object, shown only within its own namespace.
fn name_for(other: &DocSpaceBackupSchedule, me: &DocSpaceBackupSchedule) -> String {
    if other.metadata.namespace == me.metadata.namespace {
        format!("DocSpaceBackupSchedule {}", other.name_any())
    } else {
        "an object in another namespace".into()
    }
}
