//! The finalizer: put on before the first write to a portal, and taken off at one place.

use std::fmt::Debug;

use kube::{
    Api,
    api::{ObjectMeta, Patch, PatchParams},
    core::PartialObjectMeta,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::FINALIZER;

/// Puts the finalizer on an object.
///
/// # Errors
/// The object has changed meanwhile, or the API server did not answer.
pub async fn add<K>(api: &Api<K>, metadata: &ObjectMeta) -> kube::Result<PartialObjectMeta<K>>
where
    K: Clone + DeserializeOwned + Debug,
{
    let name = metadata.name.as_deref().unwrap_or_default();
    api.patch_metadata(name, &PatchParams::default(), &with_finalizer(metadata))
        .await
}

/// Takes the finalizer off an object, also off one that cannot be parsed.
///
/// # Errors
/// The object is gone or has changed meanwhile, or the API server did not answer.
pub async fn remove<K>(api: &Api<K>, metadata: &ObjectMeta) -> kube::Result<PartialObjectMeta<K>>
where
    K: Clone + DeserializeOwned + Debug,
{
    let name = metadata.name.as_deref().unwrap_or_default();
    api.patch_metadata(name, &PatchParams::default(), &without_finalizer(metadata))
        .await
}

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
