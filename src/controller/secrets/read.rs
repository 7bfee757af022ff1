//! Reads one Secret from Kubernetes, and keeps of it only what is asked for.

use std::{borrow::Cow, collections::BTreeMap, fmt, io, pin::pin};

use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::api::core::v1::Secret;
use kube::{Client, Resource, api::GetParams, core::Request};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor},
};

use crate::{
    dns_name::is_subdomain,
    shares::{Share, Shares},
};

/// An answer of at most this size needs no place, in bytes. Nearly all are smaller.
const SMALL: usize = 16 * 1024;
/// The size of any other: Kubernetes stores at most 1.5 MiB of an object, in which a Secret's values have 1 MiB, and a
/// third more as base64.
const LARGE: usize = 2 * 1024 * 1024;
/// So many large answers are read at a time, and so many of one namespace.
const LARGE_AT_A_TIME: usize = 4;
const LARGE_OF_NAMESPACE: usize = 2;

/// The places of large answers.
pub fn places() -> Shares {
    Shares::new(LARGE_AT_A_TIME, LARGE_OF_NAMESPACE)
}

/// The answer of Kubernetes, with its place.
pub struct Answer {
    json: Vec<u8>,
    _place: Option<Share>,
}

/// Reads a Secret; `None` if it does not exist, as none of an invalid name does.
///
/// # Errors
/// Kubernetes did not answer, or refused.
pub async fn read(
    client: &Client,
    namespace: &str,
    name: &str,
    places: &Shares,
) -> Result<Option<Answer>, kube::Error> {
    if !is_subdomain(name) {
        return Ok(None);
    }
    let request = Request::new(Secret::url_path(&(), Some(namespace))).get(name, &GetParams::default());
    let stream = match client
        .request_stream(request.map_err(kube::Error::BuildRequest)?)
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
        stream => stream?,
    };
    let answer = collect(stream, namespace, places).await;
    answer.map(Some).map_err(kube::Error::ReadEvents)
}

/// Reads a body to its end, in a place if it is large.
async fn collect(body: impl AsyncBufRead, namespace: &str, places: &Shares) -> io::Result<Answer> {
    let mut body = pin!(body);
    let (mut json, mut place) = (Vec::new(), None);
    loop {
        let piece = body.fill_buf().await?;
        if piece.is_empty() {
            return Ok(Answer { json, _place: place });
        }
        if place.is_none() && json.len() + piece.len() > SMALL {
            place = Some(places.acquire(namespace, 1).await);
            json.reserve_exact(LARGE);
        }
        json.extend_from_slice(piece);
        let length = piece.len();
        body.consume_unpin(length);
    }
}

impl Answer {
    /// The Secret, with these values only.
    ///
    /// # Errors
    /// It is no Secret. The error repeats nothing of it.
    pub fn parse(&self, keys: &[&str]) -> Result<Content<'_>, kube::Error> {
        let mut json = serde_json::Deserializer::from_slice(&self.json);
        let parsed = Named(keys).deserialize(&mut json);
        parsed.map_err(|_| kube::Error::SerdeError(serde_json::Error::custom("the answer is no Secret")))
    }
}

/// What is used of a Secret.
#[derive(Debug, Default)]
pub struct Content<'a> {
    /// Its type.
    pub kind: Cow<'a, str>,
    /// Its resourceVersion.
    pub version: String,
    /// Its annotation portal-origin.
    pub origins: Option<String>,
    /// The values, as base64, by key.
    pub values: BTreeMap<String, Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: Option<String>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    /// [`crate::api::PORTAL_ORIGIN`].
    #[serde(rename = "docspace.onlyoffice.com/portal-origin")]
    origins: Option<String>,
}

