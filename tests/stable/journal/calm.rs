//! What happens after the last disturbance, and whether it ends.

use std::collections::HashMap;

use docspace_backup_operator::{
    api::DocSpaceBackupSchedule,
    rules::{
        outcome::Kept,
        reason::{Class, Reason},
    },
};
use serde_json::Value;

use super::Journal;
use crate::{
    claims::{claim, slot_of, uid_of},
    installation::Installation,
    settled::{essence, would_delete},
};

/// How many looks an object may need after the last change of its slot, without those at which it waits for somebody or for
/// a quiet day.
const MOST_LOOKS: usize = 10;
/// The most writes to a slot.
const MOST_POSTS: usize = 3;
const MOST_DELETES: usize = 2;
/// The most status writes of an object in a day that tell of backups alone.
const MOST_PASSING: usize = 6;

/// The looks of an object since its slot last changed.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    slot: usize,
    all: usize,
    /// Those up to the last change of its status.
    to_change: usize,
}

/// What was written to a slot.
#[derive(Clone, Copy, Debug, Default)]
struct Writes {
    posts: usize,
    deletes: usize,
}

/// The time in which nothing may be written.
#[derive(Debug, Default)]
struct Quiet {
    /// Slots to which one POST may be allowed later, and whether it was made.
    open: HashMap<usize, bool>,
    /// The status writes of each object that tell of backups alone.
    passing: HashMap<String, usize>,
}

/// What happens after the last disturbance.
#[derive(Debug, Default)]
pub struct Calm {
    looks: HashMap<String, Looks>,
    writes: [Writes; 3],
    changes: usize,
    quiet: Option<Quiet>,
    /// The last status of each object.
    statuses: HashMap<String, Value>,
}

impl Calm {
    /// The last disturbance is over.
    pub fn begin(&mut self) {
        self.looks.clear();
        self.writes = Default::default();
    }

    /// How often a slot or a status changed.
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// Everything is settled; where an object waits for archives to expire or for a month to end, one write may follow.
    pub fn be_quiet(&mut self, open: impl IntoIterator<Item = usize>) {
        self.quiet = Some(Quiet {
            open: open.into_iter().map(|slot| (slot, false)).collect(),
            ..Quiet::default()
        });
    }

    /// Whether nothing may be written.
    pub fn is_quiet(&self) -> bool {
        self.quiet.is_some()
    }

    fn is_open(&self, slot: usize) -> bool {
        let quiet = self.quiet.as_ref();
        quiet.is_none_or(|quiet| quiet.open.contains_key(&slot))
    }

    /// What the slot holds changes.
    pub fn changed(&mut self, slot: usize) {
        self.looks.retain(|_, looks| looks.slot != slot);
        self.changes += 1;
    }

    /// A POST.
    pub fn post(&mut self, slot: usize) {
        self.writes[slot].posts += 1;
        self.changed(slot);
    }

    /// A DELETE.
    pub fn delete(&mut self, slot: usize) {
        self.writes[slot].deletes += 1;
        self.changed(slot);
    }

    /// Whether nothing may be written, and this is not the one write that was to follow.
    pub fn forbids_post(&mut self, object: &DocSpaceBackupSchedule, installation: &Installation<'_>) -> bool {
        let Some(quiet) = &mut self.quiet else {
            return false;
        };
        match quiet.open.get_mut(&slot_of(object)) {
            Some(made) => std::mem::replace(made, true) || would_delete(object, installation),
            None => true,
        }
    }
}

/// Whether this is the reason of Ready.
fn is_ready_for(status: &Value, reason: &str) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["reason"] == reason)
}

impl Journal {
    /// A look ended with this verdict.
    pub fn looked(&mut self, object: &DocSpaceBackupSchedule, kept: &Kept, class: Class) {
        // It waits for a day, a month, a user or the owner of its slot, whose own look may be a day away.
        let waiting = [
            Reason::Conflict,
            Reason::Contested,
            Reason::RemovedByPortal,
            Reason::WouldDeleteArchives,
        ];
        if !waiting.contains(&kept.verdict.reason) {
            self.calm.looks_of(object).all += 1;
        }
        if class != Class::Ready {
            self.tell(|| format!("        {}", kept.verdict.reason));
        }
    }

    /// The operator wrote finalizers.
    pub fn patched(&mut self, object: &DocSpaceBackupSchedule) {
        if !self.calm.is_open(slot_of(object)) {
            self.fails(format!(
                "the finalizers of {} change although everything is settled",
                claim(object)
            ));
        }
    }

    /// The operator wrote a status; `taken` if Kubernetes said so.
    pub fn status_written(&mut self, object: &DocSpaceBackupSchedule, status: &Value, taken: bool) {
        let (uid, slot) = (uid_of(object), slot_of(object));
        if taken {
            self.recorded(uid, slot);
        } else {
            self.tell(|| "        the status write fails".into());
        }
        let before = self.calm.statuses.insert(uid.into(), status.clone());
        let before = before.unwrap_or_default();
        let is_passing = essence(&before) == essence(status);
        if !is_passing {
            // What it tells of archives changes with them.
            self.calm.changes += usize::from(!is_ready_for(status, "WouldDeleteArchives"));
            let looks = self.calm.looks_of(object);
            looks.to_change = looks.all;
        }
        if self.calm.is_open(slot) {
            return;
        }
        let grows = ["corrections", "removals"]
            .iter()
            .any(|tally| !status[tally].is_null() && status[tally] != before[tally]);
        if !is_passing || grows {
            self.fails(format!(
                "the status of {} changes although everything is settled, from {before} to {status}",
                claim(object)
            ));
        } else if let Some(quiet) = &mut self.calm.quiet {
            *quiet.passing.entry(uid.into()).or_default() += 1;
        }
    }

    /// Judges how long it took until nothing changed any more.
    pub fn settles(&mut self) {
        let looks: Vec<_> = self.calm.looks.values().map(|looks| looks.to_change).collect();
        for looks in looks {
            self.at_most(MOST_LOOKS, looks, "looks of an object until it rests");
        }
        for writes in self.calm.writes {
            self.at_most(MOST_POSTS, writes.posts, "POSTs to a slot until it rests");
            self.at_most(MOST_DELETES, writes.deletes, "DELETEs of a slot until it rests");
        }
    }

    /// Ends the time in which nothing may be written.
    pub fn rested(&mut self, hours: i64) {
        let days = usize::try_from(hours / 24 + 1).unwrap_or_default();
        let quiet = self.calm.quiet.take().unwrap_or_default();
        for passing in quiet.passing.into_values() {
            let a_day = passing.div_ceil(days);
            self.at_most(MOST_PASSING, a_day, "status writes of an object at rest in a day");
        }
    }

    /// Fails if there are more.
    pub fn at_most(&mut self, bound: usize, number: usize, of: &'static str) {
        self.seen.most(of, number);
        if number > bound {
            self.fails(format!("{number} {of}"));
        }
    }
}

impl Calm {
    fn looks_of(&mut self, object: &DocSpaceBackupSchedule) -> &mut Looks {
        let looks = self.looks.entry(uid_of(object).into()).or_default();
        looks.slot = slot_of(object);
        looks
    }
}
