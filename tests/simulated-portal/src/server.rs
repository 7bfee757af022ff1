//! The listener and its connections.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Response,
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    answer::Answer,
    call::Call,
    clock::Clock,
    door::Doorkeeper,
    faults::{End, Faults, Ordered},
    log::Log,
    routes,
    socket::{Serves, Socket},
    state::State,
    tenant::Database,
    tls::Tls,
};

/// The state that connections share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) state: Mutex<State>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    /// The last answer to each GET, by path and query.
    last_answers: Mutex<HashMap<(String, Option<String>), Answer>>,
    pub(crate) door: Doorkeeper,
    pub(crate) database_up: Notify,
}

/// A running server; it stops when this is dropped.
pub(crate) struct Running {
    pub(crate) core: Arc<Core>,
    pub(crate) address: SocketAddr,
    pub(crate) ca_pem: Option<String>,
    _stop: watch::Sender<()>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Running {
    pub(crate) fn start(listener: TcpListener, tls: Option<Tls>, state: State) -> Self {
        let core = Arc::new(Core {
            state: Mutex::new(state),
            clock: Clock::default(),
            log: Log::default(),
            faults: Faults::default(),
            last_answers: Mutex::default(),
            door: Doorkeeper::default(),
            database_up: Notify::new(),
        });
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = watch::channel(());
        let (acceptor, ca_pem) = tls.map(|tls| (tls.acceptor, tls.ca_pem)).unzip();
        tokio::spawn(accept(listener, acceptor, core.clone(), stopped));
        Self {
            core,
            address,
            ca_pem,
            _stop: stop,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Releases all held requests.
        self.core.faults.clear(|_| true);
        self.core.database_up.notify_waiters();
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    core: Arc<Core>,
    stopped: watch::Receiver<()>,
) {
    let mut stop = stopped.clone();
    loop {
        tokio::select! {
            // An error means that the sender is gone.
            _ = stop.changed() => return,
            Ok((stream, _)) = listener.accept() => {
                tokio::spawn(connection(stream, tls.clone(), core.clone(), stopped.clone()));
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    core: Arc<Core>,
    mut stop: watch::Receiver<()>,
) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let mut socket = Socket::new(stream, reset.clone());
    if core.state.lock().unwrap().installation.closes_connections {
        socket.serves = Serves::One;
    }
    let Some(socket) = core.door.admit(socket).await else {
        return;
    };
    let keeper = core.clone();
    let served = async {
        match tls {
            None => serve(socket, false, core, reset).await,
            // The caller sees a failed handshake.
            Some(tls) => {
                if let Ok(stream) = tls.accept(socket).await {
                    serve(stream, true, core, reset).await;
                }
            }
        }
    };
    tokio::select! {
        _ = stop.changed() => {}
        () = keeper.door.closes() => {}
        () = served => {}
    }
}

async fn serve<S>(stream: S, secure: bool, core: Arc<Core>, reset: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request| respond(core.clone(), secure, reset.clone(), request));
    // A connection ends early only because of a fault or because of the caller.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The connection ends without an answer.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection ends without an answer")
    }
}

impl std::error::Error for NoAnswer {}

async fn respond(
    core: Arc<Core>,
    secure: bool,
    reset: Arc<AtomicBool>,
    request: hyper::Request<Incoming>,
) -> Result<Response<AnswerBody>, NoAnswer> {
    let (head, body) = request.into_parts();
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    };
    let headers = head.headers.iter().map(header).collect();
    let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().map(str::to_owned));
    let call = Call::new(
        head.method.as_str().to_owned(),
        path,
        query,
        headers,
        body,
        secure,
    );

    let (tenant, tenant_id, takes_time) = {
        let state = core.state.lock().unwrap();
        let tenant = state.tenant_of_host(call.host());
        (
            tenant,
            tenant.map(|index| state.tenants[index].id),
            retries(&state) || !time_of(&call, &state).is_zero(),
        )
    };
    let mut entry = core.log.begin(&call, tenant_id);
    let fault = core.faults.take(tenant, &routes::endpoint_of(&call.path), &call);
    let (answer, end) = if fault.is_none() && !takes_time {
        (work(&core, &call, entry.number), End::AsEver)
    } else {
        // A held request continues after the caller has disconnected.
        let core = core.clone();
        let number = entry.number;
        tokio::spawn(async move { held(&core, (&call, number), fault.as_deref()).await })
            .await
            .map_err(|_| NoAnswer)?
    };
    entry.status = Some(answer.status);
    if matches!(end, End::Reset) {
        reset.store(true, Ordering::Relaxed);
        return Err(NoAnswer);
    }
    entry.answered = true;
    Ok(response(&core, answer, matches!(end, End::Truncated)))
}

fn work(core: &Core, call: &Call, number: u64) -> Answer {
    let now = core.clock.now();
    let answer = routes::answer(&mut core.state.lock().unwrap(), call, now);
    core.log.worked(number, answer.status);
    if call.method == "GET" {
        let mut last = core.last_answers.lock().unwrap();
        last.insert((call.path.clone(), call.query_text.clone()), answer.clone());
    }
    answer
}

/// Whether calls hang because MariaDB is down (R 376).
fn retries(state: &State) -> bool {
    state.database_down && !state.pooled_connection && state.installation.database == Database::MariaDb
}

/// The duration of the work without faults.
fn time_of(call: &Call, state: &State) -> Duration {
    match call.method.as_str() {
        "POST" | "DELETE" => state.installation.writes_take,
        _ => Duration::ZERO,
    }
}

/// A request that is held by a fault or by the database, or whose work takes time.
async fn held(core: &Core, (call, number): (&Call, u64), fault: Option<&Ordered>) -> (Answer, End) {
    let before = fault.filter(|ordered| !ordered.fault.after_work);
    if let Some(ordered) = before {
        ordered.hold().await;
        match &ordered.fault.end {
            End::AsEver => {}
            End::With(answer) => return (answer.clone(), End::AsEver),
            End::Stale => {
                let last = core.last_answers.lock().unwrap();
                if let Some(answer) = last.get(&(call.path.clone(), call.query_text.clone())) {
                    return (answer.clone(), End::AsEver);
                }
            }
            end => return (Answer::empty(500), end.clone()),
        }
    }
    wait_for_database(core, call).await;
    let takes = time_of(call, &core.state.lock().unwrap());
    tokio::time::sleep(takes).await;
    let disguised = fault.and_then(|ordered| ordered.fault.disguise.as_ref());
    let disguised = disguised.map(|(host, token)| call.clone().disguised(host, token.as_deref()));
    let answer = work(core, disguised.as_ref().unwrap_or(call), number);
    let Some(ordered) = fault.filter(|ordered| ordered.fault.after_work) else {
        return (answer, End::AsEver);
    };
    ordered.hold().await;
    match &ordered.fault.end {
        End::With(instead) => (instead.clone(), End::AsEver),
        End::Changed(change) => (change.of(answer, &core.clock), End::AsEver),
        end => (answer, end.clone()),
    }
}

/// Retries until the database is up or the retries are exhausted.
async fn wait_for_database(core: &Core, call: &Call) {
    let up = core.database_up.notified();
    tokio::pin!(up);
    up.as_mut().enable();
    let patience = {
        let state = core.state.lock().unwrap();
        let authorized = call.header("authorization").is_some() || call.header("cookie").is_some();
        (retries(&state) && authorized).then_some(state.installation.database_retries)
    };
    if let Some(patience) = patience {
        let _ = tokio::time::timeout(patience, up).await;
    }
}

fn response(core: &Core, answer: Answer, truncated: bool) -> Response<AnswerBody> {
    let mut builder = Response::builder().status(answer.status);
    if !answer.headers.iter().any(|(name, _)| name == "Date") {
        builder = builder.header("Date", core.clock.http_date());
    }
    builder = builder.header("Server", "simulated-portal");
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(AnswerBody::new(answer.body, truncated))
        .expect("headers that can be sent")
}

/// A body that may end in the middle.
struct AnswerBody {
    length: u64,
    rest: Option<Bytes>,
    truncated: Truncated,
}

#[derive(PartialEq, Eq)]
enum Truncated {
    No,
    Yes,
    /// What is to be sent has been handed over; it leaves before the connection breaks.
    Breaking,
}

impl AnswerBody {
    fn new(mut bytes: Bytes, truncated: bool) -> Self {
        let length = bytes.len() as u64;
        if truncated {
            bytes.truncate(bytes.len() / 2);
        }
        let rest = (!bytes.is_empty()).then_some(bytes);
        Self {
            length,
            rest,
            truncated: if truncated { Truncated::Yes } else { Truncated::No },
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = NoAnswer;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NoAnswer>>> {
        if let Some(rest) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        match self.truncated {
            Truncated::No => Poll::Ready(None),
            Truncated::Yes => {
                self.truncated = Truncated::Breaking;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Truncated::Breaking => Poll::Ready(Some(Err(NoAnswer))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.truncated == Truncated::No
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
