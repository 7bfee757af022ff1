//! A server in front of the Kubernetes API through which one operator goes: it knows each of the operator's requests,
//! and lets one kind of them fail.

mod answer;
mod call;
mod fault;
mod lease;
mod stream;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use http::{Response, header};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::{
    Client, Config,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use simulated_portal::Socket;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
    time::sleep,
};

use self::{
    answer::{cut_off, refusal, whole},
    fault::{Order, SLOW},
    stream::Lines,
};
pub use self::{call::KubeCall, fault::KubeFault};
use crate::ControlPlane;

/// The body of an answer, which may break off.
type Body = UnsyncBoxBody<Bytes, Broken>;
type Answer = Response<Body>;

/// The connection ends before the answer does.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection ends before the answer does")
    }
}

impl std::error::Error for Broken {}

/// A fault that was ordered.
#[derive(Clone, Debug)]
pub struct KubeFaultId(Arc<Order>);

impl KubeFaultId {
    /// How many requests and open answers it has met.
    pub fn hits(&self) -> u64 {
        self.0.hits()
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its kind.
    pub call: KubeCall,
    /// When it came.
    pub at: Instant,
    /// Whether the API server has carried it out; if it has, the answer's status.
    pub status: Option<u16>,
}

/// The server. It ends when this is dropped.
pub struct ApiFront {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepts: JoinHandle<()>,
}

struct Shared {
    /// Without a user of its own: each request has its caller's.
    behind: Client,
    faults: watch::Sender<Vec<Arc<Order>>>,
    /// These are not ended.
    always: Mutex<Vec<Arc<Order>>>,
    asked: Mutex<Vec<Request>>,
    /// Requests of no known kind.
    unknown: Mutex<Vec<String>>,
    changed: Notify,
    hook: Mutex<Option<Hook>>,
}

/// Waits for one of the writes.
struct Hook {
    /// Writes until then.
    left: usize,
    after_effect: bool,
    reached: Arc<AtomicBool>,
}

impl ApiFront {
    /// In front of this API.
    pub async fn of(plane: &ControlPlane) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            behind: client_of_nobody(plane).await,
            faults: watch::Sender::default(),
            always: Mutex::default(),
            asked: Mutex::default(),
            unknown: Mutex::default(),
            changed: Notify::new(),
            hook: Mutex::default(),
        });
        let serving = shared.clone();
        let accepts = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.expect("connections are accepted");
                tokio::spawn(serve(near, serving.clone()));
            }
        });
        Self {
            address,
            shared,
            accepts,
        }
    }

    /// This kubeconfig with the address of this server.
    pub fn kubeconfig(&self, plane: &ControlPlane, kubeconfig: &Path) -> PathBuf {
        plane.kubeconfig_with(kubeconfig, |cluster| {
            cluster.server = Some(format!("http://{}", self.address));
            cluster.certificate_authority_data = None;
            cluster.certificate_authority = None;
        })
    }

    /// From now on, requests of this kind fail like this, and so do open answers.
    pub fn order(&self, call: KubeCall, fault: KubeFault) -> KubeFaultId {
        let order = Arc::new(Order::new(call, fault));
        self.shared
            .faults
            .send_modify(|faults| faults.push(order.clone()));
        KubeFaultId(order)
    }

    /// Requests of this kind always fail like this, where no other fault is ordered for them.
    pub fn always(&self, call: KubeCall, fault: KubeFault) {
        let mut always = self.shared.always.lock().expect("nobody panicked");
        always.push(Arc::new(Order::new(call, fault)));
    }

    /// Ends all faults that were ordered.
    pub fn end_faults(&self) {
        for order in self.shared.faults.send_replace(Vec::new()) {
            order.end();
        }
    }

    /// The requests until now, in the order of their arrival.
    pub fn asked(&self) -> Vec<Request> {
        self.shared.asked.lock().expect("nobody panicked").clone()
    }

    /// Requests that are of no known kind.
    pub fn unknown(&self) -> Vec<String> {
        self.shared.unknown.lock().expect("nobody panicked").clone()
    }

    /// Waits until the next request has come or ended.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// The write after this many others gets no answer: it is held before or after its effect. The flag tells that it has
    /// come so far.
    pub fn hold_write(&self, after: usize, after_effect: bool) -> Arc<AtomicBool> {
        let reached = Arc::<AtomicBool>::default();
        let hook = Hook {
            left: after,
            after_effect,
            reached: reached.clone(),
        };
        *self.shared.hook.lock().expect("nobody panicked") = Some(hook);
        reached
    }
}

impl Drop for ApiFront {
    fn drop(&mut self) {
        self.end_faults();
        self.accepts.abort();
    }
}

async fn client_of_nobody(plane: &ControlPlane) -> Client {
    let mut kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).expect("the kubeconfig is readable");
    for user in &mut kubeconfig.auth_infos {
        user.auth_info = Some(AuthInfo::default());
    }
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("the kubeconfig is complete");
    config.default_retry = false;
    Client::try_from(config).expect("a client of the control plane")
}

