//! The schedule that a portal must hold for a spec, by DocSpace's own rules and not by the operator's code.

use std::collections::BTreeMap;

use serde_json::Value;
use simulated_portal::{DUMP_TENANT, Schedule};

/// The names of DocSpace's numbers.
const STORAGES: [&str; 6] = [
    "Documents",
    "ThridpartyDocuments",
    "CustomCloud",
    "Local",
    "DataStore",
    "ThirdPartyConsumer",
];

/// A Secret's values, by name and key.
pub type Values = BTreeMap<(String, String), String>;

/// The row of this spec, as the API server stored it, in the first tenant.
pub fn row(spec: &Value, secrets: &Values) -> Schedule {
    let storage_type = STORAGES.iter().position(|name| spec["storageType"] == *name);
    let storage_type = storage_type.expect("a known storage");
    let mut params: BTreeMap<String, String> = spec["storageParams"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|param| (text(&param["key"]), value(param, secrets)))
        .collect();
    let dump = spec["dump"] == true;
    if dump {
        params.insert("tenantId".into(), "1".into());
    }
    let needs = ["folderId", "folderId", "", "filePath", "", ""];
    Schedule {
        tenant_id: if dump { DUMP_TENANT } else { 1 },
        dump,
        storage_type: i32::try_from(storage_type).expect("a small number"),
        storage_base_path: params.get(needs[storage_type]).cloned(),
        storage_params: params,
        cron: cron(&spec["cronParams"]),
        backups_stored: i32::try_from(spec["backupsStored"].as_i64().expect("a number"))
            .expect("within limits"),
        last_backup_time: None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

fn value(param: &Value, secrets: &Values) -> String {
    let reference = &param["valueFrom"]["secretKeyRef"];
    match reference.is_object() {
        true => {
            let place = (text(&reference["name"]), text(&reference["key"]));
            secrets.get(&place).cloned().unwrap_or_default()
        }
        false => text(&param["value"]),
    }
}

fn cron(params: &Value) -> String {
    let (hour, day) = (&params["hour"], &params["day"]);
    match params["period"].as_str() {
        Some("EveryWeek") => format!("0 0 {hour} ? * {day}"),
        Some("EveryMonth") => format!("0 0 {hour} {day} * ?"),
        _ => format!("0 0 {hour} ? * *"),
    }
}

/// Whether two rows are the same to DocSpace: folderId counts only in its own two storages.
pub fn same(one: &Schedule, other: &Schedule) -> bool {
    let counting = |row: &Schedule| {
        let mut row = row.clone();
        row.last_backup_time = None;
        if row.storage_type > 1 {
            row.storage_params.remove("folderId");
        }
        row
    };
    counting(one) == counting(other)
}
