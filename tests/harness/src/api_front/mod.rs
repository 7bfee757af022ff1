//! A server in front of the Kubernetes API through which one operator goes: it knows each of the operator's requests,
//! and lets one kind of them fail.

mod answer;
mod call;
mod fault;
mod lease;
mod serve;
mod stream;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Bytes;
use kube::{
    Client, Config,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinHandle,
};

pub use self::{call::KubeCall, fault::KubeFault};
use self::{fault::Order, serve::serve};
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

    /// Whether the API server has carried out such a request.
    pub fn has_done(&self, call: KubeCall) -> bool {
        let asked = self.shared.asked.lock().expect("nobody panicked");
        asked
            .iter()
            .any(|asked| asked.call == call && asked.status == Some(200))
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
