//! Objects that unit tests start from: every day at 3 in the portal p.test.

use serde_json::{Value, json};

use crate::api::DocSpaceBackupSchedule;

/// One that backs up into DataStore, with this metadata and status; a status of `null` is none.
pub fn object(metadata: &Value, status: &Value) -> DocSpaceBackupSchedule {
    with_storage(&json!({"storageType": "DataStore"}), metadata, status)
}

/// One with the uid `me` that backs up into a folder of the server.
pub fn local_object(generation: i64, status: &Value) -> DocSpaceBackupSchedule {
    let storage = json!({"storageType": "Local", "storageParams": [{"key": "filePath", "value": "/b"}]});
    let metadata = json!({"name": "nightly", "namespace": "docspace", "uid": "me", "generation": generation});
    with_storage(&storage, &metadata, status)
}

fn with_storage(storage: &Value, metadata: &Value, status: &Value) -> DocSpaceBackupSchedule {
    let mut spec = json!({
        "portal": {"url": "https://p.test", "apiKeySecretRef": {"name": "key"}},
        "cronParams": {"period": "EveryDay", "hour": 3},
        "backupsStored": 7,
    });
    json_patch::merge(&mut spec, storage);
    let object = json!({"metadata": metadata, "spec": spec, "status": status});
    serde_json::from_value(object).expect("a valid object")
}
