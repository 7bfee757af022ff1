//! The CustomResourceDefinition: what the types say, and what types cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::DocSpaceBackupSchedule;

/// The CustomResourceDefinition of [`DocSpaceBackupSchedule`].
pub fn crd() -> CustomResourceDefinition {
    let mut crd = serde_json::to_value(DocSpaceBackupSchedule::crd()).expect("a CRD is JSON");
    for version in crd["spec"]["versions"].as_array_mut().into_iter().flatten() {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        drop_nullable(schema);
        schema["properties"]["status"]["default"] = pending();
    }
    serde_json::from_value(crd).expect("it still is a CRD")
}

/// The CustomResourceDefinition as a YAML document.
pub fn crd_yaml() -> String {
    serde_saphyr::to_string(&crd()).expect("a CRD is YAML")
}

/// The API server drops a `null` where it is not allowed, and then sets the default; where it is allowed, every
/// rule would have to deal with it.
fn drop_nullable(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // A property of that name would be an object.
            if fields.get("nullable").is_some_and(Value::is_boolean) {
                fields.remove("nullable");
            }
            fields.values_mut().for_each(drop_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nullable),
        _ => {}
    }
}

/// The status of an object that nobody has looked at, so that nobody takes it for a good one.
fn pending() -> Value {
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind,
            "status": status,
            "reason": "Pending",
            "message": "Waiting for the operator",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        })
    };
    json!({
        "observedGeneration": -1,
        "conditions": [condition("Ready", "Unknown"), condition("Reconciling", "True")],
    })
}
