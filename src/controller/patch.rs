//! Patches of one very object: an object of the same name that was created after it takes none of them.

use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation, TestOperation, jsonptr::PointerBuf};
use kube::api::{ObjectMeta, Patch};
use serde_json::{Value, json};

use crate::api::FINALIZER;

/// Puts our finalizer on an object that has not changed since.
pub fn with_finalizer(metadata: &ObjectMeta) -> Patch<Value> {
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    finalizers.push(FINALIZER.into());
    of_finalizers(metadata, finalizers)
}

/// Takes our finalizer off an object that has not changed since.
pub fn without_finalizer(metadata: &ObjectMeta) -> Patch<Value> {
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|name| name != FINALIZER);
    of_finalizers(metadata, finalizers)
}

/// Carries the resourceVersion, so that nobody else's finalizer is lost.
fn of_finalizers(metadata: &ObjectMeta, finalizers: Vec<String>) -> Patch<Value> {
    let (uid, version) = (&metadata.uid, &metadata.resource_version);
    Patch::Merge(json!({"metadata": {"uid": uid, "resourceVersion": version, "finalizers": finalizers}}))
}

/// Replaces the status. Only a JSON patch can ask for the uid here: of a merge patch of a custom resource's status, the API
/// server drops all metadata.
pub fn of_status(metadata: &ObjectMeta, status: Value) -> Patch<Value> {
    Patch::Json(JsonPatch(vec![
        PatchOperation::Test(TestOperation {
            path: PointerBuf::from_tokens(["metadata", "uid"]),
            value: json!(metadata.uid),
        }),
        PatchOperation::Add(AddOperation {
            path: PointerBuf::from_tokens(["status"]),
            value: status,
        }),
    ]))
}

/// Whether a patch of the status was refused because the object is another one than it was made for. The API server does
/// not say so; but of a status that is no good it names the fields.
pub fn met_another(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let causes = status.details.as_ref().map_or(0, |details| details.causes.len());
    status.code == 422 && causes == 0
}