/// A text that is not copied if it needs no change.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A Secret with these keys.
struct Named<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = Content<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Content<'de>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Secret")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Content<'de>, A::Error> {
        let mut content = Content::default();
        while let Some(Text(field)) = fields.next_key()? {
            match &*field {
                "type" => content.kind = fields.next_value::<Text<'_>>()?.0,
                "metadata" => {
                    let metadata: Metadata = fields.next_value()?;
                    content.version = metadata.resource_version.unwrap_or_default();
                    content.origins = metadata.annotations.and_then(|annotations| annotations.origins);
                }
                "data" => content.values = fields.next_value_seed(Values(self.0))?,
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(content)
    }
}

/// The values of these keys. A Secret may have a hundred thousand others.
struct Values<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = BTreeMap<String, Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = BTreeMap<String, Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the values of a Secret")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut named = BTreeMap::new();
        while let Some(Text(key)) = values.next_key()? {
            if self.0.contains(&&*key) {
                named.insert(key.into_owned(), values.next_value::<Text<'_>>()?.0);
            } else {
                values.next_value::<IgnoredAny>()?;
            }
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use serde_json::json;

    use super::*;
    use crate::api::PORTAL_ORIGIN;

    fn answer(secret: &serde_json::Value) -> Answer {
        Answer {
            json: serde_json::to_vec(secret).expect("JSON"),
            _place: None,
        }
    }

    #[test]
    fn only_what_is_named_is_kept() {
        let answer = answer(&json!({
            "kind": "Secret", "apiVersion": "v1", "immutable": true, "type": "Opaque",
            "metadata": {
                "name": "key", "resourceVersion": "7", "labels": {"a": "b"}, "managedFields": [{"manager": "m"}],
                "annotations": {"other": "x", PORTAL_ORIGIN: "https://docs.example.com"},
            },
            "data": {"apiKey": "c2stMQ==", "other": "b3RoZXI="},
        }));
        let content = answer.parse(&["apiKey", "missing"]).expect("a Secret");
        assert_eq!((&*content.kind, &*content.version), ("Opaque", "7"));
        assert_eq!(content.origins.as_deref(), Some("https://docs.example.com"));
        let values: Vec<_> = content.values.iter().collect();
        assert!(
            matches!(values[..], [(key, Cow::Borrowed("c2stMQ=="))] if key == "apiKey"),
            "{values:?}"
        );
    }

    #[tokio::test]
    async fn large_answers_are_few_and_small_ones_wait_for_nobody() {
        let places = places();
        let (small, large) = (vec![b'x'; SMALL], vec![b'x'; SMALL + 1]);
        let read = |namespace, body: &'static [u8]| collect(body, namespace, &places).now_or_never();
        let (small, large): (&[u8], &[u8]) = (small.leak(), large.leak());
        let one = read("a", large).expect("a place").expect("read");
        assert_eq!((&*one.json, one.json.capacity() >= LARGE), (large, true));
        let two = read("a", large).expect("a place");
        assert!(read("a", large).is_none() && read("a", small).is_some());
        let others = ["b", "c"].map(|namespace| read(namespace, large).expect("a place"));
        assert!(read("d", large).is_none() && read("d", small).is_some());
        drop((one, two, others));
        assert!(read("d", large).is_some());
    }

    #[test]
    fn one_without_anything_has_nothing() {
        let content = answer(&json!({"metadata": {}}));
        let content = content.parse(&["apiKey"]).expect("a Secret");
        assert!(content.values.is_empty() && content.origins.is_none() && content.kind.is_empty());
    }

    #[test]
    fn an_error_repeats_nothing() {
        for odd in [
            json!({"data": {"apiKey": 12345}}),
            json!({"data": "s3cret"}),
            json!(["s3cret"]),
        ] {
            let answer = answer(&odd);
            let error = answer.parse(&["apiKey"]).expect_err("no Secret").to_string();
            assert!(
                error.contains("no Secret") && !error.contains("s3cret") && !error.contains("12345"),
                "{error}"
            );
        }
    }

    /// A Secret of 1 MiB that has as many keys as fit.
    #[test]
    fn keys_that_nobody_names_cost_nothing() {
        let many: serde_json::Map<_, _> = (0..100_000).map(|n| (format!("k{n}"), json!(""))).collect();
        let answer = answer(&json!({"metadata": {}, "data": many}));
        let content = answer.parse(&["k99999"]).expect("a Secret");
        assert_eq!(content.values.len(), 1);
    }
}