async fn serve(near: TcpStream, shared: Arc<Shared>) {
    let _ = near.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket::new(near, reset.clone());
    let answer = service_fn(|request| {
        let (shared, reset) = (shared.clone(), reset.clone());
        async move {
            let answer = shared.respond(request).await;
            if answer.is_err() {
                reset.store(true, Ordering::Relaxed);
            }
            answer
        }
    });
    // It ends early because of a fault, or of the caller.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(socket), answer)
        .await;
}

impl Shared {
    async fn respond(self: Arc<Self>, request: http::Request<Incoming>) -> Result<Answer, Broken> {
        let (head, body) = request.into_parts();
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let call = KubeCall::of(&head.method, path, query);
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let request = http::Request::from_parts(head, body);
        let Some(call) = call else {
            let line = format!("{} {}", request.method(), request.uri());
            self.unknown.lock().expect("nobody panicked").push(line);
            return self.forward(request).await.map(whole);
        };
        let number = self.began(call);
        let order = self.order_of(call);
        if let Some(order) = order.as_ref().filter(|order| !order.fault.is_of_changes()) {
            order.hit();
        }
        let fault = order.as_ref().map(|order| order.fault);
        match (fault, order) {
            (Some(KubeFault::Answer(status)), _) => Ok(refusal(status)),
            (Some(KubeFault::ResetBefore), _) => Err(Broken),
            (Some(KubeFault::BlackHole), Some(order)) => {
                order.ended().await;
                Err(Broken)
            }
            (Some(KubeFault::Late), Some(order)) => {
                // Also after the caller has left.
                let late = tokio::spawn(async move {
                    order.ended().await;
                    self.carry_out(number, call, request).await
                });
                late.await.map_err(|_| Broken)?
            }
            (Some(KubeFault::ResetAfter), _) => {
                self.carry_out(number, call, request).await?;
                Err(Broken)
            }
            (Some(KubeFault::CutOff), _) => {
                let answer = self.carry_out(number, call, request).await?;
                Ok(cut_off(answer).await)
            }
            (Some(KubeFault::Slow), _) => {
                sleep(SLOW).await;
                self.carry_out(number, call, request).await
            }
            (Some(fault @ (KubeFault::ClockAhead(_) | KubeFault::ClockStopped)), _) => {
                let (head, body) = request.into_parts();
                let request = http::Request::from_parts(head, lease::with_other_times(&body, fault));
                self.carry_out(number, call, request).await
            }
            _ => self.carry_out(number, call, request).await,
        }
    }

    fn order_of(&self, call: KubeCall) -> Option<Arc<Order>> {
        let faults = self.faults.borrow();
        let always = self.always.lock().expect("nobody panicked");
        let mut all = faults.iter().chain(&*always);
        all.find(|order| order.call == call).cloned()
    }

    fn began(&self, call: KubeCall) -> usize {
        let mut asked = self.asked.lock().expect("nobody panicked");
        asked.push(Request {
            call,
            at: Instant::now(),
            status: None,
        });
        let number = asked.len() - 1;
        drop(asked);
        self.changed.notify_waiters();
        number
    }

    /// The answer of the API server.
    async fn carry_out(
        self: Arc<Self>,
        number: usize,
        call: KubeCall,
        request: http::Request<Bytes>,
    ) -> Result<Answer, Broken> {
        let hook = self.hook(call);
        if let Some(hook) = hook.as_ref().filter(|hook| !hook.after_effect) {
            hook.reached.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        // Also if the caller leaves meanwhile, as a server does.
        let (behind, this) = (self.clone(), self.clone());
        let answer = tokio::spawn(async move { behind.forward(request).await });
        let answer = answer.await.map_err(|_| Broken)??;
        let status = answer.status().as_u16();
        self.asked.lock().expect("nobody panicked")[number].status = Some(status);
        self.changed.notify_waiters();
        if let Some(hook) = hook {
            hook.reached.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        if call.is_stream() && answer.status().is_success() {
            return Ok(answer.map(|body| Lines::of(body, call, this.faults.subscribe()).into_body()));
        }
        Ok(whole(answer))
    }

    /// The hook, if this is the write that it waits for.
    fn hook(&self, call: KubeCall) -> Option<Hook> {
        let mut waiting = self.hook.lock().expect("nobody panicked");
        let hook = waiting.as_mut().filter(|_| call.is_write())?;
        match hook.left.checked_sub(1) {
            Some(left) => {
                hook.left = left;
                None
            }
            None => waiting.take(),
        }
    }

    async fn forward(&self, request: http::Request<Bytes>) -> Result<Response<kube::client::Body>, Broken> {
        let (mut head, body) = request.into_parts();
        head.headers.remove(header::HOST);
        let request = http::Request::from_parts(head, kube::client::Body::from(body.to_vec()));
        self.behind.send(request).await.map_err(|_| Broken)
    }
}
