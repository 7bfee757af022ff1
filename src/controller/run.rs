//! The watches that feed the controllers: one controller for each namespace, or one for all, and one view of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{
    StreamExt, TryStreamExt,
    channel::mpsc,
    future::{join_all, ready},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        controller::{self, Controller},
        reflector,
        reflector::store::Writer,
        watcher,
        watcher::Event,
    },
};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Context, PLACES, Settings, chain, error_policy,
    objects::{Guarded, Key, Objects},
    observe::crd_offers_create,
    reconcile,
};
use crate::portal::Portals;

/// The key of the one controller that watches all namespaces.
pub(super) const ALL_NAMESPACES: &str = "";
/// The CRD may be applied this much later than the operator.
const CRD_PATIENCE: Duration = Duration::from_secs(60);

/// Which namespaces are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All of them.
    All,
    /// These.
    These(Vec<String>),
}

/// Why the operator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The API server did not answer.
    #[error("cannot ask the Kubernetes API for its resources")]
    Kubernetes(#[from] kube::Error),
    /// The CRD is not there.
    #[error(
        "the cluster does not know DocSpaceBackupSchedule (docspace.onlyoffice.com/v1alpha1) after {} s of waiting; \
         apply the CRD first: docspace-backup-operator crd | kubectl apply -f -",
        CRD_PATIENCE.as_secs()
    )]
    NoCrd,
}

/// Runs the controllers until `stop` is cancelled and what was under way has ended.
///
/// # Errors
/// There is no cluster, or no CRD in it.
pub async fn run(
    client: Client,
    namespaces: &Namespaces,
    settings: Settings,
    portals: Portals,
    stop: CancellationToken,
) -> Result<(), StartError> {
    if stop
        .run_until_cancelled(crd(&client))
        .await
        .transpose()?
        .is_none()
    {
        return Ok(());
    }
    let scopes: Vec<&str> = match namespaces {
        Namespaces::All => vec![ALL_NAMESPACES],
        Namespaces::These(names) => names.iter().map(String::as_str).collect(),
    };
    let (stores, writers): (Vec<_>, Vec<_>) = scopes.iter().map(|_| reflector::store::<Guarded>()).unzip();
    let (secrets, secret_writers): (Vec<_>, Vec<_>) = scopes
        .iter()
        .map(|_| reflector::store::<PartialObjectMeta<Secret>>())
        .unzip();
    let (nudges, nudged): (Vec<_>, Vec<_>) = scopes.iter().map(|_| mpsc::unbounded::<Key>()).unzip();
    let (fill, filled) = watch::channel(false);
    let context = Arc::new(Context {
        client: client.clone(),
        settings,
        portals,
        objects: Objects::new(stores.clone()),
        secrets: secrets.clone(),
        memories: Default::default(),
        nudges: scopes
            .iter()
            .map(ToString::to_string)
            .zip(nudges)
            .collect::<HashMap<_, _>>(),
        nudged: Default::default(),
        places: Semaphore::new(PLACES),
        filled,
        stop: stop.clone(),
    });

    let controllers = scopes.iter().zip(stores.iter().zip(writers)).zip(nudged).map(
        |((scope, (store, writer)), nudged)| {
            let objects = watch_objects(api(&client, scope), writer, context.clone());
            Controller::for_stream(objects, store.clone())
                .with_config(controller::Config::default())
                .reconcile_on(nudged)
                .graceful_shutdown_on(stop.clone().cancelled_owned())
                .run(reconcile, error_policy, context.clone())
                .for_each(|outcome| {
                    // What a reconcile failed with is logged by the error policy; what is left is a watch's own trouble.
                    if let Err(controller::Error::QueueError(error)) = outcome {
                        tracing::warn!(error = chain(&error), "watch failed; it is taken up again");
                    }
                    ready(())
                })
        },
    );
    let secret_watches = scopes
        .iter()
        .zip(secret_writers)
        .map(|(scope, writer)| watch_secrets(api(&client, scope), writer, context.clone()));
    let fill = async {
        for store in &secrets {
            store.wait_until_ready().await?;
        }
        context.objects.filled().await?;
        tracing::info!(namespaces = ?scopes, "all watched objects are known");
        fill.send_replace(true);
        Ok::<_, reflector::store::WriterDropped>(())
    };
    let background = async {
        let _ = tokio::join!(fill, join_all(secret_watches));
    };
    tokio::select! {
        _ = join_all(controllers) => {}
        // The controllers end, not the watches; after a stop these just go with them.
        () = async { background.await; stop.cancelled().await; std::future::pending().await } => {}
    }
    Ok(())
}

/// Waits for the CRD.
async fn crd(client: &Client) -> Result<(), StartError> {
    let deadline = tokio::time::Instant::now() + CRD_PATIENCE;
    while crd_offers_create(client).await?.is_none() {
        if tokio::time::Instant::now() >= deadline {
            return Err(StartError::NoCrd);
        }
        tracing::info!("waiting for the CRD of DocSpaceBackupSchedule");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

fn api<K>(client: &Client, scope: &str) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    if scope == ALL_NAMESPACES {
        Api::all(client.clone())
    } else {
        Api::namespaced(client.clone(), scope)
    }
}

/// The objects of a namespace; each is filed on its way, and whoever shares a slot with one that is gone is woken.
fn watch_objects(
    api: Api<Guarded>,
    writer: Writer<Guarded>,
    context: Arc<Context>,
) -> impl futures::Stream<Item = Result<Guarded, watcher::Error>> {
    watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(|object| object.meta_mut().managed_fields = None)
        .reflect(writer)
        .inspect_ok(move |event| match event {
            Event::Apply(object) | Event::InitApply(object) => {
                let before = context.objects.file(object);
                context.nudge(before);
            }
            Event::Delete(object) => context.nudge(context.forget(object)),
            Event::Init | Event::InitDone => {}
        })
        .applied_objects()
}

/// The Secrets of a namespace, by name and version only; whoever names one that changed is woken.
async fn watch_secrets(
    api: Api<PartialObjectMeta<Secret>>,
    writer: Writer<PartialObjectMeta<Secret>>,
    context: Arc<Context>,
) {
    let slim = |secret: &mut PartialObjectMeta<Secret>| {
        let meta = secret.meta_mut();
        meta.managed_fields = None;
        meta.annotations = None;
        meta.labels = None;
    };
    watcher(api, watcher::Config::default())
        .default_backoff()
        .modify(slim)
        .reflect(writer)
        .touched_objects()
        .for_each(|secret| {
            match secret {
                Ok(secret) => {
                    let namespace = secret.namespace().unwrap_or_default();
                    for key in context.objects.naming_secret(&namespace, &secret.name_any()) {
                        context.wake(key);
                    }
                }
                Err(error) => tracing::warn!(
                    error = chain(&error),
                    "watch of Secrets failed; it is taken up again"
                ),
            }
            ready(())
        })
        .await;
}
