//! Whether a single write may be.

use docspace_backup_operator::{
    api::{AdoptionPolicy, AppliedReason, DeletionPolicy, DocSpaceBackupSchedule},
    portal::PortalError,
    rules::{
        decide::{CONTEST_WINDOW, removed_by_portal::month},
        drift::APART,
        lost_write::MAY_LAND_FOR,
        outcome::Sent,
        plan::Write,
    },
};
use jiff::{SignedDuration, Timestamp};

use super::{Journal, Last, Restored};
use crate::{
    claims::{Accepted, Sure, claim, enforces, in_the_way, owned, slot_of, uid_of},
    in_process::SLOTS,
    installation::{Installation, portal_of, text},
    kubernetes::Kubernetes,
};

/// Statuses tell times in seconds.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

/// The place of a restoration in [`super::SlotRecord::restored`].
fn restoration(reason: AppliedReason) -> Option<usize> {
    match reason {
        AppliedReason::Corrected => Some(0),
        AppliedReason::Recreated => Some(1),
        _ => None,
    }
}

impl Journal {
    /// Judges a POST that the operator is about to send.
    pub fn post(
        &mut self,
        (object, write, now): (&DocSpaceBackupSchedule, &Write, Timestamp),
        (kubernetes, installation): (&Kubernetes, &Installation<'_>),
        accepted: &Accepted,
    ) {
        self.seen.writes += 1;
        let (slot, wanted, uid) = (slot_of(object), text(&write.wanted), uid_of(object));
        self.tell(|| format!("        POST {wanted} to slot {slot}"));
        let portal_time = installation.date(portal_of(&write.access));
        self.may_write(object);
        self.calm.post(slot);
        if self.calm.forbids_post(object, installation) {
            self.fails("a POST although everything is settled".into());
        }
        let misleads = installation.misleads(slot);
        if installation.text(slot).as_deref() == Some(&*wanted) && !misleads {
            self.fails("a POST of the schedule that the portal holds".into());
        }
        if let Some(wrong) = self.repeats(object, (&wanted, slot), now) {
            self.fails(wrong);
        }
        if let Some(wrong) = self.restores_too_soon((object, slot), write.reason, (now, portal_time)) {
            self.fails(wrong);
        }
        let first = in_the_way(object, kubernetes, accepted);
        if let Some((first, _)) = first.iter().find(|(_, sure)| *sure == Sure::Yes) {
            self.fails(format!("a POST to the slot of {first:?}"));
        }
        if !misleads && let Some(cost) = costs(object, write, installation) {
            self.fails(cost);
        }
        let process = self.process;
        let record = &mut self.slots[slot];
        record.ours.insert((uid.into(), wanted.clone()));
        record.last = Some(Last {
            text: wanted,
            by: uid.into(),
            claim: claim(object),
            at: now,
            reason: write.reason,
            portal_time,
            process,
            accepted: None,
            recorded: false,
            settled: false,
            overtaken: false,
        });
        self.writes_to = slot;
    }

    fn may_write(&mut self, object: &DocSpaceBackupSchedule) {
        if !enforces(object) {
            self.fails("a write for an object that is suspended or observes".into());
        }
    }

    /// Whether a POST restores the schedule on the strength of one look, or again although it must wait.
    fn restores_too_soon(
        &self,
        (object, slot): (&DocSpaceBackupSchedule, usize),
        reason: AppliedReason,
        (now, portal_time): (Timestamp, Timestamp),
    ) -> Option<String> {
        let kind = restoration(reason)?;
        let record = &self.slots[slot];
        if let Some((_, since)) = &record.shown
            && now.duration_since(*since) < APART - ROUNDING
        {
            return Some("a restoration of what one look alone has shown".into());
        }
        let before = record.restored[kind].as_ref();
        let before = before.filter(|before| {
            before.by == uid_of(object) && (before.recorded || before.process == self.process)
        })?;
        let is_too_soon = match reason {
            AppliedReason::Corrected => portal_time.duration_since(before.at) < CONTEST_WINDOW - ROUNDING,
            _ => month(before.at) == month(portal_time),
        };
        is_too_soon.then(|| format!("{reason:?} again, after {}", before.at))
    }

    /// Whether a POST repeats one that is still open, or that the portal accepted.
    fn repeats(
        &self,
        object: &DocSpaceBackupSchedule,
        (wanted, slot): (&str, usize),
        now: Timestamp,
    ) -> Option<String> {
        let last = self.slots[slot].last.as_ref()?;
        let is_known = last.process == self.process || (last.recorded && last.by == uid_of(object));
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
        let record = &mut self.slots[self.writes_to];
        if let Some(last) = &mut record.last {
            record.unshown.remove(&last.by);
            if posted.is_ok() {
                record.unshown.insert(last.by.clone());
            }
            if posted.is_ok()
                && let Some(kind) = restoration(last.reason)
            {
                record.restored[kind] = Some(Restored {
                    by: last.by.clone(),
                    at: last.portal_time,
                    process: last.process,
                    recorded: false,
                });
            }
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
        self.tell(|| format!("        {sent:?}"));
    }

    /// Judges a DELETE that the operator is about to send.
    pub fn delete(&mut self, object: &DocSpaceBackupSchedule, installation: &Installation<'_>) {
        self.seen.writes += 1;
        let slot = slot_of(object);
        self.tell(|| format!("        DELETE of slot {slot}"));
        self.may_write(object);
        self.calm.delete(slot);
        if self.calm.is_quiet() {
            self.fails("a DELETE although everything is settled".into());
        }
        if object.metadata.deletion_timestamp.is_none() {
            self.fails("a DELETE for an object that nobody deletes".into());
        }
        if object.spec.deletion_policy != DeletionPolicy::Delete {
            self.fails("a DELETE despite deletionPolicy Orphan".into());
        }
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
}

/// The archives that a POST would cost without the user's consent.
fn costs(object: &DocSpaceBackupSchedule, write: &Write, installation: &Installation<'_>) -> Option<String> {
    let lowered =
        owned(object).is_some_and(|applied| applied.schedule.backups_stored > write.wanted.backups_stored);
    if object.spec.adoption_policy == AdoptionPolicy::Always || lowered {
        return None;
    }
    // Otherwise the cleaner keeps them all.
    let counted = installation.portals.counted(SLOTS[slot_of(object)]);
    if i64::try_from(counted).is_ok_and(|counted| counted <= write.wanted.backups_stored) {
        return None;
    }
    let portal = portal_of(&write.access);
    let [with, without] = installation.portals.with_and_without(portal, &write.wanted);
    let cost: Vec<_> = with.difference(&without).collect();
    (!cost.is_empty()).then(|| format!("a POST that costs {cost:?}"))
}
