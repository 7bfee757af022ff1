//! Compares the rows of the server after a step.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use simulated_portal::{Archive, AuditEvent, Expiry, File, Portal, Schedule, SimulatedPortal};

use crate::{
    compare::Free,
    file::{RecordedStep, Seen},
    rows::{AuditRow, BackupRow, ScheduleRow, flag, time, time_or_never},
};

/// Columns by name, as far as the recording has them.
type Row = BTreeMap<&'static str, String>;

/// Every event of a server's portals, in the order in which they were written.
pub(crate) fn events(server: &SimulatedPortal) -> Vec<(i32, AuditEvent)> {
    let of = |portal: Portal| {
        let id = portal.tenant_id();
        portal.audit_events().into_iter().map(move |event| (id, event))
    };
    let mut events: Vec<_> = server.tenants().into_iter().flat_map(of).collect();
    events.sort_by_key(|(_, event)| event.id);
    events
}

/// Every archive of a server, with the tenant that its row names.
pub(crate) fn archives(server: &SimulatedPortal) -> Vec<(i32, Archive)> {
    let of = |portal: Portal| {
        let id = portal.tenant_id();
        portal
            .archives(false)
            .into_iter()
            .map(move |archive| (id, archive))
    };
    let own = server.tenants().into_iter().flat_map(of);
    let dumps = server.first().archives(true).into_iter();
    own.chain(dumps.map(|archive| (-1, archive))).collect()
}

/// The differences between the server and the recording after a step; `new` are the events of this step.
pub(crate) fn differences(
    step: &RecordedStep,
    server: &SimulatedPortal,
    new: &[(i32, AuditEvent)],
    free: &Free,
) -> Result<Vec<String>, String> {
    let archives = archives(server);
    let all = events(server);
    let schedules = recorded(step.schedule_rows.as_deref(), |row: &ScheduleRow| {
        row.schedule().map(|row| schedule(&row, free))
    })?;
    let backups = recorded(step.backup_rows.as_deref(), |row| backup_row(row, free))?;
    let audit = recorded(step.audit_rows.as_deref(), |row| audit_row(row, free))?;
    let new_audit = recorded(step.new_audit_rows.as_deref(), |row| audit_row(row, free))?;
    let files = recorded(step.files_on_disk.as_deref(), |name: &String| {
        Ok(file(name, free))
    })?;
    let seen = recorded(step.schedules.as_deref(), |row| seen(row, free))?;
    let on_disk = archives.iter().map(|(_, archive)| archive);
    let on_disk = on_disk.filter(|archive| archive.storage_type == 3 && archive.file == File::Present);
    let checks = [
        (
            "schedules",
            schedules,
            server.schedules().iter().map(|row| schedule(row, free)).collect(),
        ),
        (
            "archives",
            backups,
            archives
                .iter()
                .map(|(tenant, row)| archive(*tenant, row, free))
                .collect(),
        ),
        (
            "events",
            audit,
            all.iter()
                .map(|(tenant, row)| event(*tenant, row, free))
                .collect(),
        ),
        (
            "new events",
            new_audit,
            new.iter()
                .map(|(tenant, row)| event(*tenant, row, free))
                .collect(),
        ),
        (
            "files",
            files,
            on_disk.map(|archive| file(&archive.file_name, free)).collect(),
        ),
        ("what is due", seen, due(server, free)),
    ];
    let wrong = checks
        .into_iter()
        .filter_map(|(what, recorded, found)| differ(what, recorded?, found));
    Ok(wrong.collect())
}

fn recorded<T>(
    rows: Option<&[T]>,
    row: impl Fn(&T) -> Result<Row, String>,
) -> Result<Option<Vec<Row>>, String> {
    rows.map(|rows| rows.iter().map(row).collect()).transpose()
}

/// Compares the columns that the recording has. Only events have a fixed order.
fn differ(what: &str, mut recorded: Vec<Row>, mut found: Vec<Row>) -> Option<String> {
    let told: BTreeSet<&str> = recorded.iter().flat_map(|row| row.keys().copied()).collect();
    if !told.is_empty() {
        found
            .iter_mut()
            .for_each(|row| row.retain(|column, _| told.contains(column)));
    }
    if !what.contains("events") {
        recorded.sort();
        found.sort();
    }
    (recorded != found).then(|| format!("{what}: recorded {recorded:#?}, found {found:#?}"))
}

