//! Reads objects from a file of manifests.

use kube::{Resource, core::TypeMeta};
use serde::Deserialize;
use serde_json::Value;

use crate::api::DocSpaceBackupSchedule;

/// Why a file holds nothing to check.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// It is no YAML.
    #[error("it is not YAML: {0}")]
    Yaml(String),
    /// A `DocSpaceBackupSchedule` has a wrong field.
    #[error("document {at}: {message}")]
    Object {
        /// The number of the document, from 1.
        at: usize,
        /// What is wrong.
        message: &'static str,
    },
    /// No document is a `DocSpaceBackupSchedule`.
    #[error("it holds no DocSpaceBackupSchedule")]
    Nothing,
}

/// The `DocSpaceBackupSchedule`s of a file of YAML or JSON documents, also inside a `List`, in this namespace unless they
/// name one. Documents of other kinds are ignored.
///
/// # Errors
/// The file has none.
pub fn objects(
    text: &str,
    namespace: &str,
) -> Result<Vec<Result<DocSpaceBackupSchedule, InvalidManifest>>, InvalidManifest> {
    // The message of this error may repeat lines of the file, which may hold a Secret.
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| InvalidManifest::Yaml(place(&error)))?;
    let documents = documents.into_iter().enumerate();
    let manifests = documents.flat_map(|(at, document)| items(document).map(move |item| (at, item)));
    let objects: Vec<_> = manifests
        .filter(|(_, manifest)| is_ours(manifest))
        .map(|(at, manifest)| {
            let invalid = |message| InvalidManifest::Object { at: at + 1, message };
            object(manifest, namespace).map_err(invalid)
        })
        .collect();
    if objects.is_empty() {
        return Err(InvalidManifest::Nothing);
    }
    Ok(objects)
}

/// The items of a list, as `kubectl get -o yaml` prints several objects; any other document itself.
fn items(mut document: Value) -> impl Iterator<Item = Value> {
    let kind = document["kind"].as_str().unwrap_or_default();
    let items = match kind.ends_with("List") {
        true => document["items"].take(),
        false => Value::Null,
    };
    match items {
        Value::Array(items) => items.into_iter(),
        _ => vec![document].into_iter(),
    }
}

fn object(manifest: Value, namespace: &str) -> Result<DocSpaceBackupSchedule, &'static str> {
    // The error of serde may repeat a value, such as a key that stands where its Secret should be named.
    let mut object: DocSpaceBackupSchedule = serde_json::from_value(manifest).map_err(
        |_| "it is no valid DocSpaceBackupSchedule; kubectl apply --dry-run=server says which field is wrong",
    )?;
    if object.metadata.name.is_none() {
        return Err("metadata.name is missing");
    }
    object.metadata.namespace.get_or_insert_with(|| namespace.into());
    // What `kubectl get` adds, and the API server refuses in an apply.
    object.status = None;
    object.metadata.managed_fields = None;
    object.metadata.resource_version = None;
    object.metadata.uid = None;
    Ok(object)
}

fn place(error: &serde_saphyr::Error) -> String {
    error.location().map_or_else(
        || "its end is missing".into(),
        |at| format!("see line {}, column {}", at.line(), at.column()),
    )
}

fn is_ours(document: &Value) -> bool {
    TypeMeta::deserialize(document).is_ok_and(|kind| {
        kind.kind == DocSpaceBackupSchedule::kind(&())
            && kind.api_version == DocSpaceBackupSchedule::api_version(&())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NIGHTLY: &str = "
apiVersion: docspace.onlyoffice.com/v1alpha1
kind: DocSpaceBackupSchedule
metadata: {name: nightly}
spec:
  portal: {url: https://docs.example.com, apiKeySecretRef: {name: key}}
  storageType: DataStore
  cronParams: {period: EveryDay, hour: 3}
  backupsStored: 7
";

    #[test]
    fn objects_are_found_among_others() {
        let elsewhere = NIGHTLY.replace("name: nightly", "name: nightly, namespace: b");
        let text =
            format!("kind: Secret\napiVersion: v1\ndata: {{apiKey: c2s=}}\n---{NIGHTLY}---{elsewhere}---\n");
        let list = json!({"kind": "List", "apiVersion": "v1", "items": [one(NIGHTLY), one("kind: Secret"), one(&elsewhere)]});
        for text in [text, list.to_string()] {
            let found = objects(&text, "a").expect("objects");
            let namespaces: Vec<_> = found
                .into_iter()
                .map(|object| object.expect("an object").metadata.namespace)
                .collect();
            assert_eq!(namespaces, [Some("a".into()), Some("b".into())]);
        }
    }

    fn one(text: &str) -> Value {
        serde_saphyr::from_str(text).expect("YAML")
    }

    #[test]
    fn a_wrong_object_does_not_hide_the_others() {
        let text = format!("{}---{NIGHTLY}", NIGHTLY.replace("EveryDay", "Daily"));
        let found = objects(&text, "a").expect("objects");
        let are_valid: Vec<_> = found.iter().map(Result::is_ok).collect();
        assert_eq!(are_valid, [false, true]);
    }

    #[test]
    fn what_is_wrong_is_told_without_a_secret() {
        for (text, told) in [
            ("", "no DocSpaceBackupSchedule"),
            ("kind: Secret\napiVersion: v1\n", "no DocSpaceBackupSchedule"),
            ("stringData: {apiKey: sk-a-secret", "not YAML"),
            (
                &NIGHTLY.replace("EveryDay", "Daily"),
                "document 1: it is no valid",
            ),
            (
                &NIGHTLY.replace("{name: nightly}", "{}"),
                "metadata.name is missing",
            ),
        ] {
            let said =
                objects(text, "a").and_then(|objects| objects.into_iter().collect::<Result<Vec<_>, _>>());
            let said = said.expect_err(text).to_string();
            assert!(said.contains(told) && !said.contains("sk-a-secret"), "{said}");
        }
    }
}
