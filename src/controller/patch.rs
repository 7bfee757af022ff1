//! Patches that apply to one object only, never to a later object of the same name.

use json_patch::{
    AddOperation, Patch as JsonPatch, PatchOperation, RemoveOperation, TestOperation, jsonptr::PointerBuf,
};
use kube::{
    Api,
    api::{ObjectMeta, Patch},
};
use serde_json::{Value, json};

use crate::controller::watched::Metadata;

/// The patch from one status to another. It is a JSON patch because only that can test the uid: from a merge patch of a
/// status, the API server drops all metadata.
pub fn of_status(metadata: &ObjectMeta, before: &Value, after: &Value) -> Patch<Value> {
    let path = |tokens: &[&str]| PointerBuf::from_tokens(tokens.iter().copied());
    let mut operations = vec![PatchOperation::Test(TestOperation {
        path: path(&["metadata", "uid"]),
        value: json!(metadata.uid),
    })];
    let add = |path, value: &Value| {
        let value = value.clone();
        PatchOperation::Add(AddOperation { path, value })
    };
    match (before.as_object(), after.as_object()) {
        (Some(before), Some(after)) => {
            let changed = after
                .iter()
                .filter(|(key, value)| before.get(*key) != Some(value));
            operations.extend(changed.map(|(key, value)| add(path(&["status", key]), value)));
            let gone = before.keys().filter(|key| !after.contains_key(*key));
            operations.extend(gone.map(|key| {
                let path = path(&["status", key]);
                PatchOperation::Remove(RemoveOperation { path })
            }));
        }
        _ => operations.push(add(path(&["status"]), after)),
    }
    Patch::Json(JsonPatch(operations))
}

/// Whether a patch was refused because the object is gone or replaced. The refusal of a JSON patch does not say so, so
/// this reads the object.
///
/// # Errors
/// The API server did not answer.
pub async fn met_another(
    api: &Api<Metadata>,
    metadata: &ObjectMeta,
    refused: &kube::Error,
) -> kube::Result<bool> {
    let (kube::Error::Api(status), Some(name)) = (refused, &metadata.name) else {
        return Ok(false);
    };
    match status.code {
        404 => Ok(true),
        422 => {
            let now = api.get_opt(name).await?;
            Ok(now.is_none_or(|now| now.metadata.uid != metadata.uid))
        }
        _ => Ok(false),
    }
}
