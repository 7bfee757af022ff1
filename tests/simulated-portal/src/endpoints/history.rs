//! getbackuphistory, getbackupprogress, startbackup, getbackupscount, getservicestate.

use jiff::{SignedDuration, ToSpan, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    authorization::{demand_access_space, demand_settings_right},
    binding::{backup_body, flag, instant},
    books::{File, Progress},
    endpoints::schedule::{demand_folder, demand_slot, param},
    exception::Exception,
    routes::{Context, Outcome},
    worker,
};

/// The archives whose file is seen; those whose file is missing are struck from the books (R 312, story
/// datastore-expired).
pub(crate) fn history(context: &mut Context) -> Outcome {
    let dump = demand_slot(context)?;
    let database = context.state.installation.database;
    let mut listed = Vec::new();
    for archive in &mut context.state.books(context.tenant, dump).archives {
        if archive.removed || !archive.has_storage() {
            continue;
        }
        match archive.file {
            File::Missing => archive.removed = true,
            _ => listed.push(archive.json(database)),
        }
    }
    Ok(Some(Value::Array(listed)))
}

/// The running or last run, of any portal where a dump is asked for.
pub(crate) fn progress(context: &mut Context) -> Outcome {
    let dump = demand_slot(context)?;
    Ok(context
        .state
        .books(context.tenant, dump)
        .progress
        .as_ref()
        .map(Progress::json))
}

/// Queues a run (R 324), which the worker takes.
pub(crate) fn start_backup(context: &mut Context) -> Outcome {
    let body = backup_body(context.call)?;
    demand_settings_right(context.caller.somebody()?)?;
    if body.dump {
        demand_access_space(context.state, context.tenant)?;
    }
    let (storage_type, params) = (body.storage_type(), body.storage_params()?);
    let folder = param(&params, "folderId").ok();
    let numbered = folder.is_some_and(|id| id.trim().parse::<i32>().is_ok());
    if (storage_type == 0 && !numbered) || (storage_type == 1 && numbered) {
        return Err(Exception::argument("wrong folder type").into());
    }
    let standalone = context.state.installation.standalone();
    let tenant = &context.state.tenants[context.tenant];
    match storage_type {
        0 | 1 => demand_folder(&tenant.tenant, param(&params, "folderId")?)?,
        3 if !standalone => return Err(Exception::local_on_saas().into()),
        3 => param(&params, "filePath").map(drop)?,
        _ => {}
    }
    let queued = worker::start_manual(
        context.state,
        context.tenant,
        body.dump,
        storage_type,
        context.now,
    );
    Ok(Some(queued.json()))
}

/// How many archives, free or paid, were made in a time; this month where nothing is said.
pub(crate) fn backups_count(context: &mut Context) -> Outcome {
    let paid = flag(context.call, "Paid")?;
    demand_settings_right(context.caller.somebody()?)?;
    let month = context
        .now
        .to_zoned(TimeZone::UTC)
        .first_of_month()
        .and_then(|day| day.start_of_day());
    let start = month.unwrap_or_else(|_| context.now.to_zoned(TimeZone::UTC));
    let end = start.checked_add(1.month()).map_or(context.now, |next| {
        next.timestamp() - SignedDuration::from_secs(1)
    });
    let from = instant(context.call, "from")?.unwrap_or_else(|| start.timestamp());
    let to = instant(context.call, "to")?.unwrap_or(end);
    if from > to {
        return Err(Exception::argument("From date must be less than to date").into());
    }
    let archives = &context.state.tenants[context.tenant].books.archives;
    let count = archives
        .iter()
        .filter(|archive| archive.paid == paid && (from..=to).contains(&archive.created_on));
    Ok(Some(json!(count.count())))
}

/// Whether paid backups are on.
pub(crate) fn service_state(context: &mut Context) -> Outcome {
    demand_settings_right(context.caller.somebody()?)?;
    Ok(Some(
        json!({"enabled": context.state.tenants[context.tenant].tenant.paid_backup_service}),
    ))
}
