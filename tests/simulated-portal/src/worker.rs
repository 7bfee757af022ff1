//! The worker, which carries out queued runs.

use std::collections::HashSet;

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    books::{Archive, AuditEvent, Expiry, File, Progress},
    credentials::Holder,
    state::{Books, State},
    tenant::Database,
};

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An archive.
    Succeeds,
    /// An archive, with a warning about unreadable files.
    SucceedsWithWarning(String),
    /// No archive; the progress shows this error.
    Fails(String),
    /// It starts and never ends.
    Hangs,
    /// It is queued but never carried out: no event, no progress, no archive.
    Lost,
}

/// A requested run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The place of the portal that it is for, of a dump too.
    pub(crate) tenant: usize,
    pub(crate) dump: bool,
    pub(crate) scheduled: bool,
    pub(crate) storage_type: i32,
    pub(crate) paid: bool,
    /// The archive's id, too (story both-schedules-at-one-hour).
    pub(crate) task_id: String,
}

/// Whether another run is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    Free,
    /// The free backups are used up, and paid backups are enabled.
    Paid,
    UsedUp {
        limit: u32,
    },
}

/// Only SaaS counts free backups, by calendar month in UTC. Deleted archives count, too; paid ones do not (story
/// quota-used-up).
pub(crate) fn allowance(state: &State, index: usize, now: Timestamp) -> Allowance {
    let of = &state.tenants[index];
    let limit = if of.tenant.paid {
        of.tenant.free_backups
    } else {
        Some(0)
    };
    let Some(limit) = limit.filter(|_| !state.installation.standalone()) else {
        return Allowance::Free;
    };
    let month = |time: Timestamp| TimeZone::UTC.to_datetime(time).date().first_of_month();
    let mine = of.books.archives.iter();
    let used = mine.filter(|archive| !archive.paid && month(archive.created_on) == month(now));
    if used.count() < limit as usize {
        Allowance::Free
    } else if of.tenant.paid_backup_service {
        Allowance::Paid
    } else {
        Allowance::UsedUp { limit }
    }
}

/// Queues a manual run and returns its progress, or the progress of a run that is already queued or running.
pub(crate) fn start_manual(
    state: &mut State,
    index: usize,
    dump: bool,
    storage_type: i32,
    now: Timestamp,
) -> Progress {
    let slot = |run: &Run| !run.scheduled && run.dump == dump && (dump || run.tenant == index);
    let waiting = state.queue.iter().any(slot);
    let (tenant_id, task_id) = (state.tenants[index].id, state.uuid());
    let paid = allowance(state, index, now) == Allowance::Paid;
    let books = state.books(index, dump);
    if let Some(progress) = &books.progress
        && (waiting || books.running.is_some())
    {
        return progress.clone();
    }
    let progress = Progress {
        tenant_id,
        task_id: task_id.clone(),
        ..Progress::default()
    };
    books.progress = Some(progress.clone());
    state.queue.push(Run {
        tenant: index,
        dump,
        scheduled: false,
        storage_type,
        paid,
        task_id,
    });
    progress
}

/// Carries out every queued run. A scheduled run is dropped without a trace if another run of its portal is running or
/// came first (story both-schedules-at-one-hour); a manual run only if that run is of its own slot.
pub(crate) fn run(state: &mut State, now: Timestamp) {
    let mut taken: HashSet<(usize, bool)> = HashSet::new();
    for run in std::mem::take(&mut state.queue) {
        let (index, dump) = (run.tenant, run.dump);
        let behind = |dump: bool| taken.contains(&(index, dump));
        let other_slot = behind(!dump) || is_running(state, index, !dump);
        let books = state.books(index, dump);
        if behind(dump) || books.running.is_some() || (run.scheduled && other_slot) {
            continue;
        }
        let ordered = books.next_outcome.take().or_else(|| books.every_outcome.clone());
        if ordered == Some(Outcome::Lost) {
            continue;
        }
        taken.insert((index, dump));
        let outcome = ordered.unwrap_or_else(|| usual(state.installation.database, dump));
        start(state, run, outcome, now);
    }
}

/// Whether a run of this portal is running, including a dump that runs for it.
fn is_running(state: &State, index: usize, dump: bool) -> bool {
    if dump {
        state.dump.running.as_ref().is_some_and(|run| run.tenant == index)
    } else {
        state.tenants[index].books.running.is_some()
    }
}

