//! Which object of this operator owns a slot.

use std::collections::BTreeSet;

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        index::{
            Index,
            claims::{Claim, Claimant},
            slot::SlotKey,
        },
        key::Key,
    },
    rules::{backup::expected::Expected, facts::Slot, ownership::enforces},
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
            let namespace = me.metadata.namespace.as_deref().unwrap_or_default();
            let counts = |other: &&Key| shared.claims.counts(other, namespace);
            match slot.is_of_dump() {
                // Dumps at an address are one slot, independent of the Host.
                false => {
                    let dumps = SlotKey::of_dump(&me.spec);
                    let members = dumps.iter().flat_map(|dumps| shared.slots.of(dumps));
                    members.filter(counts).take(MOST_COMPARED).cloned().collect()
                }
                true => {
                    let here = |other: &SlotKey| !other.is_of_dump() && other.is_beside(&slot);
                    let members = shared.slots.iter().filter(|(other, _)| here(other));
                    let members = members.map(|(_, member)| member);
                    members.filter(counts).take(MOST_COMPARED).cloned().collect()
                }
            }
        };
        let meets = |other: &Key| {
            let newest = self.newest(other)?;
            let other = newest.object.ok()?;
            let theirs = Expected::of(&other, other.status.as_ref()?).ok()?;
            Some(expected.times.meets(&theirs.times, expected.since))
        };
        let first = others.iter().find(|other| meets(other) == Some(true))?;
        Some(name_for(first, me))
    }

    /// Makes the object wait for objects whose claims have precedence if they are true, until these were checked.
    pub fn wait_for_others(&self, me: &DocSpaceBackupSchedule) -> BTreeSet<Key> {
        let (claimant, claim) = (Claimant::of(me), Claim::of(me));
        let claims = &mut self.shared().claims;
        let others = claims.unverified(&claimant, &claim);
        others
            .iter()
            .for_each(|other| claims.wait_for(&Key::of(me), other));
        others
    }

    /// Who owns the slot: the owner, else the oldest object that enforces, is not suspended, and whose key the portal
    /// has accepted. This object is judged as if it met these conditions; if it takes nothing, no other is in its way.
    pub fn standing(&self, me: &DocSpaceBackupSchedule) -> Slot {
        if !enforces(&me.spec) && me.metadata.deletion_timestamp.is_none() {
            return Slot::Free;
        }
        let (claimant, claim) = (Claimant::of(me), Claim::of(me));
        let shared = self.shared();
        let first = shared.claims.precedes(&claimant, &claim);
        first.map_or(Slot::Free, |(first, is_here)| {
            Slot::Taken(owner_for(first, is_here, me))
        })
    }
}

/// Who owns the slot, as readers of this object may see it; `is_here` if it names the same address.
fn owner_for(owner: &Key, is_here: bool, me: &DocSpaceBackupSchedule) -> String {
    let name = name_for(owner, me);
    if is_here {
        name
    } else {
        format!("{name} (the same API key leads to both addresses, so they are one portal)")
    }
}

/// The name of an object, shown only within its own namespace.
fn name_for(other: &Key, me: &DocSpaceBackupSchedule) -> String {
    if Some(other.namespace()) == me.metadata.namespace.as_deref() {
        format!("DocSpaceBackupSchedule {}", other.name())
    } else {
        "an object in another namespace".into()
    }
}
