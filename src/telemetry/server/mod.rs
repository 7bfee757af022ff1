//! The HTTP server: `/metrics`, `/livez` and `/readyz` (`/readyz?verbose` for details), each by GET.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    convert::Infallible,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::stream::{BoxStream, StreamExt, poll_fn};
use http_body_util::{Either, Full, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Frame, Incoming},
    header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{
    encoding::{prometheus_text, text},
    registry::Registry,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::mpsc,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{shares::Shares, telemetry::Health};

/// The time limit of a connection, which carries one request.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// The time limit of a request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// The longest head of a request, in bytes: the smallest that hyper allows.
const LONGEST_HEAD: usize = 8 * 1024;
/// Concurrent connections; a further one takes the place of another one.
const CONNECTIONS: usize = 128;
/// Concurrent answers with metrics, of which one client's address gets at most one.
const SCRAPES: usize = 4;
/// A client must take the next piece of the metrics within this time.
const PIECE_LIMIT: Duration = Duration::from_secs(2);
/// The metrics are sent in pieces of about this many bytes, so that their text is never completely in memory.
const PIECE: usize = 64 * 1024;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

type Piece = Result<Frame<Bytes>, Infallible>;
type Reply = Response<Either<Full<Bytes>, StreamBody<BoxStream<'static, Piece>>>>;

/// The server; it ends when this value is dropped.
#[derive(Debug)]
pub struct Listening(#[allow(dead_code, reason = "ends the server when dropped")] AbortOnDropHandle<()>);

struct Served {
    registry: Registry,
    health: Arc<Health>,
    scrapes: Shares,
}

/// Serves metrics and probes at this address. With port 0, the system chooses a free port, which is logged.
///
/// # Errors
/// The server cannot listen at the address.
pub async fn listen(address: SocketAddr, registry: Registry, health: Arc<Health>) -> io::Result<Listening> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen at {address} for metrics and probes (--listen): {error}"),
        )
    })?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "metrics and probes are served");
    let served = Arc::new(Served {
        registry,
        health,
        scrapes: Shares::new(SCRAPES, 1),
    });
    Ok(Listening(AbortOnDropHandle::new(tokio::spawn(accept(
        listener, served,
    )))))
}

async fn accept(listener: TcpListener, served: Arc<Served>) {
    let mut connections = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                make_room(&mut connections);
                let has_asked = Arc::new(AtomicBool::new(false));
                let task = tokio::spawn(serve(stream, client.ip(), served.clone(), has_asked.clone()));
                connections.push_back(Connection {
                    client: client.ip(),
                    task: AbortOnDropHandle::new(task),
                    has_asked,
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection for metrics or probes could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// An open connection; it ends when this value is dropped.
struct Connection {
    client: IpAddr,
    task: AbortOnDropHandle<()>,
    has_asked: Arc<AtomicBool>,
}

/// While there are too many, ends one of the client that has the most: the oldest without a request, else the oldest. A
/// probe needs milliseconds, so it is never the oldest.
fn make_room(connections: &mut VecDeque<Connection>) {
    connections.retain(|connection| !connection.task.is_finished());
    while connections.len() >= CONNECTIONS {
        let mut of_client = HashMap::<_, usize>::new();
        for connection in &*connections {
            *of_client.entry(connection.client).or_default() += 1;
        }
        let most = |at: &usize| of_client[&connections[*at].client];
        let is_idle = |at: &usize| !connections[*at].has_asked.load(Ordering::Relaxed);
        // The first of equal ones, which is the oldest.
        let next = (0..connections.len()).max_by_key(|at| (most(at), is_idle(at), Reverse(*at)));
        next.and_then(|at| connections.remove(at));
    }
}

async fn serve(stream: TcpStream, client: IpAddr, served: Arc<Served>, has_asked: Arc<AtomicBool>) {
    let answer = service_fn(|request| {
        has_asked.store(true, Ordering::Relaxed);
        let served = served.clone();
        async move { Ok::<_, Infallible>(served.answer(&request, client).await) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), answer);
    // The client notices errors of its connection; the server ignores them.
    let _ = timeout(TIME_LIMIT, connection).await;
}

impl Served {
    async fn answer(self: Arc<Self>, request: &Request<Incoming>, client: IpAddr) -> Reply {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported");
            reply
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return reply;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(Format::asked_for(request), client).await,
            "/livez" => probe(self.health.alive(Instant::now()).map(|()| Vec::new())),
            "/readyz" => probe(self.health.ready().map(|failing| match is_verbose(request) {
                true => failing,
                false => Vec::new(),
            })),
            _ => plain(
                StatusCode::NOT_FOUND,
                "not found; there are /metrics, /livez and /readyz",
            ),
        }
    }

    async fn metrics(self: Arc<Self>, format: Format, client: IpAddr) -> Reply {
        let place = self.scrapes.acquire(&client.to_string(), 1).await;
        let (pieces, mut body) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let mut writer = Writer {
                runtime: Handle::current(),
                pieces,
                piece: String::with_capacity(PIECE),
            };
            // Fails if the client has disconnected, or reads too slowly.
            let written = match format {
                Format::OpenMetrics => text::encode(&mut writer, &self.registry),
                Format::Plain => prometheus_text::encode(&mut writer, &self.registry),
            };
            let _ = written.and_then(|()| writer.send());
        });
        let body = poll_fn(move |context| body.poll_recv(context)).boxed();
        let mut reply = Response::new(Either::Right(StreamBody::new(body)));
        let kind = match format {
            Format::OpenMetrics => OPEN_METRICS,
            Format::Plain => prometheus_text::CONTENT_TYPE,
        };
        reply
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        reply
    }
}

/// Formats of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// The OpenMetrics standard.
    OpenMetrics,
    /// The older Prometheus text format, for clients that accept nothing else.
    Plain,
}

impl Format {
    fn asked_for<B: Body>(request: &Request<B>) -> Self {
        let accepted = request
            .headers()
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let (mut open, mut plain) = (false, false);
        for accepted in accepted {
            open |= accepted.contains("application/openmetrics-text");
            plain |= accepted.contains("text/plain");
        }
        if plain && !open {
            Self::Plain
        } else {
            Self::OpenMetrics
        }
    }
}

/// Sends written text in pieces, and waits a little for slow readers.
struct Writer {
    runtime: Handle,
    pieces: mpsc::Sender<Piece>,
    piece: String,
}

impl Writer {
    fn send(&mut self) -> fmt::Result {
        let piece = std::mem::replace(&mut self.piece, String::with_capacity(PIECE));
        let piece = Ok(Frame::data(piece.into()));
        let sent = self.pieces.send_timeout(piece, PIECE_LIMIT);
        self.runtime.block_on(sent).map_err(|_| fmt::Error)
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.piece.push_str(text);
        if self.piece.len() < PIECE {
            return Ok(());
        }
        self.send()
    }
}

/// Whether a probe asks for details, as `?verbose`.
fn is_verbose<B>(request: &Request<B>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query
        .split('&')
        .any(|part| part.split('=').next() == Some("verbose"))
}

fn probe(state: Result<Vec<String>, String>) -> Reply {
    match state {
        Ok(mut remarks) => {
            remarks.push("ok".into());
            plain(StatusCode::OK, &remarks.join("\n"))
        }
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

fn plain(status: StatusCode, text: &str) -> Reply {
    let mut reply = Response::new(Either::Left(Full::from(format!("{text}\n"))));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(PLAIN));
    reply
}

#[cfg(test)]
mod tests;
