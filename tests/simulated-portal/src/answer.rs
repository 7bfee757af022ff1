//! An HTTP answer before it is sent.

use bytes::Bytes;
use serde_json::{Value, json};

/// Status, headers and body of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// No body and therefore no content type.
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn of_type(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::empty(status)
            .with("Content-Type", content_type)
            .with_body(body)
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::of_type(status, "application/json; charset=utf-8", body.to_string())
    }

    /// The wrapper of a successful answer. Without a value it has no `response` field and count 0 (R 10).
    pub(crate) fn success(response: Option<Value>, link: Value) -> Self {
        let count = match &response {
            None => 0,
            Some(Value::Array(items)) => items.len(),
            Some(_) => 1,
        };
        let mut body = json!({"count": count, "links": [link], "status": 0, "statusCode": 200});
        if let Some(response) = response {
            body["response"] = response;
        }
        Self::json(200, &body)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}
