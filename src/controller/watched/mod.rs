//! What is kept of objects and Secrets. Whoever may write them must not fill the operator's memory, so only what is used
//! is kept, within limits; the rest of the API server's answer never becomes a value.

mod packed;
mod raw;

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, api::ObjectMeta, core::error_boundary::InvalidObject};
use serde::{Deserialize, Deserializer};

use crate::{
    api::{DocSpaceBackupSchedule, REQUESTED_AT},
    text::prefix,
};

pub use crate::controller::watched::{packed::Packed, raw::Raw};

/// The longest value of the annotation requestedAt, in bytes. The rest of it is ignored.
const LONGEST_REQUEST: usize = 256;

/// An object, or the metadata of one that cannot be parsed; without labels and annotations that are not used.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// The object.
    pub object: Result<DocSpaceBackupSchedule, InvalidObject>,
    /// The length of the API server's JSON, in bytes.
    pub bytes: usize,
}

impl From<DocSpaceBackupSchedule> for Guarded {
    fn from(object: DocSpaceBackupSchedule) -> Self {
        Self {
            object: Ok(object),
            bytes: 0,
        }
    }
}

/// The metadata of an object, without labels and annotations that are not used. Requests for it ask for no more.
pub struct Slim<K> {
    /// The metadata.
    pub metadata: ObjectMeta,
    of: PhantomData<fn() -> K>,
}

/// The metadata of an object, whatever its content.
pub type Metadata = Slim<DocSpaceBackupSchedule>;

impl<K> Clone for Slim<K> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            of: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Slim<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.metadata.fmt(f)
    }
}

/// The metadata that is used.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Used {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    annotations: Option<Annotations>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "docspace.onlyoffice.com/requestedAt")]
    requested_at: Option<String>,
}

impl From<Used> for ObjectMeta {
    fn from(metadata: Used) -> Self {
        let requested = metadata
            .annotations
            .and_then(|annotations| annotations.requested_at);
        let cut = |value: String| prefix(&value, LONGEST_REQUEST).to_owned();
        Self {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            finalizers: metadata.finalizers,
            annotations: requested.map(|value| BTreeMap::from([(REQUESTED_AT.into(), cut(value))])),
            ..Self::default()
        }
    }
}

impl<'de, K> Deserialize<'de> for Slim<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            metadata: Used,
        }
        Ok(Self {
            metadata: Answer::deserialize(deserializer)?.metadata.into(),
            of: PhantomData,
        })
    }
}

impl<'de> Deserialize<'de> for Guarded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Raw::deserialize(deserializer).map(Into::into)
    }
}

impl Resource for Guarded {
    type DynamicType = ();
    type Scope = <DocSpaceBackupSchedule as Resource>::Scope;

    fn kind(_: &()) -> Cow<'_, str> {
        DocSpaceBackupSchedule::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        DocSpaceBackupSchedule::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        DocSpaceBackupSchedule::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        DocSpaceBackupSchedule::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.object {
            Ok(object) => &object.metadata,
            Err(invalid) => &invalid.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.object {
            Ok(object) => &mut object.metadata,
            Err(invalid) => &mut invalid.metadata,
        }
    }
}

impl<K: Resource> Resource for Slim<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn metadata_api() -> bool {
        true
    }

    fn kind(of: &K::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &K::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &K::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &K::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests;
