//! The cleaner's pass, which the server makes every 15 minutes.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::{
    books::{Archive, File},
    state::{Books, State},
    tenant::Database,
};

/// Deletes expired archives, and the oldest scheduled archives of each slot beyond the number in its schedule, in every
/// storage (stories cleaner-pass, schedule-deleted-then-new). Manual archives stay until they expire. Without a schedule
/// there is no limit. An archive without a storage cannot be deleted and stays.
pub(crate) fn pass(state: &mut State, now: Timestamp) -> Vec<Archive> {
    let database = state.installation.database;
    let tenants = state.tenants.iter_mut().map(|tenant| &mut tenant.books);
    let slots = tenants.chain(std::iter::once(&mut state.dump));
    slots.flat_map(|books| clean(books, database, now)).collect()
}

fn clean(books: &mut Books, database: Database, now: Timestamp) -> Vec<Archive> {
    let kept = books
        .schedule
        .as_ref()
        .map(|schedule| usize::try_from(schedule.backups_stored).unwrap_or(0));
    let mut scheduled: Vec<&Archive> = books
        .archives
        .iter()
        .filter(|archive| archive.scheduled && !archive.removed)
        .collect();
    scheduled.sort_by_key(|archive| std::cmp::Reverse(archive.created_on));
    let surplus: HashSet<String> = scheduled
        .into_iter()
        .skip(kept.unwrap_or(usize::MAX))
        .map(|archive| archive.id.clone())
        .collect();

    let mut deleted = Vec::new();
    for archive in books
        .archives
        .iter_mut()
        .filter(|archive| !archive.removed && archive.has_storage())
    {
        if archive.expired(database, now) || surplus.contains(&archive.id) {
            archive.removed = true;
            archive.file = File::Missing;
            deleted.push(archive.clone());
        }
    }
    deleted
}