/// What happens where nothing else was ordered. Dumps ask PostgreSQL through MySQL's driver (trap 7); what that
/// one says was not recorded.
fn usual(database: Database, dump: bool) -> Outcome {
    if dump && database == Database::PostgreSql {
        Outcome::Fails("Unable to connect to any of the specified MySQL hosts.".to_owned())
    } else {
        Outcome::Succeeds
    }
}

fn start(state: &mut State, run: Run, outcome: Outcome, now: Timestamp) {
    add_event(state, &run, if run.scheduled { 5127 } else { 5041 }, now);
    let begun = Progress {
        tenant_id: state.tenants[run.tenant].id,
        task_id: run.task_id.clone(),
        status: 1,
        ..Progress::default()
    };
    let (index, dump) = (run.tenant, run.dump);
    if run.scheduled {
        forget_last(state, index, begun.tenant_id);
    }
    let unknown_storage = !matches!(run.storage_type, 0 | 1 | 3..=5);
    let books = state.books(index, dump);
    books.progress = Some(begun);
    books.running = Some(run);
    if unknown_storage {
        // Whatever was ordered: nothing is behind CustomCloud and unknown numbers (story customcloud).
        fail(state, index, dump, "Unknown storage type.", 0, now);
    } else {
        end(state, index, dump, outcome, now);
    }
}

/// A scheduled run makes the server forget the last one of its portal, a dump or not (story audit, where a dump
/// leaves no progress of the portal's own backup).
fn forget_last(state: &mut State, index: usize, tenant_id: i32) {
    for dump in [false, true] {
        let progress = &mut state.books(index, dump).progress;
        if progress
            .as_ref()
            .is_some_and(|last| last.is_completed && last.tenant_id == tenant_id)
        {
            *progress = None;
        }
    }
}

/// Ends the run of a slot, if one is under way.
pub(crate) fn end(state: &mut State, index: usize, dump: bool, outcome: Outcome, now: Timestamp) {
    match outcome {
        Outcome::Succeeds => succeed(state, index, dump, None, now),
        Outcome::SucceedsWithWarning(warning) => succeed(state, index, dump, Some(warning), now),
        // The part at which the recorded one failed (story audit).
        Outcome::Fails(error) => fail(state, index, dump, &error, 36, now),
        Outcome::Hangs => {}
        Outcome::Lost => forget(state.books(index, dump)),
    }
}

/// Loses the running backup, as a restart of its service does.
pub(crate) fn forget(books: &mut Books) {
    books.running = None;
    books.progress = None;
}

fn succeed(state: &mut State, index: usize, dump: bool, warning: Option<String>, now: Timestamp) {
    let Some(run) = state.books(index, dump).running.take() else {
        return;
    };
    let name = if dump {
        "workspace"
    } else {
        &state.tenants[index].tenant.alias
    };
    let archive = Archive {
        id: run.task_id.clone(),
        file_name: format!("{name}_{}.tar.gz", now.strftime("%Y-%m-%d_%H-%M-%S")),
        storage_type: run.storage_type,
        created_on: now,
        expires_on: Expiry::AsWritten,
        scheduled: run.scheduled,
        paid: run.paid,
        file: File::Present,
        removed: false,
    };
    let books = state.books(index, dump);
    books.archives.push(archive);
    over(books, 100, |progress| progress.warning = warning);
    add_event(state, &run, if run.scheduled { 5128 } else { 5125 }, now);
}

fn fail(state: &mut State, index: usize, dump: bool, error: &str, percent: i32, now: Timestamp) {
    let books = state.books(index, dump);
    let Some(run) = books.running.take() else {
        return;
    };
    over(books, percent, |progress| progress.error = error.to_owned());
    add_event(state, &run, if run.scheduled { 5129 } else { 5126 }, now);
}

/// Status 2 means ended, successfully or not (story audit).
fn over(books: &mut Books, percent: i32, tell: impl FnOnce(&mut Progress)) {
    let progress = books.progress.get_or_insert_default();
    progress.is_completed = true;
    progress.progress = percent;
    progress.status = 2;
    tell(progress);
}

/// Events of a run name the portal's owner; only those of manual runs have an address (R 508).
fn add_event(state: &mut State, run: &Run, action_id: u32, now: Timestamp) {
    let owner = state.tenants[run.tenant].user(Holder::Owner);
    let event = AuditEvent {
        id: 0,
        date: now,
        user: owner.display_name.trim().to_owned(),
        user_id: owner.id.clone(),
        action_id,
        target: None,
        ip: (!run.scheduled).then(|| "127.0.0.1".to_owned()),
        page: None,
    };
    state.add_event(run.tenant, event);
}
