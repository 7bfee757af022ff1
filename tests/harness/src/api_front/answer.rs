//! Answers of the API server, and what becomes of them.

use std::convert::Infallible;

use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;

use super::{
    Answer, Body, Broken,
    fault::{RETRY_AFTER, status_body},
    stream,
};

pub(super) fn whole(answer: Response<kube::client::Body>) -> Answer {
    answer.map(|body| body.map_err(|_| Broken).boxed_unsync())
}

fn full(bytes: impl Into<Bytes>) -> Body {
    let never = |error: Infallible| match error {};
    Full::new(bytes.into()).map_err(never).boxed_unsync()
}

pub(super) fn refusal(status: u16) -> Answer {
    let mut answer = Response::new(full(status_body(status).to_string()));
    *answer.status_mut() = status.try_into().expect("a status");
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == 429 {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER.into());
    }
    answer
}

/// The head with the length of the whole body, and half of the body. A stream breaks off after its first bytes.
pub(super) async fn cut_off(answer: Answer) -> Answer {
    let (head, mut body) = answer.into_parts();
    let bytes = match head.headers.contains_key(header::CONTENT_LENGTH) {
        true => body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default(),
        false => body
            .frame()
            .await
            .and_then(Result::ok)
            .and_then(|frame| frame.into_data().ok())
            .unwrap_or_default(),
    };
    let half = bytes.slice(..bytes.len() / 2);
    Response::from_parts(head, stream::broken_after(half))
}
