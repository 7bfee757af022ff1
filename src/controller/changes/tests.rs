//! Against an API server of a few lines.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::{Pin, pin},
    sync::Mutex,
    task::{Context, Poll},
};

use futures::{
    FutureExt,
    future::{BoxFuture, ready},
    stream,
};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use k8s_openapi::api::core::v1::Secret;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::Service;

use super::*;
use crate::controller::watched::Slim;

type Query = BTreeMap<String, String>;

/// An answer: its HTTP status, its lines, and whether it then ends.
struct Answer(u16, Vec<Value>, bool);

/// Answers the requests in turn, and keeps their queries.
#[derive(Clone)]
struct Server {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Query>>>,
}

impl Server {
    fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            asked: Arc::default(),
        }
    }

    fn api(&self) -> Api<Slim<Secret>> {
        Api::namespaced(Client::new(self.clone(), "ns"), "ns")
    }

    /// Of each request, whether it was for a streamed list, a page or a watch.
    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("no panic");
        let kind = |query: &Query| match (query.get("limit"), query.get("sendInitialEvents")) {
            (Some(limit), _) => format!("{limit} after {:?}", query.get("continue")),
            (None, Some(_)) => format!("list from {:?}", query["resourceVersion"]),
            (None, None) => format!("watch from {}", query["resourceVersion"]),
        };
        asked.iter().map(kind).collect()
    }
}

impl Service<http::Request<Body>> for Server {
    type Response = http::Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let query = request.uri().query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        self.asked.lock().expect("no panic").push(query);
        let next = self.answers.lock().expect("no panic").pop_front();
        let Answer(status, lines, ends) = next.unwrap_or(Answer(200, Vec::new(), false));
        let lines = lines
            .into_iter()
            .map(|line| Ok(Frame::data(Bytes::from(format!("{line}\n")))));
        let lines = stream::iter(lines);
        let body = match ends {
            true => StreamBody::new(lines).boxed_unsync(),
            false => StreamBody::new(lines.chain(stream::pending())).boxed_unsync(),
        };
        let answer = http::Response::builder().status(status).body(body);
        ready(Ok(answer.expect("an answer"))).boxed()
    }
}

fn secret(name: &str, version: u32) -> Value {
    let labels = json!({"any": "label"});
    json!({"metadata": {"name": name, "namespace": "ns", "resourceVersion": version.to_string(), "labels": labels}})
}

fn event(kind: &str, object: Value) -> Value {
    // In the order of the API server.
    let text = format!(r#"{{"type":"{kind}","object":{object}}}"#);
    serde_json::from_str(&text).expect("JSON")
}

fn end(version: u32) -> Value {
    let metadata = json!({"resourceVersion": version.to_string(), "annotations": {END_OF_LIST: "true"}});
    event(
        "BOOKMARK",
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}),
    )
}

fn streamed_list(names: &[&str], version: u32) -> Answer {
    let added = names.iter().map(|name| event("ADDED", secret(name, 1)));
    Answer(200, added.chain([end(version)]).collect(), false)
}

fn page(names: &[&str], version: u32, next: Option<&str>) -> Answer {
    let items: Vec<_> = names.iter().map(|name| secret(name, 1)).collect();
    let metadata = json!({"resourceVersion": version.to_string(), "continue": next});
    Answer(200, vec![json!({"metadata": metadata, "items": items})], true)
}

fn status(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "x", "message": "x", "code": code})
}

/// The next events, with an error as its text.
async fn next<const N: usize>(
    changes: &mut (impl Stream<Item = Result<Event<Slim<Secret>>>> + Unpin),
) -> [String; N] {
    let mut events = [const { String::new() }; N];
    for text in &mut events {
        *text = match changes.next().await.expect("it has no end") {
            Ok(event) => event.to_string(),
            Err(error) => error.to_string(),
        };
    }
    events
}