fn schedule(row: &Schedule, free: &Free) -> Row {
    let last = free.time(row.last_backup_time);
    let rest = Schedule {
        last_backup_time: None,
        ..row.clone()
    };
    [("row", format!("{rest:?}")), ("last_backup_time", last)].into()
}

fn backup_row(row: &BackupRow, free: &Free) -> Result<Row, String> {
    let removed = flag(&row.removed)?;
    let created_on = free.time(Some(time(&row.created_on)?));
    let mut columns = Row::from([
        ("file", free.file_name(row.file_name())),
        ("created_on", created_on),
        ("removed", removed.to_string()),
    ]);
    let flags = [("is_scheduled", &row.is_scheduled), ("paid", &row.paid)];
    for (name, value) in flags {
        if let Some(value) = value {
            columns.insert(name, flag(value)?.to_string());
        }
    }
    columns.extend(row.tenant_id.clone().map(|id| ("tenant_id", id)));
    columns.extend(row.storage_type.clone().map(|number| ("storage_type", number)));
    columns.extend(row.id.as_ref().map(|id| ("id", free.id(id))));
    if row.expires_on.is_some() {
        columns.insert("expires_on", expiry(row.expiry()?, removed, free));
    }
    Ok(columns)
}

fn archive(tenant: i32, archive: &Archive, free: &Free) -> Row {
    let expires_on = match archive.expires_on {
        Expiry::AsWritten if archive.storage_type == 4 => {
            Expiry::At(archive.created_on + SignedDuration::from_hours(24))
        }
        written => written,
    };
    Row::from([
        ("file", free.file_name(&archive.file_name)),
        ("created_on", free.time(Some(archive.created_on))),
        ("removed", archive.removed.to_string()),
        ("is_scheduled", archive.scheduled.to_string()),
        ("paid", archive.paid.to_string()),
        ("tenant_id", tenant.to_string()),
        ("storage_type", archive.storage_type.to_string()),
        ("id", free.id(&archive.id)),
        ("expires_on", expiry(expires_on, archive.removed, free)),
    ])
}

fn expiry(expiry: Expiry, removed: bool, free: &Free) -> String {
    match expiry {
        // Marking a row as removed rewrites the year 1 as -infinity (story cleaner-on-postgresql).
        _ if removed => "no matter".to_owned(),
        Expiry::At(time) => free.time(Some(time)),
        written => format!("{written:?}"),
    }
}

fn audit_row(row: &AuditRow, free: &Free) -> Result<Row, String> {
    let mut columns = Row::from([
        ("tenant_id", row.tenant_id.clone()),
        ("action", row.action.clone()),
        ("target", row.target.clone()),
        ("date", free.time(Some(time(&row.date)?))),
    ]);
    let more = [("user_id", &row.user_id), ("ip", &row.ip), ("page", &row.page)];
    columns.extend(
        more.into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?))),
    );
    Ok(columns)
}

fn event(tenant: i32, event: &AuditEvent, free: &Free) -> Row {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Row::from([
        ("tenant_id", tenant.to_string()),
        ("action", event.action_id.to_string()),
        ("target", text(&event.target)),
        ("date", free.time(Some(event.date))),
        ("user_id", event.user_id.clone()),
        ("ip", text(&event.ip)),
        ("page", text(&event.page)),
    ])
}

fn file(name: &str, free: &Free) -> Row {
    [("name", free.file_name(name))].into()
}

fn seen(row: &Seen, free: &Free) -> Result<Row, String> {
    let last = free.time(time_or_never(&row.last_backup_time)?);
    Ok(due_row(row.tenant_id, &row.cron, row.dump, last, row.due))
}

fn due(server: &SimulatedPortal, free: &Free) -> Vec<Row> {
    let own = server.tenants().into_iter().map(|portal| (portal, false));
    // Any portal sees the row of a dump.
    let slots = own.chain([(server.first(), true)]);
    let rows = slots.filter_map(|(portal, dump)| {
        let row = portal.schedule(dump)?;
        let last = free.time(row.last_backup_time);
        Some(due_row(row.tenant_id, &row.cron, dump, last, portal.is_due(dump)))
    });
    rows.collect()
}

fn due_row(tenant: i32, cron: &str, dump: bool, last: String, due: bool) -> Row {
    Row::from([
        ("tenant_id", tenant.to_string()),
        ("cron", cron.to_owned()),
        ("dump", dump.to_string()),
        ("last_backup_time", last),
        ("due", due.to_string()),
    ])
}
