//! What happens in a story, and whether it may: the properties of single writes.

mod calm;
mod post;

use std::collections::{HashMap, HashSet};

use docspace_backup_operator::{
    api::{AppliedReason, DocSpaceBackupSchedule},
    controller::Key,
    rules::{plan::Plan, reason::Reason},
    schedule::{Held, Schedule},
};
use jiff::{SignedDuration, Timestamp};

use self::calm::Calm;
use crate::{
    claims::{slot_of, uid_of},
    installation::{Installation, text},
    seen::Seen,
    settled::would_delete,
};

/// For so long, an accepted schedule is looked for, less what rounding to seconds takes.
const LOOKED_FOR: SignedDuration = SignedDuration::from_secs(59);

/// The last POST to a slot.
#[derive(Clone, Debug)]
struct Last {
    text: String,
    by: String,
    /// The object and its address; another address is a change.
    claim: String,
    at: Timestamp,
    reason: AppliedReason,
    /// The portal's time then.
    portal_time: Timestamp,
    process: u32,
    /// The portal accepted it; `None` if there was no clear answer.
    accepted: Option<bool>,
    /// A status that Kubernetes took tells of it.
    recorded: bool,
    /// The portal has shown it.
    settled: bool,
    /// Something else changed the slot since.
    overtaken: bool,
}

/// A restored schedule that the portal accepted.
#[derive(Clone, Debug)]
struct Restored {
    by: String,
    /// When, by the portal's clock.
    at: Timestamp,
    process: u32,
    /// A status that Kubernetes took tells of it.
    recorded: bool,
}

/// What is known of a slot.
#[derive(Debug, Default)]
struct SlotRecord {
    last: Option<Last>,
    /// What each object wrote or adopted there.
    ours: HashSet<(String, String)>,
    /// The objects whose last POST was accepted and never shown.
    unshown: HashSet<String>,
    /// How often the schedule was removed, by the portal or where nobody can tell.
    removals: usize,
    /// What the operator was shown last, and since when.
    shown: Option<(Option<String>, Timestamp)>,
    /// The last correction of a change by others, and of a removal by the portal, unless a user did something since.
    restored: [Option<Restored>; 2],
}

/// The story so far.
#[derive(Default)]
pub struct Journal {
    /// For people.
    pub told: Vec<String>,
    /// Whether anybody listens.
    pub tells: bool,
    /// The first violation.
    pub wrong: Option<String>,
    /// Counts.
    pub seen: Seen,
    slots: [SlotRecord; 3],
    writes_to: usize,
    /// Whether each object's last refusal to delete archives was right.
    spares: HashMap<String, bool>,
    /// The operator's present process.
    pub process: u32,
    /// What happens after the last disturbance.
    pub calm: Calm,
}

