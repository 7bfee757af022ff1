//! The watches of objects and Secrets, in one namespace or in all.

use std::{collections::HashSet, fmt::Debug, pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource,
    runtime::{WatchStreamExt, utils::Backoff, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::{
    controller::{
        changes::{Lists, changes},
        context::Context,
        index::Source,
        key::Key,
        metrics::{KubeOperation, Metrics, code},
        watched::{Raw, Slim},
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
        // Before the end of the list is taken in, which wakes all objects.
        if let (Event::InitDone, Some(listed)) = (event, &listed) {
            listed.send_replace(true);
        }
    });
    watch()
        .take_until(Box::pin(async move { leadership.begins().await }))
        .chain(anew)
}

/// Counts and logs a failure, as a warning once: a watch is repeated for as long as it fails.
fn tell_failing(
    metrics: &Metrics,
    operation: KubeOperation,
    (health, watch): (&Health, &Watch),
    error: &watcher::Error,
) {
    metrics.refused(operation, error);
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

/// Watches the objects of a namespace, updates the index, and wakes what an event concerns.
pub async fn watch_objects(
    objects: impl Stream<Item = watcher::Result<Event<Raw>>>,
    scope: Option<&str>,
    context: Arc<Context>,
    health: &Health,
) {
    let watch = objects_of(scope);
    let mut objects = pin!(objects);
    let mut listed = HashSet::new();
    while let Some(event) = objects.next().await {
        match event {
            // Before the request.
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::Apply(object)) => {
                if let (key, true) = context.file(object, Source::Watch) {
                    context.wake(vec![key]);
                }
            }
            Ok(Event::InitApply(object)) => {
                listed.insert(context.file(object, Source::Watch).0);
            }
            Ok(Event::Delete(object)) => context.forget(&object),
            Ok(Event::InitDone) => {
                health.listed(&watch);
                context.relisted(scope, &std::mem::take(&mut listed));
            }
            Err(error) => {
                tell_failing(
                    &context.metrics,
                    KubeOperation::WatchObjects,
                    (health, &watch),
                    &error,
                );
                continue;
            }
        }
        health.works(&watch);
    }
}

/// Watches the Secrets of a namespace, by name and version only, and wakes objects that name a changed one.
pub async fn watch_secrets(
    secrets: impl Stream<Item = watcher::Result<Event<Slim<Secret>>>>,
    scope: Option<&str>,
    context: Arc<Context>,
    health: &Health,
) {
    let watch = secrets_of(scope);
    let mut secrets = pin!(secrets);
    let mut listed = HashSet::new();
    while let Some(event) = secrets.next().await {
        let changed = match event {
            // Before the request.
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::Apply(secret)) => context.secrets.set(&secret),
            Ok(Event::InitApply(secret)) => {
                let secret = context.secrets.set(&secret);
                listed.insert(secret.clone());
                secret
            }
            Ok(Event::Delete(secret)) => {
                let secret = Key::of(&secret);
                context.secrets.remove(&secret);
                secret
            }
            Ok(Event::InitDone) => {
                health.listed(&watch);
                context.secrets.retain(scope, &std::mem::take(&mut listed));
                // Changes from before this list become known only now.
                context.wake_all(scope);
                continue;
            }
            Err(error) => {
                tell_failing(
                    &context.metrics,
                    KubeOperation::WatchSecrets,
                    (health, &watch),
                    &error,
                );
                continue;
            }
        };
        health.works(&watch);
        context.wake(context.index.naming_secret(&changed));
    }
}
