//! What happens in a story, and whether it may: the properties of single writes.

use std::collections::{HashMap, HashSet};

use docspace_backup_operator::{
    api::{AdoptionPolicy, DocSpaceBackupSchedule},
    controller::Key,
    portal::PortalError,
    rules::{
        lost_write::MAY_LAND_FOR,
        outcome::{Kept, Sent},
        plan::{Plan, Write},
        reason::{Class, Reason},
    },
    schedule::Schedule,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    claims::{Accepted, Sure, claim, enforces, in_the_way, owned, slot_of, uid_of},
    installation::{Installation, portal_of, text},
    kubernetes::Kubernetes,
    seen::Seen,
    settled::essence,
};

/// The last POST to a slot.
#[derive(Clone, Debug)]
struct Last {
    text: String,
    by: String,
    /// The object and its address; another address is a change.
    claim: String,
    at: Timestamp,
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

/// What is known of a slot.
#[derive(Debug, Default)]
struct SlotRecord {
    last: Option<Last>,
    /// What each object wrote or adopted there.
    ours: HashSet<(String, String)>,
    /// How often the schedule was removed, by the portal or where nobody can tell.
    removals: usize,
}

/// The story so far.
#[derive(Default)]
pub struct Journal {
    /// For people.
    pub told: Vec<String>,
    /// The first violation.
    pub wrong: Option<String>,
    /// Counts.
    pub seen: Seen,
    slots: [SlotRecord; 3],
    writes_to: usize,
    /// No write is allowed, but to these slots.
    pub quiet: Option<Vec<usize>>,
    /// The looks of each object since the last disturbance, and that of the last change.
    pub looks: HashMap<String, (usize, usize)>,
    essences: HashMap<String, Value>,
}

impl Journal {
    /// Tells a line.
    pub fn tell(&mut self, line: String) {
        self.told.push(line);
    }

    /// A property does not hold.
    pub fn fails(&mut self, what: String) {
        self.tell(format!("    WRONG: {what}"));
        self.wrong.get_or_insert(what);
    }

    /// The operator decided.
    pub fn decided(&mut self, object: &DocSpaceBackupSchedule, plan: &Plan, now: Timestamp) {
        self.seen.looks += 1;
        let told = plan.to_string();
        let told = told.strip_suffix(", left behind").unwrap_or(&told);
        self.seen.count(told);
        self.tell(format!("    {now:.0} {:?}: {plan}", Key::of(object)));
    }

    /// An object takes over what the slot holds.
    pub fn adopts(&mut self, object: &DocSpaceBackupSchedule, installation: &Installation<'_>) {
        let slot = slot_of(object);
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
        let lasts = self.slots.iter_mut().filter_map(|record| record.last.as_mut());
        for last in lasts.filter(|last| last.by == uid_of(object)) {
            (last.recorded, last.overtaken, last.process) = (false, true, 0);
        }
    }

    /// A Secret was written: its values may be new everywhere.
    pub fn secrets_change(&mut self) {
        (0..3).for_each(|slot| self.overtaken(slot));
    }

