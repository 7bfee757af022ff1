//! createbackupschedule, getbackupschedule, deletebackupschedule.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    authorization::{demand_access_space, demand_settings_right},
    binding::{ScheduleBody, add_param, dump_of, schedule_body},
    books::{AuditEvent, NEVER, date},
    exception::Exception,
    routes::{Context, Outcome},
    schedule::{CronParams, DUMP_TENANT, Schedule},
    state::State,
    tenant::{Folder, Tenant},
};

const DOCUMENTS: [i32; 2] = [0, 1];
const LOCAL: i32 = 3;
const THIRD_PARTY_CONSUMER: i32 = 5;

/// Stores a schedule over the one that is there, and so forgets when the last run was (R 300).
pub(crate) fn create(context: &mut Context) -> Outcome {
    let body = schedule_body(context.call)?;
    let holder = context.caller.somebody()?;
    let made = validated(context.state, context.tenant, &body, || {
        demand_settings_right(holder)
    })?;
    let dump = body.dump;
    context.state.books(context.tenant, dump).schedule = Some(made);
    Ok(Some(json!(true)))
}

/// The checks of a POST in the server's order, the right of the user among them.
fn validated(
    state: &State,
    tenant: usize,
    body: &ScheduleBody,
    demand_right: impl FnOnce() -> Result<(), Exception>,
) -> Result<Schedule, Exception> {
    let TenantId { id, tenant: portal } = TenantId::of(state, tenant);
    if body.dump {
        demand_access_space(state, tenant)?;
    }
    let storage_type = body.storage_type();
    let mut params = body.storage_params()?;
    let backups_stored = body.backups_stored();
    let cron = body.cron_params.ok_or_else(Exception::null_reference)?;
    if !(1..=30).contains(&backups_stored) {
        return Err(Exception::argument("backupStored must be 1 - 30"));
    }
    if DOCUMENTS.contains(&storage_type) {
        demand_folder(portal, param(&params, "folderId")?)?;
    }
    demand_right()?;
    demand_automatic_backup(state, portal)?;
    cron.validate()?;
    if body.dump {
        add_param(&mut params, "tenantId".to_owned(), id.to_string())?;
    }
    let storage_base_path = match storage_type {
        _ if DOCUMENTS.contains(&storage_type) => Some(param(&params, "folderId")?.to_owned()),
        LOCAL if !state.installation.standalone() => return Err(Exception::local_on_saas()),
        LOCAL => Some(param(&params, "filePath")?.to_owned()),
        _ => None,
    };
    if storage_base_path
        .as_ref()
        .is_some_and(|path| path.encode_utf16().count() > 255)
    {
        let message =
            "The field StorageBasePath must be a string or array type with a maximum length of '255'.";
        return Err(Exception::argument(message));
    }
    Ok(Schedule {
        tenant_id: if body.dump { DUMP_TENANT } else { id },
        dump: body.dump,
        storage_type,
        storage_base_path,
        storage_params: params.into_iter().collect(),
        cron: cron.to_string(),
        backups_stored,
        last_backup_time: None,
    })
}

struct TenantId<'a> {
    id: i32,
    tenant: &'a Tenant,
}

impl<'a> TenantId<'a> {
    fn of(state: &'a State, index: usize) -> Self {
        let tenant = &state.tenants[index];
        Self {
            id: tenant.id,
            tenant: &tenant.tenant,
        }
    }
}

/// R 30, 33.
pub(crate) fn param<'a>(params: &'a [(String, String)], key: &str) -> Result<&'a str, Exception> {
    let found = params.iter().find(|(known, _)| known == key);
    found
        .map(|(_, value)| value.as_str())
        .ok_or_else(|| Exception::key_not_found(key))
}

/// Folders by number or by text, a number being read as one (R 160–164).
pub(crate) fn demand_folder(tenant: &Tenant, id: &str) -> Result<(), Exception> {
    let id = id
        .trim()
        .parse::<i32>()
        .map_or_else(|_| id.to_owned(), |number| number.to_string());
    match tenant.folders.get(&id) {
        None => Err(Exception::folder_not_found()),
        Some(Folder::NotWritable) => Err(Exception::security()),
        Some(Folder::Writable) => Ok(()),
    }
}

/// Whether schedules are to be had at all: not hidden (R 362), and on SaaS in the plan (R 4).
fn demand_automatic_backup(state: &State, tenant: &Tenant) -> Result<(), Exception> {
    let standalone = state.installation.standalone();
    if state.installation.hides("AutoBackup") || (!standalone && state.installation.hides("Backup")) {
        return Err(Exception::security());
    }
    if !standalone && !tenant.paid && !tenant.paid_backup_service {
        return Err(Exception::billing());
    }
    Ok(())
}

/// The schedule of the portal or of the dump; no value where there is none (R 10–18).
pub(crate) fn get(context: &mut Context) -> Outcome {
    let dump = demand_slot(context)?;
    let database = context.state.installation.database;
    let Some(schedule) = &context.state.books(context.tenant, dump).schedule else {
        return Ok(None);
    };
    let cron = CronParams::read(&schedule.cron);
    let mut body = json!({
        "storageType": schedule.storage_type,
        "storageParams": shown_params(schedule),
        "cronParams": {"period": cron.period, "hour": cron.hour, "day": cron.day},
        "lastBackupTime": schedule.last_backup_time.map_or_else(|| NEVER.to_owned(), |time| date(database, time)),
        "dump": schedule.dump,
    });
    if schedule.backups_stored != 0 {
        body["backupsStored"] = json!(schedule.backups_stored);
    }
    Ok(Some(body))
}

/// GET adds folderId to any storage but ThirdPartyConsumer: the folder, the path or null (R 16, 161, 173).
fn shown_params(schedule: &Schedule) -> Value {
    let params: &BTreeMap<String, String> = &schedule.storage_params;
    let mut shown: Map<String, Value> = params
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    if schedule.storage_type != THIRD_PARTY_CONSUMER {
        shown.insert("folderId".to_owned(), json!(schedule.storage_base_path));
    }
    Value::Object(shown)
}

/// Reads `dump` and checks that the caller may see the slot.
pub(crate) fn demand_slot(context: &Context) -> Result<bool, crate::exception::Refusal> {
    let dump = dump_of(context.call)?;
    if dump {
        demand_access_space(context.state, context.tenant)?;
    }
    demand_settings_right(context.caller.somebody()?)?;
    if !context.state.installation.standalone() && context.state.installation.hides("Backup") {
        return Err(Exception::security().into());
    }
    Ok(dump)
}

/// Removes the schedule, if there is one, and always writes an event (R 215, 507). A body is not looked at
/// (R 220).
pub(crate) fn delete(context: &mut Context) -> Outcome {
    let dump = demand_slot(context)?;
    context.state.books(context.tenant, dump).schedule = None;
    let holder = context.caller.somebody()?;
    let tenant = &context.state.tenants[context.tenant];
    let target = if dump { DUMP_TENANT } else { tenant.id };
    let user = tenant.user(holder);
    let page = context
        .call
        .header("referer")
        .map_or_else(|| context.call.address(), str::to_owned);
    let event = AuditEvent {
        id: 0,
        date: context.now,
        user: user.display_name.trim().to_owned(),
        user_id: user.id.clone(),
        action_id: 5130,
        target: Some(target.to_string()),
        ip: Some("127.0.0.1".to_owned()),
        page: Some(page),
    };
    context.state.add_event(context.tenant, event);
    Ok(Some(json!(true)))
}
