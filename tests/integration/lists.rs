//! What the operator keeps of objects and Secrets, and how it lists them: whoever may write them must not fill its memory,
//! whether the API server streams lists or not.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use harness::{DEADLINE, Operator, control_plane, wait_for};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use kube::{Client, api::PostParams};

use crate::world::{
    OPERATOR, Setup, World, condition,
    front::{Answer, forward, front, query},
};

/// Objects and Secrets with large labels.
const MANY: usize = 20;
/// More memory than without them, in KiB. As values they would take more than 100 MiB.
const LITTLE: u64 = 24 * 1024;

/// How an API server answers a wish for a streamed list.
#[derive(Clone, Copy, Debug)]
enum Streams {
    /// As this version of Kubernetes does.
    Yes,
    /// As one that has them switched off.
    Refused,
    /// As one that does not know them: it sends a watch.
    Ignored,
}

async fn answer(client: Client, streams: Streams, mut request: Request<Incoming>) -> Answer {
    let asked = query(&request);
    let wants_a_list = asked.iter().any(|(name, _)| name == "sendInitialEvents");
    match streams {
        Streams::Refused if wants_a_list => {
            let status = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"ListOptions is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled","reason":"Invalid","code":422}"#;
            let body = Full::from(status).map_err(|never| match never {});
            let mut refusal = Response::new(body.boxed_unsync());
            *refusal.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            return refusal;
        }
        Streams::Ignored if wants_a_list => {
            let known = asked
                .iter()
                .filter(|(name, _)| !["sendInitialEvents", "resourceVersionMatch"].contains(&name.as_str()));
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(known)
                .finish();
            let uri = format!("{}?{query}", request.uri().path());
            *request.uri_mut() = uri.parse().expect("a path");
        }
        _ => {}
    }
    forward(client, request).await
}

/// Reading and writing such objects takes the API server long where other tests run beside.
const LARGE_TAKE: Duration = Duration::from_secs(120);

/// 1.1 MB of labels.
fn labels() -> BTreeMap<String, String> {
    let value = "x".repeat(63);
    (0..15_000)
        .map(|n| (format!("label-{n}"), value.clone()))
        .collect()
}

/// The most memory that the operator has had resident, in KiB.
fn peak(operator: &Operator) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", operator.id())).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a line");
    line.trim_end_matches("kB").trim().parse().expect("a number")
}

/// Starts an operator that comes to know `nightly` and everything else.
async fn start(world: &World, kubeconfig: &Path) -> Operator {
    let operator = Operator::start(OPERATOR, kubeconfig, world.namespace.name(), &[]).await;
    let suspended = |object: &_| condition(object, "Suspended").is_some();
    wait_for(&world.schedules(), "nightly", DEADLINE, suspended).await;
    operator
}

#[tokio::test]
async fn large_labels_take_little_memory_however_lists_come() {
    let world = Setup::default().idle().await;
    let plane = control_plane();
    let mut nightly = world.nightly();
    nightly.spec.suspend = true;
    world.create(&nightly).await;
    let kubeconfig = plane
        .kubeconfig_of(
            &world.client,
            world.namespace.name(),
            crate::world::rights::ACCOUNT,
        )
        .await;
    let mut operator = start(&world, &kubeconfig).await;
    let without = peak(&operator);
    operator.stop().await;

    let (schedules, secrets) = (world.schedules(), world.namespace.secrets(&world.client));
    let labels = labels();
    let all = stream::iter(0..MANY).map(|n| {
        let mut object = nightly.clone();
        object.metadata.name = Some(format!("object-{n}"));
        object.metadata.labels = Some(labels.clone());
        let mut secret = harness::secret(&format!("secret-{n}"), &[]);
        secret.metadata.labels = Some(labels.clone());
        let (schedules, secrets) = (&schedules, &secrets);
        async move {
            schedules.create(&PostParams::default(), &object).await?;
            secrets.create(&PostParams::default(), &secret).await.map(drop)
        }
    });
    all.buffer_unordered(4)
        .try_collect::<()>()
        .await
        .expect("they are accepted");

    for streams in [Streams::Yes, Streams::Refused, Streams::Ignored] {
        let client = plane.client_of(&kubeconfig).await;
        let address = front(move |request| answer(client.clone(), streams, request)).await;
        let by_front = plane.kubeconfig_with(&kubeconfig, |cluster| {
            cluster.server = Some(format!("http://{address}"));
        });
        let mut operator = start(&world, &by_front).await;
        for n in 0..MANY {
            let name = format!("object-{n}");
            wait_for(&schedules, &name, LARGE_TAKE, |object| {
                condition(object, "Suspended").is_some()
            })
            .await;
        }
        let with = peak(&operator);
        assert!(
            with < without + LITTLE,
            "{streams:?}: {with} KiB, and {without} KiB without them"
        );
        operator.stop().await;
    }
}
