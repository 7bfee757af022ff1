//! Objects at rest. Of thousands, few are used at a time, so they are kept compressed.

use std::sync::Arc;

use kube::{api::ObjectMeta, core::error_boundary::InvalidObject};
use lz4_flex::block::{compress_with_dict, decompress_with_dict};
use serde::{Deserialize, Serialize};

use crate::controller::watched::Guarded;

/// The text of a typical object. What an object has in common with it takes no memory.
const TYPICAL: &str = include_str!("typical.json");

/// The text of most objects is shorter than this, in bytes.
const MOST_ARE_SHORTER: usize = 4 * 1024;

/// A compressed object; its clones share it.
#[derive(Clone, PartialEq)]
pub struct Packed {
    text: Arc<[u8]>,
    /// The length of the text without compression, in bytes.
    length: u32,
    /// The length of the API server's JSON, in bytes.
    bytes: u32,
    is_valid: bool,
}

/// An object that cannot be parsed.
#[derive(Deserialize, Serialize)]
struct Invalid {
    metadata: ObjectMeta,
    error: String,
}

impl Packed {
    /// Compresses an object.
    pub fn new(object: &Guarded) -> Self {
        let mut text = Vec::with_capacity(MOST_ARE_SHORTER);
        // Cannot fail: maps with keys of text, which is all that these types have, can be written as JSON.
        let is_valid = match &object.object {
            Ok(object) => serde_json::to_writer(&mut text, object).is_ok(),
            Err(InvalidObject { error, metadata }) => {
                let (metadata, error) = (metadata.clone(), error.clone());
                let _ = serde_json::to_writer(&mut text, &Invalid { metadata, error });
                false
            }
        };
        let small = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Self {
            length: small(text.len()),
            text: compress_with_dict(&text, TYPICAL.as_bytes()).into(),
            bytes: small(object.bytes),
            is_valid,
        }
    }

    /// The object. `None` would be a fault of the operator, which is logged.
    pub fn unpack(&self) -> Option<Guarded> {
        let length = usize::try_from(self.length).ok()?;
        let text = decompress_with_dict(&self.text, length, TYPICAL.as_bytes());
        let read = text.map_err(|error| error.to_string()).and_then(|text| {
            if self.is_valid {
                return serde_json::from_slice(&text)
                    .map(Ok)
                    .map_err(|error| error.to_string());
            }
            let Invalid { metadata, error } =
                serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            Ok(Err(InvalidObject { error, metadata }))
        });
        let object = read
            .inspect_err(|error| tracing::error!(error, "the copy of an object cannot be read"))
            .ok()?;
        Some(Guarded {
            object,
            bytes: self.bytes(),
        })
    }

    /// What it takes at rest, in bytes.
    #[cfg(test)]
    pub fn size(&self) -> usize {
        self.text.len()
    }

    /// The length of the API server's JSON, in bytes.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or_default()
    }
}
