//! Adds the finalizer (before the first write to a portal, or an adoption) and removes it.

use kube::{
    Api,
    api::{ObjectMeta, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{api::FINALIZER, controller::watched::Metadata};

/// Adds the finalizer to an object.
///
/// # Errors
/// The object changed meanwhile, or the API server did not answer.
pub async fn add(api: &Api<Metadata>, metadata: &ObjectMeta) -> kube::Result<Metadata> {
    send(api, metadata, &with_finalizer(metadata)).await
}

/// Removes the finalizer from an object, even if the object cannot be parsed.
///
/// # Errors
/// The object is gone or changed meanwhile, or the API server did not answer.
pub async fn remove(api: &Api<Metadata>, metadata: &ObjectMeta) -> kube::Result<Metadata> {
    send(api, metadata, &without_finalizer(metadata)).await
}

/// By metadata alone, so that it works for objects that cannot be parsed.
async fn send(api: &Api<Metadata>, metadata: &ObjectMeta, patch: &Patch<Value>) -> kube::Result<Metadata> {
    let name = metadata.name.as_deref().unwrap_or_default();
    api.patch(name, &PatchParams::default(), patch).await
}

/// The patch that adds the finalizer if the object is unchanged.
pub fn with_finalizer(metadata: &ObjectMeta) -> Patch<Value> {
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    finalizers.push(FINALIZER.into());
    of_finalizers(metadata, finalizers)
}

/// The patch that removes the finalizer if the object is unchanged.
pub fn without_finalizer(metadata: &ObjectMeta) -> Patch<Value> {
    let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|name| name != FINALIZER);
    of_finalizers(metadata, finalizers)
}

/// The resourceVersion protects other finalizers from being lost.
fn of_finalizers(metadata: &ObjectMeta, finalizers: Vec<String>) -> Patch<Value> {
    let (uid, version) = (&metadata.uid, &metadata.resource_version);
    Patch::Merge(json!({"metadata": {"uid": uid, "resourceVersion": version, "finalizers": finalizers}}))
}