impl Journal {
    /// Tells a line.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.tells {
            self.told.push(line());
        }
    }

    /// A property does not hold.
    pub fn fails(&mut self, what: String) {
        self.tell(|| format!("    WRONG: {what}"));
        self.wrong.get_or_insert(what);
    }

    /// The operator decided.
    pub fn decided(
        &mut self,
        object: &DocSpaceBackupSchedule,
        plan: &Plan,
        (now, installation): (Timestamp, &Installation<'_>),
    ) {
        self.seen.looks += 1;
        let told = plan.to_string();
        let told = told.strip_suffix(", left behind").unwrap_or(&told);
        self.seen.count(told);
        self.tell(|| format!("    {now:.0} {:?}: {plan}", Key::of(object)));
        let refusal = match plan {
            Plan::Refuse(verdict) => Some(verdict.reason),
            _ => None,
        };
        if refusal == Some(Reason::WouldDeleteArchives) {
            let is_right = would_delete(object, installation);
            self.spares.insert(uid_of(object).into(), is_right);
            if !is_right && !installation.misleads(slot_of(object)) && !installation.hides_archives() {
                self.fails("WouldDeleteArchives although a write deletes none".into());
            }
        }
        if refusal == Some(Reason::NotConverging)
            && let Some(last) = &self.slots[slot_of(object)].last
            && (last.by == uid_of(object) && last.accepted == Some(true) && !last.overtaken)
            && now.duration_since(last.at) < LOOKED_FOR
        {
            self.fails("NotConverging within a minute of the POST".into());
        }
    }

    /// The portal showed this to the operator.
    pub fn shows(&mut self, slot: usize, held: Option<&Held>, now: Timestamp) {
        let (held, shown) = (held.map(|held| text(&held.schedule)), &mut self.slots[slot].shown);
        if shown.as_ref().is_none_or(|(before, _)| *before != held) {
            *shown = Some((held, now));
        }
    }

    /// An object takes over what the slot holds.
    pub fn adopts(&mut self, object: &DocSpaceBackupSchedule, installation: &Installation<'_>) {
        let slot = slot_of(object);
        self.may_be_restored(object);
        if let Some(text) = installation.text(slot) {
            let ours = &mut self.slots[slot].ours;
            ours.insert((uid_of(object).into(), text));
        }
    }

    /// Somebody else changed the slot, or what the operator knows of it.
    pub fn overtaken(&mut self, slot: usize) {
        if let Some(last) = &mut self.slots[slot].last {
            last.overtaken = true;
        }
    }

    /// Somebody took from the operator what it knows of its writes for an object.
    pub fn forgiven(&mut self, object: &DocSpaceBackupSchedule) {
        self.may_be_restored(object);
        let lasts = self.slots.iter_mut().filter_map(|record| record.last.as_mut());
        for last in lasts.filter(|last| last.by == uid_of(object)) {
            (last.recorded, last.overtaken, last.process) = (false, true, 0);
        }
    }

    /// The user of the object did something: the operator may restore its schedule again.
    pub fn may_be_restored(&mut self, object: &DocSpaceBackupSchedule) {
        let restored = self.slots.iter_mut().flat_map(|record| &mut record.restored);
        for restored in restored {
            restored.take_if(|restored| restored.by == uid_of(object));
        }
    }

    /// By a portal's clock, days and months end at other times.
    pub fn clock_moves(&mut self) {
        for record in &mut self.slots {
            record.restored = Default::default();
        }
    }

    /// A Secret was written: its values may be new everywhere.
    pub fn secrets_change(&mut self) {
        for slot in 0..3 {
            self.overtaken(slot);
            self.slots[slot].restored = Default::default();
        }
    }

    /// A write of this schedule without an answer was carried out after all.
    pub fn landed(&mut self, slot: usize, schedule: &Schedule) {
        self.calm.changed(slot);
        let last = self.slots[slot].last.as_mut();
        if let Some(last) = last.filter(|last| last.text != text(schedule)) {
            last.overtaken = true;
        }
    }

    /// The slot's schedule was removed, and the audit trail does not tell that a person did.
    pub fn removed(&mut self, slot: usize) {
        self.slots[slot].removals += 1;
    }

    /// Whether the slot's schedule was removed so often.
    pub fn was_removed_often(&self, slot: usize) -> bool {
        self.slots[slot].removals >= 2
    }

    /// The operator found the object's schedule in its portal.
    pub fn settled(&mut self, object: &DocSpaceBackupSchedule, installation: &Installation<'_>) {
        let slot = slot_of(object);
        self.slots[slot].unshown.remove(uid_of(object));
        let held = installation.text(slot);
        if let Some(last) = &mut self.slots[slot].last
            && held.as_ref() == Some(&last.text)
        {
            last.settled = true;
        }
    }

    /// Whether the object wrote or adopted this schedule. Its record shows no secrets.
    pub fn is_of(&self, uid: &str, slot: usize, held: &str) -> bool {
        let shown = |text: &str| text.replace("secret 0", "secret").replace("secret 1", "secret");
        let mut ours = self.slots[slot].ours.iter();
        ours.any(|(by, text)| by == uid && shown(text) == shown(held))
    }

    /// Whether any object wrote or adopted this schedule.
    pub fn is_of_anybody(&self, slot: usize, held: &str) -> bool {
        let mut by = self.slots[slot].ours.iter().map(|(by, _)| by);
        by.any(|by| self.is_of(by, slot, held))
    }

    /// Whether the portal accepted the object's last POST and never showed it. Another object may have written meanwhile, where
    /// Kubernetes did not take the status that tells of it.
    pub fn was_never_shown(&self, object: &DocSpaceBackupSchedule) -> bool {
        self.slots[slot_of(object)].unshown.contains(uid_of(object))
    }

    /// Whether a write would have made the portal delete archives when the object last said so.
    pub fn spares_archives(&self, object: &DocSpaceBackupSchedule) -> bool {
        self.spares.get(uid_of(object)).is_some_and(|is_right| *is_right)
    }

    /// A status that Kubernetes took tells of the object's last write, if the same process made it.
    fn recorded(&mut self, uid: &str, slot: usize) {
        let (process, record) = (self.process, &mut self.slots[slot]);
        let last = record.last.as_mut();
        if let Some(last) = last.filter(|last| last.by == uid && last.process == process) {
            last.recorded = true;
        }
        let restored = record.restored.iter_mut().flatten();
        for restored in restored.filter(|restored| restored.by == uid && restored.process == process) {
            restored.recorded = true;
        }
    }
}
