//! A panic in a reconcile is the failure of its object.

use std::{
    convert::Infallible,
    sync::Mutex,
    task::{Context as Task, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use kube::{Client, client::Body};
use prometheus_client::{encoding::text, registry::Registry};
use serde_json::{Value, json};
use tokio::sync::{mpsc::unbounded_channel, watch};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::*;
use crate::{
    controller::{OriginPolicy, Requests, Settings, context::Begin, index::Source, metrics::Metrics},
    portal::{Options, Portals},
};

/// What a Secret or an answer may hold.
const SECRET: &str = "sk-a-secret";

/// Kubernetes with the objects `nightly` and `suspended`. Reading a Secret panics.
#[derive(Clone, Default)]
struct Kubernetes(Arc<Mutex<Vec<(Method, String, Value)>>>);

impl Kubernetes {
    /// The bodies of such requests.
    fn sent(&self, method: &Method, path: &str) -> Vec<Value> {
        let sent = self.0.lock().expect("no panic");
        let such = sent
            .iter()
            .filter(|(used, to, _)| used == method && to.ends_with(path));
        such.map(|(_, _, body)| body.clone()).collect()
    }
}

impl Service<Request<Body>> for Kubernetes {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let kubernetes = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let path = head.uri.path().to_owned();
            assert!(!path.contains("/secrets/"), "{SECRET}");
            let body = body.collect().await.expect("a body").to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let sent = (head.method.clone(), path.clone(), body);
            kubernetes.0.lock().expect("no panic").push(sent);
            let answer = match (head.method, path.as_str()) {
                (Method::POST, _) => json!({}),
                (_, path) if path.contains("suspended") => object("suspended", true),
                _ => object("nightly", false),
            };
            Ok(Response::new(Full::from(answer.to_string())))
        })
    }
}

fn object(name: &str, suspend: bool) -> Value {
    json!({
        "apiVersion": "docspace.onlyoffice.com/v1alpha1", "kind": "DocSpaceBackupSchedule",
        "metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1", "generation": 1},
        "spec": {
            "portal": {"url": "https://docs.example.com", "apiKeySecretRef": {"name": "key"}},
            "storageType": "DataStore", "cronParams": {"period": "EveryDay", "hour": 3}, "backupsStored": 7,
            "suspend": suspend,
        },
    })
}

fn context(kubernetes: &Kubernetes, objects: [Guarded; 2]) -> Arc<Context> {
    let kubernetes = kubernetes.clone();
    let requests = Requests::new(move || Ok(Client::new(kubernetes.clone(), "ns")));
    let context = Context::from(Begin {
        requests: requests.expect("a client"),
        settings: Settings {
            interval: Duration::from_secs(900),
            origins: OriginPolicy::default(),
            selector: Default::default(),
        },
        portals: Portals::new(Options::default()).expect("portals"),
        metrics: Metrics::default(),
        wakes: unbounded_channel().0,
        listed: Default::default(),
        filled: watch::channel(true).1,
        stop: CancellationToken::new(),
    });
    for object in objects {
        context.index.file(object, Source::Watch);
    }
    Arc::new(context)
}

#[tokio::test]
async fn a_panic_is_the_failure_of_its_object_and_is_told() {
    let read = |name, suspend| serde_json::from_str(&object(name, suspend).to_string()).expect("an object");
    let (nightly, suspended) = (Key::new("ns", "nightly"), Key::new("ns", "suspended"));
    let kubernetes = Kubernetes::default();
    let context = context(&kubernetes, [read("nightly", false), read("suspended", true)]);
    let mut pauses = Vec::new();
    // Thousands of reconciles may be queued.
    let size = size_of_val(&reconcile(nightly.clone(), context.clone()));
    assert!(size < 512, "{size} bytes");
    for _ in 0..4 {
        let Next::After(pause) = reconcile(nightly.clone(), context.clone()).await else {
            panic!("it is not retried");
        };
        pauses.push(pause.as_secs());
    }
    assert!(pauses[3] >= 20 && pauses[0] <= 5, "{pauses:?}");

    let patches = kubernetes.sent(&Method::PATCH, "/nightly/status");
    let (patches, events) = (json!(patches), json!(kubernetes.sent(&Method::POST, "/events")));
    assert!(
        patches[0].to_string().contains(r#""reason":"OperatorFault""#),
        "{patches}"
    );
    assert_eq!(
        (&events[0]["reason"], &events[0]["type"]),
        (&json!("OperatorFault"), &json!("Warning"))
    );
    assert!(!format!("{patches} {events}").contains(SECRET));

    // Others go on.
    reconcile(suspended, context.clone()).await;
    let told = json!(kubernetes.sent(&Method::PATCH, "/suspended/status"));
    assert!(told.to_string().contains(r#""type":"Suspended""#), "{told}");
    let (mut registry, mut metrics) = (Registry::default(), String::new());
    context.metrics.register(&mut registry);
    text::encode(&mut metrics, &registry).expect("text");
    for count in [r#"{result="Panicked"} 4"#, r#"{result="Suspended"} 1"#] {
        assert!(metrics.contains(count), "{metrics}");
    }
}
