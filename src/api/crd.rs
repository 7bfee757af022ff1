//! The CustomResourceDefinition, generated from the types and completed by hand.

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
    serde_json::from_value(crd).expect("the edited CRD is valid")
}

/// The CustomResourceDefinition as a YAML document.
pub fn crd_yaml() -> String {
    let mut yaml = serde_saphyr::to_string(&crd()).expect("a CRD is YAML");
    if !yaml.ends_with('\n') {
        yaml.push('\n');
    }
    yaml
}

/// Drops `nullable`. Without it, the API server replaces a `null` by the default; with it, every rule would have to
/// handle `null`. Also removes the source's line breaks from descriptions.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // A property with this name would be an object, not a boolean.
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

/// The status of an object that the operator has not handled yet, so that nothing takes it for a healthy one.
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
            "crds/docspacebackupschedules.yaml differs from the types; regenerate it with: \
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
