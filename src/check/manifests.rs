//! Reads objects from a file of manifests.

use kube::{Resource, core::TypeMeta};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    api::DocSpaceBackupSchedule,
    dns_name::{is_label, is_subdomain},
    error::place,
    text::clean,
};

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

/// Where the objects of a file belong.
#[derive(Clone, Copy, Debug)]
pub struct Belongs<'a> {
    /// The only namespace that is allowed.
    pub only: Option<&'a str>,
    /// The namespace of those that name none.
    pub by_default: &'a str,
}

/// The `DocSpaceBackupSchedule`s of a file of YAML or JSON documents, also inside a `List`. Documents of other kinds are
/// ignored.
///
/// # Errors
/// The file has none.
pub fn objects(
    text: &str,
    belongs: Belongs<'_>,
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
            object(&manifest, belongs).map_err(invalid)
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

fn object(manifest: &Value, belongs: Belongs<'_>) -> Result<DocSpaceBackupSchedule, String> {
    // The error of serde may repeat a value, such as a key that stands where its Secret should be named.
    let mut object = DocSpaceBackupSchedule::deserialize(manifest).map_err(
        |_| "it is no valid DocSpaceBackupSchedule; kubectl apply --dry-run=server says which field is wrong",
    )?;
    let spec = serde_json::to_value(&object.spec).unwrap_or_default();
    if let Some(field) = unknown(&manifest["spec"], &spec) {
        return Err(format!("there is no field spec{}", clean(&field)));
    }
    let metadata = &mut object.metadata;
    let name = metadata.name.as_deref().ok_or("metadata.name is missing")?;
    let namespace = metadata
        .namespace
        .get_or_insert_with(|| belongs.only.unwrap_or(belongs.by_default).into());
    if !is_subdomain(name) || !is_label(namespace) {
        return Err("metadata has no valid name and namespace".into());
    }
    if let Some(only) = belongs.only.filter(|only| only != namespace) {
        return Err(format!("it is of namespace {namespace}, and not of {only}"));
    }
    // What `kubectl get` adds, and the API server refuses in an apply.
    object.status = None;
    object.metadata.managed_fields = None;
    object.metadata.resource_version = None;
    object.metadata.uid = None;
    Ok(object)
}

/// The path of a field that a manifest has and the types do not know, such as a misspelt one, which Kubernetes would drop.
fn unknown(manifest: &Value, known: &Value) -> Option<String> {
    match (manifest, known) {
        (Value::Object(fields), Value::Object(known)) => fields.iter().find_map(|(name, value)| {
            let deeper = match known.get(name) {
                Some(known) => unknown(value, known)?,
                // Those are left out.
                None if value.is_null() || value.as_array().is_some_and(Vec::is_empty) => return None,
                None => String::new(),
            };
            Some(format!(".{name}{deeper}"))
        }),
        (Value::Array(values), Value::Array(known)) => {
            let mut each = values.iter().zip(known).enumerate();
            each.find_map(|(at, (value, known))| Some(format!("[{at}]{}", unknown(value, known)?)))
        }
        _ => None,
    }
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

    const IN_A: Belongs<'_> = Belongs {
        only: None,
        by_default: "a",
    };

    #[test]
    fn objects_are_found_among_others() {
        let elsewhere = NIGHTLY.replace("name: nightly", "name: nightly, namespace: b");
        let text =
            format!("kind: Secret\napiVersion: v1\ndata: {{apiKey: c2s=}}\n---{NIGHTLY}---{elsewhere}---\n");
        let list = json!({"kind": "List", "apiVersion": "v1", "items": [one(NIGHTLY), one("kind: Secret"), one(&elsewhere)]});
        for text in [text, list.to_string()] {
            let found = objects(&text, IN_A).expect("objects");
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
    fn a_manifest_of_another_namespace_is_refused() {
        let only = Belongs {
            only: Some("b"),
            by_default: "a",
        };
        let of = |text: &str| objects(text, only).expect("an object").remove(0);
        let own = of(NIGHTLY).expect("an object");
        assert_eq!(own.metadata.namespace.as_deref(), Some("b"));
        let other = of(&NIGHTLY.replace("nightly}", "nightly, namespace: c}"));
        assert!(other.expect_err("it is of c").to_string().contains("namespace c"));
    }

    /// What is left out, or written as a default.
    #[test]
    fn every_way_to_write_a_field_is_known() {
        let more =
            "  storageParams: []\n  dump: false\n  interval: null\n  suspend: true\n  backupDeadline: 3h\n";
        let found = objects(&format!("{NIGHTLY}{more}"), IN_A).expect("an object");
        assert!(found[0].is_ok(), "{found:?}");
    }

    #[test]
    fn a_wrong_object_does_not_hide_the_others() {
        let text = format!("{}---{NIGHTLY}", NIGHTLY.replace("EveryDay", "Daily"));
        let found = objects(&text, IN_A).expect("objects");
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
            // The URL of a request would end there.
            (&NIGHTLY.replace("nightly}", "'nightly#'}"), "no valid name"),
            (
                &NIGHTLY.replace("nightly}", "nightly, namespace: b/dsbs/nightly#}"),
                "no valid name",
            ),
            (
                &format!("{NIGHTLY}  supend: true\n"),
                "there is no field spec.supend",
            ),
            (
                &NIGHTLY.replace("hour: 3", "hour: 3, minute: 7"),
                "there is no field spec.cronParams.minute",
            ),
            (
                &format!("{NIGHTLY}  storageParams: [{{key: a, value: b}}, {{key: c, valu: sk-a-secret}}]\n"),
                "there is no field spec.storageParams[1].valu",
            ),
        ] {
            let said =
                objects(text, IN_A).and_then(|objects| objects.into_iter().collect::<Result<Vec<_>, _>>());
            let said = said.expect_err(text).to_string();
            assert!(said.contains(told) && !said.contains("sk-a-secret"), "{said}");
        }
    }
}
