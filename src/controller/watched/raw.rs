//! Objects as the API server wrote them.

use std::panic::{UnwindSafe, catch_unwind};

use kube::{Resource, api::ObjectMeta, core::error_boundary::InvalidObject};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    api::{DocSpaceBackupSchedule, Status},
    controller::watched::{Guarded, Used},
    text::without_unseen,
};

/// The largest spec, in bytes of JSON. All that the CRD allows fits in, unless it consists of long characters.
const LARGEST_SPEC: usize = 64 * 1024;
/// The largest status, in bytes of JSON. The operator's own is far smaller.
const LARGEST_STATUS: usize = 64 * 1024;
/// The most finalizers together, in bytes.
const MOST_FINALIZERS: usize = 16 * 1024;
/// The longest reason why an object cannot be parsed, in characters: it may repeat a value.
const LONGEST_ERROR: usize = 500;

/// An object whose spec and status are still texts. Of the changes that a watch shows, most are this operator's own and
/// need not be read.
#[derive(Clone, Debug, Resource)]
#[resource(inherit = DocSpaceBackupSchedule)]
pub struct Raw {
    metadata: ObjectMeta,
    content: Result<Content, String>,
    bytes: usize,
}

/// The texts of spec and status, which are within their limits.
#[derive(Clone, Debug)]
struct Content {
    spec: Box<RawValue>,
    status: Option<Box<RawValue>>,
}

impl<'de> Deserialize<'de> for Raw {
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
        let content = unless_it_panics(|| Content::of(spec, status));
        let content = fit(&mut metadata).and(content);
        Ok(Self {
            metadata,
            content,
            bytes,
        })
    }
}

impl Content {
    fn of(spec: Option<&RawValue>, status: Option<&RawValue>) -> Result<Self, String> {
        let spec = spec.ok_or("missing field `spec`")?;
        let length = spec.get().len();
        if length > LARGEST_SPEC {
            return Err(format!(
                "spec has {length} bytes, and more than {LARGEST_SPEC} are not read; shorten its longest fields, usually \
                 storageParams"
            ));
        }
        let status = match status {
            Some(large) if large.get().len() > LARGEST_STATUS => shortened(large)?,
            status => status.map(ToOwned::to_owned),
        };
        Ok(Self {
            spec: spec.to_owned(),
            status,
        })
    }
}

impl From<Raw> for Guarded {
    fn from(raw: Raw) -> Self {
        let Raw {
            metadata,
            content,
            bytes,
        } = raw;
        let read = content.and_then(|Content { spec, status }| {
            unless_it_panics(|| {
                let spec = parse(spec.get())?;
                let status = status.map(|text| parse::<Status>(text.get())).transpose()?;
                Ok((spec, status))
            })
        });
        let object = match read {
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
        Self { object, bytes }
    }
}

/// A fault at one object is no fault at others.
fn unless_it_panics<T>(read: impl FnOnce() -> Result<T, String> + UnwindSafe) -> Result<T, String> {
    catch_unwind(read).unwrap_or_else(|_| Err("reading it panicked, which is a fault of the operator".into()))
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

/// A status that is too large is not the operator's own: what a portal showed is left out, or else all of it.
fn shortened(text: &RawValue) -> Result<Option<Box<RawValue>>, String> {
    let mut status: Status = parse(text.get())?;
    (status.observed, status.replaced, status.difference) = (None, None, Vec::new());
    let text = to_raw_value(&status).map_err(|error| error.to_string())?;
    Ok(Some(text).filter(|text| text.get().len() <= LARGEST_STATUS))
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
