//! A request as the endpoints see it.

use bytes::Bytes;
use serde_json::{Value, json};

/// A request that was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// As it was sent, without the query.
    pub(crate) path: String,
    /// As it was sent, without the question mark.
    pub(crate) query_text: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) secure: bool,
    query: Vec<(String, String)>,
}

impl Call {
    pub(crate) fn new(
        method: String,
        path: String,
        query_text: Option<String>,
        headers: Vec<(String, String)>,
        body: Bytes,
        secure: bool,
    ) -> Self {
        let pairs = query_text
            .iter()
            .flat_map(|text| text.split('&'))
            .filter(|pair| !pair.is_empty());
        let query = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name).to_ascii_lowercase(), decoded(value)))
            .collect();
        Self {
            method,
            path,
            query_text,
            headers,
            body,
            secure,
            query,
        }
    }

    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The same request with another Host, and another authorization if there is one.
    pub(crate) fn disguised(mut self, host: &str, authorization: Option<&str>) -> Self {
        for (name, value) in &mut self.headers {
            match name.as_str() {
                "host" => host.clone_into(value),
                "authorization" => authorization.unwrap_or(&value.clone()).clone_into(value),
                _ => {}
            }
        }
        self
    }

    /// A parameter of the query, by its name in any case; of several the first (R 531).
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.query
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn host(&self) -> &str {
        self.header("host").unwrap_or_default()
    }

    /// The whole address, as the caller may know it.
    pub(crate) fn address(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let query = self
            .query_text
            .as_ref()
            .map(|text| format!("?{text}"))
            .unwrap_or_default();
        format!("{scheme}://{}{}{query}", self.host(), self.path)
    }

    /// The entry that every wrapper carries under `links`.
    pub(crate) fn link(&self) -> Value {
        json!({"href": self.address(), "action": self.method})
    }
}

/// A text of a query with its percent signs and plus signs resolved.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text
            .get(at + 1..at + 3)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
