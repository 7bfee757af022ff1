//! The watches of objects and Secrets, in one namespace or in all.

use std::{
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use futures::{Stream, StreamExt, TryStreamExt, future::ready};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource, ResourceExt,
    core::error_boundary::InvalidObject,
    runtime::{WatchStreamExt, reflector::store::Writer, utils::Backoff, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::{
    controller::{
        changes::{Lists, changes},
        context::Context,
        index::Listing,
        metrics::{KubeOperation, code},
        watched::{Guarded, Slim},
    },
    error::chain,
    lease::Leadership,
    telemetry::{Health, Watch},
};

fn api<K>(client: &Client, scope: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    match scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

pub fn objects_of(scope: Option<&str>) -> Watch {
    Watch {
        kind: "DocSpaceBackupSchedules",
        namespace: scope.map(ToOwned::to_owned),
    }
}

pub fn secrets_of(scope: Option<&str>) -> Watch {
    Watch {
        kind: "Secrets",
        namespace: scope.map(ToOwned::to_owned),
    }
}

/// Growing pauses before a failed watch is repeated, up to half a minute. They begin anew after two minutes without a
/// failure only: a watch says that it begins before it lists, which is no success.
#[derive(Default)]
struct Pauses(watcher::DefaultBackoff);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next()
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {}
}

/// A watch of objects with these labels that lists again when this process begins to lead, then notifies `listed`: during
/// standby it may have hung or lagged behind the last leader's writes.
pub fn watch_for_a_leader<K>(
    client: &Client,
    scope: Option<&str>,
    (leadership, lists): (&Leadership, &Lists),
    labels: Option<String>,
    listed: Option<watch::Sender<bool>>,
) -> impl Stream<Item = watcher::Result<Event<K>>> + use<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let api: Api<K> = api(client, scope);
    let lists = lists.clone();
    let watch = move || changes(api.clone(), lists.clone(), labels.clone()).backoff(Pauses::default());
    let leadership = leadership.clone();
    let anew = watch().inspect_ok(move |event| {
        // A waiter finds the complete list in the store, because the store is filled before the waiter runs.
        if let (Event::InitDone, Some(listed)) = (event, &listed) {
            listed.send_replace(true);
        }
    });
    watch()
        .take_until(Box::pin(async move { leadership.begins().await }))
        .chain(anew)
}

/// Logs a failure, as a warning once: a watch is repeated for as long as it fails.
fn tell_failing(health: &Health, watch: &Watch, error: &watcher::Error) {
    let (kind, namespace, error_text) = (watch.kind, watch.namespace.as_deref(), chain(error));
    if health.failing(watch, &code(error), Timestamp::now()) {
        tracing::warn!(
            kind,
            namespace,
            error = error_text,
            "watch failed; the operator repeats it"
        );
    } else {
        tracing::debug!(kind, namespace, error = error_text, "watch failed again");
    }
}

/// An object that the index could not take in counts as one that cannot be parsed: a fault at one object is no fault at
/// others.
fn guard(object: &mut Guarded) {
    if catch_unwind(AssertUnwindSafe(|| Listing::of(object))).is_err() {
        let metadata = object.meta().clone();
        let error = "it meets a fault of the operator".into();
        object.object = Err(InvalidObject { error, metadata });
    }
}

/// Watches the objects of a namespace, updates the index, and wakes objects that shared a slot with a deleted one.
pub fn watch_objects<S: Stream<Item = watcher::Result<Event<Guarded>>>>(
    objects: S,
    scope: Option<&str>,
    writer: Writer<Guarded>,
    context: Arc<Context>,
    health: Arc<Health>,
) -> impl Stream<Item = watcher::Result<Guarded>> + use<S> {
    let watch = objects_of(scope);
    let (failing, metrics) = ((watch.clone(), health.clone()), context.metrics.clone());
    let works = failing.clone();
    objects
        .modify(guard)
        .reflect(writer)
        .inspect_ok(move |event| {
            if !matches!(event, Event::Init) {
                works.1.works(&works.0);
            }
        })
        .inspect_ok(move |event| match event {
            Event::Apply(object) | Event::InitApply(object) => context.file(object),
            Event::Delete(object) => context.forget(object),
            Event::InitDone => {
                health.listed(&watch);
                context.relisted(watch.namespace.as_deref());
            }
            Event::Init => {}
        })
        .inspect_err(move |error| {
            let (watch, health) = &failing;
            metrics.refused(KubeOperation::WatchObjects, error);
            tell_failing(health, watch, error);
        })
        .applied_objects()
}

/// Watches the Secrets of a namespace, by name and version only, and wakes objects that name a changed one.
pub async fn watch_secrets(
    secrets: impl Stream<Item = watcher::Result<Event<Slim<Secret>>>>,
    scope: Option<&str>,
    writer: Writer<Slim<Secret>>,
    context: Arc<Context>,
    health: &Health,
) {
    let watch = secrets_of(scope);
    secrets
        .modify(|secret| secret.metadata.finalizers = None)
        .reflect(writer)
        .inspect_ok(|event| match event {
            // Changes from before this list become known only now.
            Event::InitDone => {
                health.listed(&watch);
                context.wake_all(scope);
            }
            // Before the request.
            Event::Init => {}
            _ => health.works(&watch),
        })
        .touched_objects()
        .for_each(|secret| {
            match secret {
                Ok(secret) => {
                    let namespace = secret.namespace().unwrap_or_default();
                    context.wake(context.index.naming_secret(&namespace, &secret.name_any()));
                }
                Err(error) => {
                    context.metrics.refused(KubeOperation::WatchSecrets, &error);
                    tell_failing(health, &watch, &error);
                }
            }
            ready(())
        })
        .await;
}
