//! Which connection carries a request: one that was kept open, or a new one.
//!
//! A portal or a proxy may close a connection at any time, also just as the next request is sent on it. Nobody failed
//! then. So a write always has a connection of its own, and a read that met such a connection is repeated once.

use std::{
    cell::Cell,
    error::Error,
    fmt, io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Instant,
};

use reqwest::{Client, ClientBuilder, Method, Request, Response};
use tower::{Layer, Service};

tokio::task_local! {
    /// Whether a connection was made for the current request.
    static CONNECTED: Cell<bool>;
}

/// The connections to portals with one set of CAs; cheap to clone.
#[derive(Clone)]
pub struct Connections {
    builder: Arc<dyn Fn() -> ClientBuilder + Send + Sync>,
    /// Keeps connections open for the next calls; made for the first.
    kept: Arc<OnceLock<Client>>,
    /// Makes a connection for each call.
    new: Client,
}

impl Connections {
    /// Connections as this builder makes them. All of its clients must share what is large.
    pub fn new(builder: impl Fn() -> ClientBuilder + Send + Sync + 'static) -> reqwest::Result<Self> {
        Ok(Self {
            new: builder().pool_max_idle_per_host(0).build()?,
            kept: Arc::default(),
            builder: Arc::new(builder),
        })
    }

    /// The same, but for what is kept open: that is closed when the last clone is dropped. A connection keeps as much
    /// memory as the largest answer made it take, so none outlives its reconcile.
    pub fn for_one_reconcile(&self) -> Self {
        Self {
            kept: Arc::default(),
            ..self.clone()
        }
    }

    fn kept(&self) -> &Client {
        self.kept.get_or_init(|| {
            let kept = (self.builder)().connector_layer(Watched).build();
            // Cannot fail: the other one could be built.
            kept.unwrap_or_else(|_| self.new.clone())
        })
    }

    /// Sends a request and awaits the head of its answer. Only a GET may use a kept connection; it is repeated once, on
    /// a new one, if the kept one was closed before an answer came. Both together stay within the request's time-out.
    pub async fn send(&self, request: Request) -> reqwest::Result<Response> {
        let repeat = match *request.method() {
            Method::GET => request.try_clone(),
            _ => None,
        };
        let Some(mut repeat) = repeat else {
            return self.new.execute(request).await;
        };
        let began = Instant::now();
        let attempt = async {
            let result = self.kept().execute(request).await;
            (result, CONNECTED.with(Cell::get))
        };
        match CONNECTED.scope(Cell::new(false), attempt).await {
            (Err(error), false) if was_closed(&error) => {
                if let Some(limit) = repeat.timeout_mut() {
                    *limit = limit.saturating_sub(began.elapsed());
                }
                self.new.execute(repeat).await
            }
            (result, _) => result,
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

/// Whether the other side closed or reset the connection before it answered.
fn was_closed(error: &reqwest::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    if error.is_connect() || error.is_timeout() {
        return false;
    }
    let of_http = cause::<hyper::Error>(error)
        .is_some_and(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed());
    let of_io = cause::<io::Error>(error)
        .map(io::Error::kind)
        .is_some_and(|kind| {
            matches!(
                kind,
                BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
            )
        });
    of_http || of_io
}

/// The first error of this type in the chain. An `io::Error` hides the error that it carries from `source()`.
pub fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// The chain of errors, outermost first.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

/// Notes in [`CONNECTED`] that a connection was made for a request.
///
/// A connection that is made for a request, which then uses another one that became free, is completed in a task of its
/// own, where nothing is noted.
#[derive(Clone, Copy, Debug)]
struct Watched;

impl<S> Layer<S> for Watched {
    type Service = Watching<S>;

    fn layer(&self, connector: S) -> Self::Service {
        Watching(connector)
    }
}

#[derive(Clone, Debug)]
struct Watching<S>(S);

impl<S, T> Service<T> for Watching<S>
where
    S: Service<T>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, target: T) -> Self::Future {
        let connecting = self.0.call(target);
        Box::pin(async move {
            let connection = connecting.await?;
            let _ = CONNECTED.try_with(|connected| connected.set(true));
            Ok(connection)
        })
    }
}
