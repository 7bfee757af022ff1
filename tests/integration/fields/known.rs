//! What the schema does not say about a field, from `known.yaml`: its baseline, long values, and values of its own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::schema::Expected;

/// What is known about a field.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Known {
    /// Put over the spec of `nightly`, as a merge patch.
    pub base: Map<String, Value>,
    /// How long values are made.
    pub long: Option<Long>,
    /// The outcome of the longest one.
    pub longest: Expected,
    /// The outcome without an optional field.
    pub absent: Expected,
    beside: Vec<(Value, Value)>,
    ready: Vec<Value>,
    refused: Vec<Value>,
    told: BTreeMap<String, Vec<Value>>,
}

/// How a text or a list of a given length is made.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Long {
    Letters,
    Hour,
    Params,
    /// A path of the portal.
    Path,
}

impl Known {
    /// The table. The portal answers at this port of 127.0.0.1, by http or https.
    pub fn table(url: &str) -> BTreeMap<String, Self> {
        let (start, port) = url.rsplit_once(':').expect("a port");
        let localhost = format!("{}:{port}", start.replace("127.0.0.1", "localhost"));
        let text = include_str!("known.yaml");
        let text = text.replace("{url}", url).replace("{localhost}", &localhost);
        let mut table: BTreeMap<String, Self> =
            serde_saphyr::from_str(&text.replace("{port}", port)).expect("a table of this form");
        let values = table.values_mut().flat_map(|known| {
            let told = known.told.values_mut().flatten();
            told.chain(&mut known.ready).chain(&mut known.refused)
        });
        values.for_each(long_value);
        table
    }

    /// The walks of a field: with its own row, or none, and in each of its contexts.
    pub fn of(table: &BTreeMap<String, Self>, path: &str) -> Vec<(String, Self)> {
        let within = |name: &str| {
            name.strip_prefix(path)
                .is_some_and(|rest| rest.starts_with(" in "))
        };
        let contexts = table.iter().filter(|(name, _)| within(name));
        let own = table.get(path).cloned().unwrap_or_default();
        let contexts = contexts.map(|(name, known)| (name.clone(), known.clone()));
        [(path.to_owned(), own)].into_iter().chain(contexts).collect()
    }

    /// The listed values, each with its outcome.
    pub fn values(&self) -> impl Iterator<Item = (Expected, Value)> {
        fn of(expected: Expected, values: &[Value]) -> impl Iterator<Item = (Expected, Value)> {
            values.iter().map(move |value| (expected.clone(), value.clone()))
        }
        let told = self.told.iter();
        of(Expected::Ready, &self.ready)
            .chain(told.flat_map(move |(reason, values)| of(Expected::Told(reason.clone()), values)))
            .chain(of(Expected::Refused, &self.refused))
    }

    /// What this value needs beside it, as a merge patch of the spec.
    pub fn beside_of(&self, value: Option<&Value>) -> Value {
        let found = self.beside.iter().find(|(of, _)| Some(of) == value);
        found.map_or_else(|| json!({}), |(_, beside)| beside.clone())
    }
}

impl Long {
    /// A value of this length.
    pub fn of_length(self, length: usize, url: &str) -> Value {
        match self {
            Self::Letters => json!("k".repeat(length)),
            Self::Hour => {
                let zeros = "0m".repeat(length.saturating_sub(2) / 2);
                let zero = if length.is_multiple_of(2) { "" } else { "0" };
                json!(format!("{zeros}{zero}1h"))
            }
            Self::Params => params(length, &json!(7)),
            Self::Path => json!(format!("{url}/{}", "k".repeat(length - url.len() - 1))),
        }
    }
}

/// Values that are too long for the table.
fn long_value(value: &mut Value) {
    let path = |letter: &str, length: usize| json!(format!("/{}", letter.repeat(length - 1)));
    match value.as_str() {
        Some("{many}") => *value = params(32, &json!("😀".repeat(1024))),
        Some("{path of 255 k}") => *value = path("k", 255),
        Some("{path of 255 😀}") => *value = path("😀", 255),
        Some("{path of 256 k}") => *value = path("k", 256),
        _ => {}
    }
}

fn params(count: usize, value: &Value) -> Value {
    (0..count)
        .map(|number| json!({"key": format!("p{number}"), "value": value}))
        .collect()
}
