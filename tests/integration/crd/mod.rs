//! The resource as the API server takes and shows it.

mod accepted;
mod dump;
mod refused;
mod shown;

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, PostParams},
};
use serde_json::{Value, json};

/// A valid manifest, as text would give it: nothing in it comes from the crate's types.
fn valid() -> Value {
    json!({
        "apiVersion": "docspace.onlyoffice.com/v1alpha1",
        "kind": "DocSpaceBackupSchedule",
        "metadata": {"name": "nightly"},
        "spec": {
            "portal": {
                "url": "https://yourportal.onlyoffice.com",
                "apiKeySecretRef": {"name": "docspace-api-key"},
            },
            "storageType": "ThirdPartyConsumer",
            "storageParams": [{"key": "module", "value": "s3"}, {"key": "bucket", "value": "backups"}],
            "cronParams": {"period": "EveryDay", "hour": 3},
            "backupsStored": 7,
        },
    })
}

/// The valid manifest with this put over its spec: objects are merged, `null` removes.
fn with(spec: &Value) -> Value {
    let mut manifest = valid();
    merge(&mut manifest["spec"], spec);
    manifest
}

fn merge(into: &mut Value, patch: &Value) {
    match (into.as_object_mut(), patch) {
        (Some(fields), Value::Object(changes)) => {
            for (name, change) in changes {
                if change.is_null() {
                    fields.remove(name);
                } else {
                    merge(fields.entry(name).or_insert(Value::Null), change);
                }
            }
        }
        _ => *into = patch.clone(),
    }
}

/// What the API server makes of a manifest, without keeping it.
async fn asked(client: &Client, manifest: Value) -> Result<DynamicObject, String> {
    let resource = ApiResource::erase::<DocSpaceBackupSchedule>(&());
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), "default", &resource);
    let object = serde_json::from_value(manifest).expect("it has a name");
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api.create(&dry_run, &object).await {
        Ok(object) => Ok(object),
        Err(kube::Error::Api(status)) if status.code == 422 => Err(status.message),
        Err(error) => panic!(
            "the API server neither takes nor refuses {:?}: {error}",
            object.data
        ),
    }
}
