//! What is kept of objects and Secrets. Whoever may write them must not fill the operator's memory, so only what is used
//! is kept, within limits; the rest of the API server's answer never becomes a value.

mod packed;

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData, panic::catch_unwind};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, api::ObjectMeta, core::error_boundary::InvalidObject};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::value::RawValue;

use crate::{
    api::{DocSpaceBackupSchedule, REQUESTED_AT, Status},
    text::{prefix, without_unseen},
};

pub use crate::controller::watched::packed::Packed;

/// The largest spec, in bytes of JSON. All that the CRD allows fits in, unless it consists of long characters.
const LARGEST_SPEC: usize = 64 * 1024;
/// The largest status, in bytes of JSON. The operator's own is far smaller.
const LARGEST_STATUS: usize = 64 * 1024;
/// The most finalizers together, in bytes.
const MOST_FINALIZERS: usize = 16 * 1024;
/// The longest value of the annotation requestedAt, in bytes. The rest of it is ignored.
const LONGEST_REQUEST: usize = 256;

/// The longest reason why an object cannot be parsed, in characters: it may repeat a value.
const LONGEST_ERROR: usize = 500;

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
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            metadata: &'a RawValue,
            #[serde(borrow, default)]
            spec: Option<&'a RawValue>,
            #[serde(borrow, default)]
            status: Option<&'a RawValue>,
        }
        let Answer {
            metadata,
            spec,
            status,
        } = Answer::deserialize(deserializer)?;
        let all = [Some(metadata), spec, status].into_iter().flatten();
        let bytes = all.map(|part| part.get().len()).sum();
        let metadata: Used = serde_json::from_str(metadata.get()).map_err(D::Error::custom)?;
        let mut metadata = ObjectMeta::from(metadata);
        // A fault at one object is no fault at others.
        let parts = catch_unwind(|| Ok((read_spec(spec)?, read_status(status)?)))
            .unwrap_or_else(|_| Err("reading it panicked, which is a fault of the operator".into()));
        let fits = fit(&mut metadata);
        let object = match fits.and(parts) {
            Ok((spec, status)) => Ok(DocSpaceBackupSchedule {
                metadata,
                spec,
                status,
            }),
            Err(error) => {
                let error = without_unseen(&error).take(LONGEST_ERROR).collect();
                Err(InvalidObject { error, metadata })
            }
        };
        Ok(Self { object, bytes })
    }
}

/// Drops the finalizers if they are too many.
fn fit(metadata: &mut ObjectMeta) -> Result<(), String> {
    let finalizers = metadata.finalizers.iter().flatten();
    let bytes: usize = finalizers.map(|name| name.len() + size_of::<String>()).sum();
    if bytes <= MOST_FINALIZERS {
        return Ok(());
    }
    metadata.finalizers = None;
    Err(format!(
        "metadata.finalizers has {bytes} bytes, and more than {MOST_FINALIZERS} are not read"
    ))
}

fn read_spec<T: DeserializeOwned>(spec: Option<&RawValue>) -> Result<T, String> {
    let spec = spec.ok_or("missing field `spec`")?.get();
    if spec.len() > LARGEST_SPEC {
        return Err(format!(
            "spec has {} bytes, and more than {LARGEST_SPEC} are not read",
            spec.len()
        ));
    }
    parse(spec)
}

/// A status that is too large is not the operator's own: what a portal showed is left out, or else all of it.
fn read_status(status: Option<&RawValue>) -> Result<Option<Status>, String> {
    let Some(text) = status.map(RawValue::get) else {
        return Ok(None);
    };
    let mut status: Option<Status> = parse(text)?;
    if text.len() > LARGEST_STATUS
        && let Some(large) = &mut status
    {
        (large.observed, large.replaced, large.difference) = (None, None, Vec::new());
        let left = serde_json::to_string(large).map_or(usize::MAX, |text| text.len());
        status.take_if(|_| left > LARGEST_STATUS);
    }
    Ok(status)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        // The same error without a line and a column, which mean nothing to readers of a manifest.
        let small = Some(text).filter(|text| text.len() <= LARGEST_SPEC);
        let tree = small.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        match tree.map(T::deserialize) {
            Some(Err(plain)) => plain.to_string(),
            _ => error.to_string(),
        }
    })
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