#[tokio::test]
async fn a_list_is_streamed_and_then_watched_from_its_end() {
    let changed = vec![
        event("MODIFIED", secret("a", 8)),
        event("DELETED", secret("b", 9)),
    ];
    let server = Server::of([
        streamed_list(&["a", "b"], 7),
        Answer(200, changed, true),
        Answer(200, vec![event("ERROR", status(410))], false),
        streamed_list(&["a"], 12),
    ]);
    let mut changes = pin!(changes(server.api(), Lists::default(), None));
    let listed = ["Init", "InitApply(a)", "InitApply(b)", "InitDone"];
    assert_eq!(next(&mut changes).await, listed);
    assert_eq!(next(&mut changes).await, ["Apply(a)", "Delete(b)"]);
    // The version is too old.
    assert_eq!(
        next(&mut changes).await,
        ["error returned by apiserver during watch: x: x"]
    );
    assert_eq!(next(&mut changes).await, ["Init", "InitApply(a)", "InitDone"]);
    // As recent as the request, whatever is in the cache of the API server.
    let asked = ["list from \"\"", "watch from 7", "watch from 9", "list from \"\""];
    assert_eq!(server.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_because_of_its_version_is_followed_by_a_list() {
    let server = Server::of([
        streamed_list(&["a"], 7),
        Answer(500, vec![status(500)], true),
        Answer(410, vec![status(410)], true),
        streamed_list(&["b"], 12),
    ]);
    let mut changes = pin!(changes(server.api(), Lists::default(), None));
    assert_eq!(next(&mut changes).await, ["Init", "InitApply(a)", "InitDone"]);
    for _ in 0..2 {
        let [error] = next(&mut changes).await;
        assert!(error.starts_with("failed to start watching object"), "{error}");
    }
    assert_eq!(next(&mut changes).await, ["Init", "InitApply(b)", "InitDone"]);
    let asked = ["list from \"\"", "watch from 7", "watch from 7", "list from \"\""];
    assert_eq!(server.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_refuses_to_stream_is_asked_for_pages() {
    let server = Server::of([
        Answer(422, vec![status(422)], true),
        page(&["a", "b"], 7, Some("more")),
        page(&[], 7, Some("still more")),
        page(&["c"], 7, None),
    ]);
    let lists = Lists::default();
    let mut one = pin!(changes(server.api(), lists.clone(), None));
    let listed = ["Init", "InitApply(a)", "InitApply(b)", "InitApply(c)", "InitDone"];
    assert_eq!(next(&mut one).await, listed);
    let pages = [
        "list from \"\"",
        "2 after None",
        "2 after Some(\"more\")",
        "2 after Some(\"still more\")",
    ];
    assert_eq!(server.asked(), pages);
    // Others need not try, for a while.
    let server = Server::of([page(&[], 7, None)]);
    let mut other = pin!(changes(server.api(), lists.clone(), None));
    assert_eq!(next(&mut other).await, ["Init", "InitDone"]);
    assert_eq!(server.asked(), ["2 after None"]);
    tokio::time::advance(PAGES_FOR).await;
    let server = Server::of([streamed_list(&[], 7)]);
    let mut later = pin!(changes(server.api(), lists, None));
    assert_eq!(next(&mut later).await, ["Init", "InitDone"]);
    assert_eq!(server.asked(), ["list from \"\""]);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_ignores_the_wish_for_a_list_is_asked_for_pages() {
    for ends in [false, true] {
        let added = vec![event("ADDED", secret("a", 1))];
        let server = Server::of([Answer(200, added, ends), page(&["b"], 7, None)]);
        let began = Instant::now();
        let mut changes = pin!(changes(server.api(), Lists::default(), None));
        let events = ["Init", "InitApply(a)", "Init", "InitApply(b)", "InitDone"];
        assert_eq!(next(&mut changes).await, events);
        assert_eq!(began.elapsed(), if ends { Duration::ZERO } else { NEXT_TAKES });
    }
}

#[tokio::test]
async fn a_list_that_fails_is_an_error_and_is_tried_again() {
    let server = Server::of([
        Answer(403, vec![status(403)], true),
        Answer(
            200,
            vec![event("ADDED", secret("a", 1)), event("ERROR", status(500))],
            false,
        ),
        streamed_list(&["a"], 7),
    ]);
    let mut changes = pin!(changes(server.api(), Lists::default(), None));
    let [failed] = next(&mut changes).await;
    assert!(
        failed.starts_with("failed to perform initial object list"),
        "{failed}"
    );
    let cut = [
        "Init",
        "InitApply(a)",
        "error returned by apiserver during watch: x: x",
    ];
    assert_eq!(next(&mut changes).await, cut);
    assert_eq!(next(&mut changes).await, ["Init", "InitApply(a)", "InitDone"]);
}

#[tokio::test(start_paused = true)]
async fn one_list_runs_at_a_time() {
    let lists = Lists::default();
    let begin = |server: &Server| {
        let changes: Pin<Box<dyn Stream<Item = _>>> = Box::pin(changes(server.api(), lists.clone(), None));
        changes
    };
    let unfinished = Server::of((0..9).map(|_| Answer(200, vec![event("ADDED", secret("a", 1))], false)));
    let mut running: Vec<_> = (0..LISTS).map(|_| begin(&unfinished)).collect();
    for changes in &mut running {
        assert_eq!(next(changes).await, ["Init"]);
    }
    let other = Server::of([streamed_list(&[], 7)]);
    let mut waiting = begin(&other);
    assert!(waiting.next().now_or_never().is_none());
    assert!(other.asked().is_empty());
    drop(running.pop());
    assert_eq!(next(&mut waiting).await, ["Init", "InitDone"]);
    // Its watch holds up nobody.
    let mut another = begin(&Server::of([streamed_list(&[], 7)]));
    assert_eq!(next(&mut another).await, ["Init", "InitDone"]);
}

#[tokio::test]
async fn a_list_in_either_form_and_the_watch_ask_for_the_labels() {
    let server = Server::of([
        Answer(422, vec![status(422)], true),
        page(&["a"], 7, Some("more")),
        page(&["b"], 7, None),
        Answer(200, vec![event("ADDED", secret("c", 8))], false),
    ]);
    let labels = "shard in (a,b)";
    let mut changes = pin!(changes(server.api(), Lists::default(), Some(labels.into())));
    let events = ["Init", "InitApply(a)", "InitApply(b)", "InitDone", "Apply(c)"];
    assert_eq!(next(&mut changes).await, events);
    let asked = server.asked.lock().expect("no panic").clone();
    assert_eq!(asked.len(), 4);
    assert!(
        asked.iter().all(|query| query["labelSelector"] == labels),
        "{asked:?}"
    );
}