    /// A write of this schedule without an answer was carried out after all.
    pub fn landed(&mut self, slot: usize, schedule: &Schedule) {
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

    /// Judges a POST that the operator is about to send.
    pub fn post(
        &mut self,
        (object, write, now): (&DocSpaceBackupSchedule, &Write, Timestamp),
        (kubernetes, installation): (&Kubernetes, &Installation<'_>),
        (process, accepted): (u32, &Accepted),
    ) {
        self.seen.writes += 1;
        let (slot, wanted, uid) = (slot_of(object), text(&write.wanted), uid_of(object));
        self.tell(format!("        POST {wanted} to slot {slot}"));
        self.may_write(object, slot);
        let misleads = installation.misleads(slot);
        if installation.text(slot).as_deref() == Some(&*wanted) && !misleads {
            self.fails("a POST of the schedule that the portal holds".into());
        }
        if let Some(wrong) = self.repeats(object, (&wanted, slot), (process, now)) {
            self.fails(wrong);
        }
        let first = in_the_way(object, kubernetes, accepted);
        if let Some((first, _)) = first.iter().find(|(_, sure)| *sure == Sure::Yes) {
            self.fails(format!("a POST to the slot of {first:?}"));
        }
        if !misleads && let Some(cost) = costs(object, write, installation) {
            self.fails(cost);
        }
        let record = &mut self.slots[slot];
        record.ours.insert((uid.into(), wanted.clone()));
        record.last = Some(Last {
            text: wanted,
            by: uid.into(),
            claim: claim(object),
            at: now,
            process,
            accepted: None,
            recorded: false,
            settled: false,
            overtaken: false,
        });
        self.writes_to = slot;
    }

    fn may_write(&mut self, object: &DocSpaceBackupSchedule, slot: usize) {
        if !enforces(object) {
            self.fails("a write for an object that is suspended or observes".into());
        }
        if self.quiet.as_ref().is_some_and(|except| !except.contains(&slot)) {
            self.fails("a write although everything is settled".into());
        }
    }

    /// Whether a POST repeats one that is still open, or that the portal accepted.
    fn repeats(
        &self,
        object: &DocSpaceBackupSchedule,
        (wanted, slot): (&str, usize),
        (process, now): (u32, Timestamp),
    ) -> Option<String> {
        let last = self.slots[slot].last.as_ref()?;
        let is_known = last.process == process || (last.recorded && last.by == uid_of(object));
        if !is_known || last.settled && !last.overtaken && last.text != wanted {
            return None;
        }
        let is_open = last.accepted.is_none() && !last.settled;
        if is_open && now.duration_since(last.at) < MAY_LAND_FOR {
            return Some("a POST within ten minutes of one without an answer".into());
        }
        let is_same = last.text == wanted && last.claim == claim(object);
        (is_same && last.accepted == Some(true) && !last.overtaken)
            .then(|| "a second POST of a schedule that the portal accepted".into())
    }

    /// The answer to the POST.
    pub fn posted(&mut self, posted: &Result<(), PortalError>) {
        if let Some(last) = &mut self.slots[self.writes_to].last {
            last.accepted = match posted {
                Ok(()) => Some(true),
                Err(error) if error.failure.is_definite_for_a_write() => Some(false),
                Err(_) => None,
            };
        }
    }

    /// What became of the POST, as far as the operator knows.
    pub fn outcome(&mut self, sent: Sent) {
        self.seen.count(format_args!("post {sent:?}"));
        self.tell(format!("        {sent:?}"));
    }

    /// The operator found the object's schedule in its portal.
    pub fn settled(&mut self, object: &DocSpaceBackupSchedule, installation: &Installation<'_>) {
        let slot = slot_of(object);
        let held = installation.text(slot);
        if let Some(last) = &mut self.slots[slot].last
            && held.as_ref() == Some(&last.text)
        {
            last.settled = true;
        }
    }

    /// Judges a DELETE that the operator is about to send.
    pub fn delete(&mut self, object: &DocSpaceBackupSchedule, installation: &Installation<'_>) {
        self.seen.writes += 1;
        let slot = slot_of(object);
        self.tell(format!("        DELETE of slot {slot}"));
        self.may_write(object, slot);
        if installation.misleads(slot) {
            return;
        }
        match installation.text(slot) {
            None => self.fails("a DELETE although there is no schedule".into()),
            Some(held) => {
                if !self.is_of(uid_of(object), slot, &held) {
                    self.fails(format!(
                        "a DELETE of a schedule that the object did not write: {held}"
                    ));
                }
            }
        }
        self.overtaken(slot);
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

    /// Whether the slot's last POST was of this schedule for this object, accepted, and never shown.
    pub fn was_never_shown(&self, object: &DocSpaceBackupSchedule) -> bool {
        let last = self.slots[slot_of(object)].last.as_ref();
        last.is_some_and(|last| last.by == uid_of(object) && last.accepted == Some(true) && !last.settled)
    }

    /// A look ended with this verdict.
    pub fn looked(&mut self, object: &DocSpaceBackupSchedule, kept: &Kept, class: Class) {
        // It waits for a day, a month or a user; what it tells of archives may change.
        let waiting = [
            Reason::Contested,
            Reason::RemovedByPortal,
            Reason::WouldDeleteArchives,
        ];
        let waits = waiting.contains(&kept.verdict.reason);
        if !waits {
            self.looks.entry(uid_of(object).into()).or_default().0 += 1;
        }
        if class != Class::Ready {
            self.tell(format!("        {}", kept.verdict.reason));
        }
    }

    /// The operator wrote a status; `taken` if Kubernetes said so.
    pub fn status_written(&mut self, object: &DocSpaceBackupSchedule, status: &Value, taken: bool) {
        let uid = uid_of(object);
        let last = &mut self.slots[slot_of(object)].last;
        if let Some(last) = last.as_mut().filter(|last| taken && last.by == uid) {
            last.recorded = true;
        }
        if !taken {
            self.tell("        the status write fails".into());
        }
        let essence = essence(status);
        let before = self.essences.get(uid);
        if before == Some(&essence) {
            return;
        }
        if let Some(except) = &self.quiet
            && !except.contains(&slot_of(object))
        {
            let before = before.cloned();
            self.fails(format!(
                "the status of {} changes although everything is settled, from {before:?} to {essence:?}",
                claim(object)
            ));
        }
        let looks = self.looks.entry(uid.into()).or_default();
        looks.1 = looks.0;
        self.essences.insert(uid.into(), essence);
    }
}

/// The archives that a POST would cost without the user's consent.
fn costs(object: &DocSpaceBackupSchedule, write: &Write, installation: &Installation<'_>) -> Option<String> {
    let lowered =
        owned(object).is_some_and(|applied| applied.schedule.backups_stored > write.wanted.backups_stored);
    if object.spec.adoption_policy == AdoptionPolicy::Always || lowered {
        return None;
    }
    if !installation.portals.has_archives() {
        return None;
    }
    let portal = portal_of(&write.access);
    let [with, without] = installation.portals.with_and_without(portal, &write.wanted);
    let cost: Vec<_> = with.difference(&without).collect();
    (!cost.is_empty()).then(|| format!("a POST that costs {cost:?}"))
}
