//! The scheduler's pass, which the server makes every 15 minutes.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    cron,
    endpoints::settings::zone_of,
    schedule::Schedule,
    state::State,
    tenant::TenantStatus,
    worker::{Allowance, Run, allowance},
};

/// The effect of a scheduler pass on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pass {
    /// The row was due: its lastBackupTime is now, and a run is queued.
    Queued {
        /// The portal that the run is for: of a dump the one that POSTed last (story dump-of-two-portals).
        tenant_id: i32,
        /// Whether it makes a dump.
        dump: bool,
        /// DocSpace's number of the storage.
        storage_type: i32,
        /// Whether the run will be charged.
        paid: bool,
    },
    /// The row was due, but the free backups of the month are used up: the row is deleted without an audit event (story
    /// quota-used-up).
    Removed {
        /// The portal that lost its schedule.
        tenant_id: i32,
        /// The mail to its owner.
        reason: String,
    },
}

/// Queues a run for every due row. The order is that of the story both-schedules-at-one-hour: portals, then the
/// dump.
pub(crate) fn pass(state: &mut State, now: Timestamp) -> Vec<Pass> {
    let own = (0..state.tenants.len()).filter_map(|index| pass_portal(state, index, now));
    let mut done: Vec<Pass> = own.collect();
    done.extend(pass_dump(state, now));
    done
}

/// Whether the row of a portal is due, or (without a portal) the row of the dump, whose hour is always in UTC (trap 3).
pub(crate) fn is_due(state: &State, index: Option<usize>, now: Timestamp) -> bool {
    let (books, zone) = match index {
        Some(index) => {
            let of = &state.tenants[index];
            (&of.books, zone_of(&of.tenant).0)
        }
        None => (&state.dump, TimeZone::UTC),
    };
    let row = books.schedule.as_ref();
    row.is_some_and(|row| cron::is_due(&row.cron, &zone, row.last_backup_time, now))
}

fn pass_portal(state: &mut State, index: usize, now: Timestamp) -> Option<Pass> {
    let standalone = state.installation.standalone();
    let of = &state.tenants[index];
    let active = of.tenant.status == TenantStatus::Active;
    // If the tariff has expired, the row stays (story tariff-run-out).
    if !active || (!standalone && of.tenant.tariff_ran_out) {
        return None;
    }
    let schedule = of.books.schedule.as_ref()?;
    if !cron::is_due(
        &schedule.cron,
        &zone_of(&of.tenant).0,
        schedule.last_backup_time,
        now,
    ) {
        return None;
    }
    let tenant_id = of.id;
    match allowance(state, index, now) {
        Allowance::UsedUp { limit } => {
            state.tenants[index].books.schedule = None;
            let reason = format!("The number of free backups should not exceed {limit} within a month");
            Some(Pass::Removed { tenant_id, reason })
        }
        Allowance::Free => queue(state, index, false, false, now),
        Allowance::Paid => queue(state, index, false, true, now),
    }
}

/// A dump's row belongs to the installation, so no portal's state matters.
fn pass_dump(state: &mut State, now: Timestamp) -> Option<Pass> {
    let schedule = state.dump.schedule.as_ref()?;
    if !cron::is_due(&schedule.cron, &TimeZone::UTC, schedule.last_backup_time, now) {
        return None;
    }
    let index = posted_by(&schedule.storage_params).filter(|index| *index < state.tenants.len());
    queue(state, index?, true, false, now)
}

/// The place of the portal that a dump's row names.
fn posted_by(params: &BTreeMap<String, String>) -> Option<usize> {
    params.get("tenantId")?.parse::<usize>().ok()?.checked_sub(1)
}

fn queue(state: &mut State, index: usize, dump: bool, paid: bool, now: Timestamp) -> Option<Pass> {
    let task_id = state.uuid();
    let schedule: &mut Schedule = state.books(index, dump).schedule.as_mut()?;
    schedule.last_backup_time = Some(now);
    let storage_type = schedule.storage_type;
    state.queue.push(Run {
        tenant: index,
        dump,
        scheduled: true,
        storage_type,
        paid,
        task_id,
    });
    Some(Pass::Queued {
        tenant_id: state.tenants[index].id,
        dump,
        storage_type,
        paid,
    })
}
