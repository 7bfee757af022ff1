//! Since when the schedule in force must produce backups.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{DocSpaceBackupSchedule, InForce, Status, to_second},
    rules::{backup::expected::schedule_in_force, facts::Facts, ownership::leads_to},
};

/// A time this far in the future comes from a wrong clock.
const CLOCKS_APART: SignedDuration = SignedDuration::from_hours(1);

/// Whether the record belongs to another portal, to its other schedule, or to no known schedule.
pub fn has_moved(object: &DocSpaceBackupSchedule, status: &Status) -> bool {
    let before = status.in_force.as_ref();
    before.is_none_or(|before| !is_of_this_slot(object, before))
}

fn is_of_this_slot(object: &DocSpaceBackupSchedule, in_force: &InForce) -> bool {
    let spec = &object.spec;
    in_force.dump == spec.dump && leads_to(&in_force.url, in_force.host_header.as_deref(), spec)
}

/// Sets since when the schedule in force must produce backups; a different schedule restarts that time.
pub fn set_in_force(object: &DocSpaceBackupSchedule, facts: &Facts<'_>, status: &mut Status) {
    let Some(schedule) = schedule_in_force(object, status) else {
        status.in_force = None;
        return;
    };
    let words = schedule.in_words(status.time_zone.as_deref());
    // By both clocks: a portal's clock that is behind must not make earlier due times count.
    let latest = facts.now.max(facts.local_now);
    let is_ahead = |since: Timestamp| since.duration_since(latest) > CLOCKS_APART;
    let same = |before: &InForce| {
        before.schedule == words
            && before.storage_type == schedule.storage_type
            && is_of_this_slot(object, before)
            && (facts.held.is_not_yet() || !is_ahead(before.since.0))
    };
    if !status.in_force.as_ref().is_some_and(same) {
        let ahead = status
            .in_force
            .as_ref()
            .is_some_and(|before| is_ahead(before.since.0));
        let portal = &object.spec.portal;
        status.in_force = Some(InForce {
            since: to_second(if ahead { latest } else { facts.now }),
            schedule: words,
            storage_type: schedule.storage_type.clone(),
            dump: object.spec.dump,
            url: portal.url.clone(),
            host_header: portal.host_header.clone(),
        });
    }
}
