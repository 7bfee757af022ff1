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
        message: String,
    },
    /// No document is a `DocSpaceBackupSchedule`.
    #[error("it holds no DocSpaceBackupSchedule")]
    Nothing,
}

/// The `DocSpaceBackupSchedule`s of a file of YAML or JSON documents, in this namespace unless they name one. Documents of
/// other kinds are ignored.
///
/// # Errors
/// The file has none, or one that is invalid.
pub fn objects(text: &str, namespace: &str) -> Result<Vec<DocSpaceBackupSchedule>, InvalidManifest> {
    // The message of this error may repeat lines of the file, which may hold a Secret.
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| InvalidManifest::Yaml(place(&error)))?;
    let mut objects = Vec::new();
    for (at, document) in documents.into_iter().enumerate() {
        if !is_ours(&document) {
            continue;
        }
        let invalid = |message: String| InvalidManifest::Object { at: at + 1, message };
        // The error of serde may repeat a value, such as a key that stands where its Secret should be named.
        let mut object: DocSpaceBackupSchedule = serde_json::from_value(document).map_err(|_| {
            invalid(
                "it is no valid DocSpaceBackupSchedule; kubectl apply --dry-run=server says which field is wrong".into(),
            )
        })?;
        if object.metadata.name.is_none() {
            return Err(invalid("metadata.name is missing".into()));
        }
        object.metadata.namespace.get_or_insert_with(|| namespace.into());
        // What `kubectl get` adds, and the API server refuses in an apply.
        object.status = None;
        object.metadata.managed_fields = None;
        object.metadata.resource_version = None;
        object.metadata.uid = None;
        objects.push(object);
    }
    if objects.is_empty() {
        return Err(InvalidManifest::Nothing);
    }
    Ok(objects)
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
        let found = objects(&text, "a").expect("objects");
        let namespaces: Vec<_> = found
            .iter()
            .map(|object| object.metadata.namespace.as_deref())
            .collect();
        assert_eq!(namespaces, [Some("a"), Some("b")]);
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
            let said = objects(text, "a").expect_err(text).to_string();
            assert!(said.contains(told) && !said.contains("sk-a-secret"), "{said}");
        }
    }
}
