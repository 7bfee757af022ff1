//! The CustomResourceDefinition: what the types say, and what types cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::api::DocSpaceBackupSchedule;

/// The CustomResourceDefinition of [`DocSpaceBackupSchedule`].
pub fn crd() -> CustomResourceDefinition {
    let mut crd = serde_json::to_value(DocSpaceBackupSchedule::crd()).expect("a CRD is JSON");
    for version in crd["spec"]["versions"].as_array_mut().into_iter().flatten() {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        tidy(schema);
        schema["properties"]["status"]["default"] = pending();
    }
    serde_json::from_value(crd).expect("it still is a CRD")
}

/// The CustomResourceDefinition as a YAML document.
pub fn crd_yaml() -> String {
    let mut yaml = serde_saphyr::to_string(&crd()).expect("a CRD is YAML");
    if !yaml.ends_with('\n') {
        yaml.push('\n');
    }
    yaml
}

/// Drops `nullable`: the API server drops a `null` where it is not allowed, and then sets the default; where it is
/// allowed, every rule would have to deal with it. Descriptions lose the line breaks of the source.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // A property of one of these names would be an object.
            if fields.get("nullable").is_some_and(Value::is_boolean) {
                fields.remove("nullable");
            }
            if let Some(Value::String(description)) = fields.get_mut("description") {
                *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_file_is_what_the_program_prints() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/docspacebackupschedules.yaml");
        assert!(
            std::fs::read_to_string(file).ok().as_deref() == Some(crd_yaml().as_str()),
            "crds/docspacebackupschedules.yaml is not what the types say; write it anew with: \
             cargo run -q -- crd > crds/docspacebackupschedules.yaml"
        );
    }

    #[test]
    fn kubernetes_knows_every_format() {
        fn formats(schema: &Value, found: &mut Vec<String>) {
            match schema {
                Value::Object(fields) => {
                    found.extend(fields.get("format").and_then(Value::as_str).map(Into::into));
                    fields.values().for_each(|value| formats(value, found));
                }
                Value::Array(items) => items.iter().for_each(|item| formats(item, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        formats(&serde_json::to_value(crd()).expect("a CRD is JSON"), &mut found);
        found.retain(|format| !["int32", "int64", "date-time"].contains(&format.as_str()));
        assert!(found.is_empty(), "{found:?}");
    }
}
