//! A Kubernetes client that writes only while this process leads.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::Request;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use tower::{BoxError, Service, layer::layer_fn, limit::GlobalConcurrencyLimitLayer, util::option_layer};

use crate::lease::Leadership;

/// A client that writes only while this process leads; reads are always allowed. It, and others with the same limit, have
/// no more requests in flight than that allows.
///
/// # Errors
/// The configuration is invalid.
pub fn client(
    mut config: Config,
    leadership: &Leadership,
    in_flight: Option<GlobalConcurrencyLimitLayer>,
) -> kube::Result<Client> {
    // kube would repeat a request below this layer, without the check; the caller retries anyway.
    config.default_retry = !leadership.is_elected();
    let layer = layer_fn(|inner| WhileLeading {
        inner,
        leadership: leadership.clone(),
    });
    let client = ClientBuilder::try_from(config)?.with_layer(&layer);
    Ok(client.with_layer(&option_layer(in_flight)).build())
}

/// Why a write to Kubernetes was not made, or was aborted.
#[derive(Debug, thiserror::Error)]
#[error("this process does not lead, so it writes nothing")]
struct NotLeading;

struct WhileLeading<Inner> {
    inner: Inner,
    leadership: Leadership,
}

impl<Inner> Service<Request<Body>> for WhileLeading<Inner>
where
    Inner: Service<Request<Body>, Error = BoxError>,
    Inner::Future: Send + 'static,
{
    type Response = Inner::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, task: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let reads = request.method().is_safe();
        let answer = self.inner.call(request);
        if reads {
            return Box::pin(answer);
        }
        let leadership = self.leadership.clone();
        Box::pin(async move {
            let answer = leadership.while_held(answer).await;
            answer.unwrap_or_else(|| Err(NotLeading.into()))
        })
    }
}
