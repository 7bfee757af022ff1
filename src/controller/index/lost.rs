//! Writes with an unknown outcome, by slot: they concern every object that comes to the slot, also after the object that
//! made them is gone.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{DocSpaceBackupSchedule, Status},
    controller::{
        index::{claims::KeyedSlot, slot::SlotKey},
        key::Key,
    },
    rules::{lost_write::MAY_LAND_FOR, memory::Lost},
};

/// Old entries are dropped this often.
const PRUNED_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// The lost writes of all slots.
#[derive(Default)]
pub struct LostWrites {
    /// Those that this process made.
    ours: HashMap<SlotKey, Lost>,
    /// Their slots, by the API key: the same portal may have other addresses.
    keyed: HashMap<KeyedSlot, SlotKey>,
    /// Those that the statuses of objects record.
    recorded: HashMap<SlotKey, HashMap<Key, Recorded>>,
    /// The slots of `recorded`.
    slots: HashMap<Key, SlotKey>,
    pruned: Timestamp,
}

#[derive(Clone, Copy)]
struct Recorded {
    time: Timestamp,
    /// Its object names the same slot now.
    is_own_slot: bool,
}

impl LostWrites {
    /// Takes in what the status of an object records.
    pub fn file(&mut self, object: &DocSpaceBackupSchedule, now: Timestamp) {
        self.prune(now);
        let key = Key::of(object);
        if let Some(slot) = self.slots.remove(&key)
            && let Some(writes) = self.recorded.get_mut(&slot)
        {
            writes.remove(&key);
        }
        let Some(lost) = object.status.as_ref().and_then(Status::lost_request) else {
            return;
        };
        let own = SlotKey::of(&object.spec);
        let slot = match &lost.url {
            Some(url) => SlotKey::new(url, lost.host_header.as_deref(), lost.dump),
            None => own.clone(),
        };
        let Some(slot) = slot.filter(|_| !is_old(lost.time.0, now)) else {
            return;
        };
        let recorded = Recorded {
            time: lost.time.0,
            is_own_slot: own.as_ref() == Some(&slot),
        };
        self.slots.insert(key.clone(), slot.clone());
        self.recorded.entry(slot).or_default().insert(key, recorded);
    }

    /// The time of the newest write to this slot that the status of another object records; `counts` says whose do, given
    /// whether their object names the slot now.
    pub fn recorded(&self, slot: &SlotKey, counts: impl Fn(&Key, bool) -> bool) -> Option<Timestamp> {
        let writes = self.recorded.get(slot).into_iter().flatten();
        let counting = writes.filter(|(by, recorded)| counts(by, recorded.is_own_slot));
        counting.map(|(_, recorded)| recorded.time).max()
    }

    /// The write to this slot that this process made, to this address or to another one of the same key.
    pub fn ours(&self, slot: &SlotKey, keyed: Option<&KeyedSlot>) -> Option<&Lost> {
        let elsewhere = || self.ours.get(self.keyed.get(keyed?)?);
        self.ours.get(slot).or_else(elsewhere)
    }

    /// Keeps a write that this process made.
    pub fn lose(&mut self, slot: SlotKey, keyed: Option<KeyedSlot>, lost: Lost) {
        self.prune(lost.since);
        self.keyed.extend(keyed.map(|keyed| (keyed, slot.clone())));
        self.ours.insert(slot, lost);
    }

    /// The write to this slot is settled.
    pub fn settle(&mut self, slot: &SlotKey) {
        self.ours.remove(slot);
    }

    /// Drops what can no longer be carried out.
    fn prune(&mut self, now: Timestamp) {
        if now.duration_since(self.pruned).abs() < PRUNED_EVERY {
            return;
        }
        self.pruned = now;
        let ours = &mut self.ours;
        ours.retain(|_, lost| !is_old(lost.since, now));
        self.keyed.retain(|_, slot| ours.contains_key(slot));
        self.recorded.retain(|_, writes| {
            writes.retain(|_, recorded| !is_old(recorded.time, now));
            !writes.is_empty()
        });
        let recorded = &self.recorded;
        self.slots
            .retain(|key, slot| recorded.get(slot).is_some_and(|writes| writes.contains_key(key)));
    }
}

fn is_old(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time).abs() >= MAY_LAND_FOR
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::sample;

    const MINE: &str = "https://p.test";
    const YOURS: &str = "https://yours.test";

    fn now() -> Timestamp {
        "2026-11-26T12:00:00Z".parse().expect("a time")
    }

    /// An object at [`MINE`] whose status records a request to this address.
    fn object(name: &str, url: &str, time: Timestamp, unknown: bool) -> DocSpaceBackupSchedule {
        let metadata = json!({"name": name, "namespace": "docspace", "uid": name});
        let request = json!({
            "operation": "CreateSchedule", "time": time, "message": "", "url": url, "outcomeUnknown": unknown,
        });
        sample::object(&metadata, &json!({"lastRequest": request}))
    }

    fn slot(url: &str) -> SlotKey {
        SlotKey::new(url, None, false).expect("a slot")
    }

    fn anybody(_: &Key, _: bool) -> bool {
        true
    }

    #[test]
    fn a_status_records_a_write_to_the_slot_of_its_object_for_ten_minutes() {
        let object = |url, unknown| object("nightly", url, now(), unknown);
        let (mine, yours) = (slot(MINE), slot(YOURS));
        let own_slot_only = |_: &Key, is_own_slot| is_own_slot;
        let lost = Some(now());

        let mut writes = LostWrites::default();
        writes.file(&object(MINE, true), now());
        assert_eq!(writes.recorded(&mine, own_slot_only), lost);
        // Another address than that of the spec may be a lie.
        writes.file(&object(YOURS, true), now());
        assert_eq!(writes.recorded(&mine, anybody), None);
        assert_eq!(writes.recorded(&yours, anybody), lost);
        assert_eq!(writes.recorded(&yours, own_slot_only), None);
        writes.file(&object(YOURS, false), now());
        assert_eq!(writes.recorded(&yours, anybody), None);

        writes.file(&object(MINE, true), now());
        writes.prune(now() + MAY_LAND_FOR);
        assert_eq!(writes.recorded(&mine, anybody), None);
        assert!(writes.slots.is_empty());
    }

    #[test]
    fn a_younger_write_to_the_slot_keeps_no_older_one() {
        let later = now() + MAY_LAND_FOR / 2;
        let mut writes = LostWrites::default();
        writes.file(&object("old", MINE, now(), true), now());
        writes.file(&object("young", MINE, later, true), later);
        writes.prune(now() + MAY_LAND_FOR);
        assert_eq!(writes.recorded(&slot(MINE), anybody), Some(later));
        assert_eq!(writes.slots.keys().map(Key::name).collect::<Vec<_>>(), ["young"]);
    }
}
