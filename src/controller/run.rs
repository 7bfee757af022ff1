//! Starts the watches and controllers: one controller for each namespace, or one for all, with one shared index.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    channel::mpsc,
    future::{join_all, ready},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Client,
    runtime::{
        controller::{self, Action, Controller},
        reflector,
    },
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    controller::{
        changes::Lists,
        context::{ANSWERS, Context, WRITE_GRACE},
        discovery::crd_offers_create,
        error::Failed,
        index::{Index, slot::Key},
        metrics::Metrics,
        reconcile::{error_policy, reconcile},
        requests::Requests,
        settings::Settings,
        turns::Turns,
        watched::{Guarded, Slim},
        watches::{objects_of, secrets_of, watch_for_a_leader, watch_objects, watch_secrets},
    },
    lease::Leadership,
    portal::Portals,
    shares::Shares,
    telemetry::{Health, Watch},
};

/// The operator waits this long for the CRD.
const CRD_PATIENCE: Duration = Duration::from_secs(60);

/// Which namespaces are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All of them.
    All,
    /// Only these.
    These(Vec<String>),
}

/// Why the operator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The API server did not answer.
    #[error("cannot read the resources of the Kubernetes API")]
    Kubernetes(#[from] kube::Error),
    /// The CRD is missing.
    #[error(
        "the cluster does not know DocSpaceBackupSchedule (docspace.onlyoffice.com/v1alpha1) after {} s of waiting; \
         apply the CRD first: docspace-backup-operator crd | kubectl apply -f -",
        CRD_PATIENCE.as_secs()
    )]
    NoCrd,
}

/// The clients of the Kubernetes API.
pub struct Clients {
    /// For requests.
    pub requests: Requests,
    /// For watches: with a longer read time-out.
    pub watches: Client,
}

/// Where the controllers report their work.
pub struct Told {
    /// Their metrics.
    pub metrics: Metrics,
    /// Progress of the start, for the readiness probe.
    pub health: Arc<Health>,
}

/// Runs the controllers until `stop` is cancelled and running work has ended. The watches run from the start; objects
/// are reconciled only while this process leads.
///
/// # Errors
/// The cluster does not answer, or has no CRD.
pub async fn run(
    clients: Clients,
    namespaces: &Namespaces,
    settings: Settings,
    portals: Portals,
    leadership: Leadership,
    told: Told,
    stop: CancellationToken,
) -> Result<(), StartError> {
    let Clients { requests, watches } = clients;
    let Told { metrics, health } = told;
    if stop
        .run_until_cancelled(crd(&requests.client()))
        .await
        .transpose()?
        .is_none()
    {
        return Ok(());
    }
    let scopes: Vec<Option<&str>> = match namespaces {
        Namespaces::All => vec![None],
        Namespaces::These(names) => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    health.lists(
        scopes
            .iter()
            .flat_map(|scope| [objects_of(*scope), secrets_of(*scope)]),
    );
    let (stores, writers): (Vec<_>, Vec<_>) = scopes.iter().map(|_| reflector::store::<Guarded>()).unzip();
    let (secrets, secret_writers): (Vec<_>, Vec<_>) =
        scopes.iter().map(|_| reflector::store::<Slim<Secret>>()).unzip();
    let (triggers, triggered): (Vec<_>, Vec<_>) = scopes.iter().map(|_| mpsc::unbounded::<Key>()).unzip();
    let (fill, filled) = watch::channel(false);
    let index = Arc::new(Index::new(stores.clone()));
    metrics.tell_of(index.clone());
    let context = Arc::new(Context {
        requests: requests.clone(),
        settings,
        portals,
        index,
        metrics,
        secrets: secrets.clone(),
        secret_limits: Default::default(),
        memories: Default::default(),
        triggers: scopes
            .iter()
            .map(|scope| scope.map(Into::into))
            .zip(triggers)
            .collect(),
        turns: Turns::default(),
        answers: Shares::new(ANSWERS.0, ANSWERS.1),
        filled,
        stop: stop.clone(),
        grace_over: CancellationToken::new(),
    });

    let (listed, anew): (Vec<_>, Vec<_>) = scopes.iter().map(|_| watch::channel(false)).unzip();
    let lists = Lists::default();
    let labels = context.settings.labels();
    let feeds = writers.into_iter().zip(listed).zip(anew.clone());
    let controllers = scopes.iter().zip(stores.iter().zip(feeds)).zip(triggered).map(
        |((scope, (store, ((writer, listed), anew))), triggered)| {
            let watch = watch_for_a_leader(
                &watches,
                *scope,
                (&leadership, &lists),
                labels.clone(),
                Some(listed),
            );
            let objects = watch_objects(watch, *scope, writer, context.clone(), health.clone());
            let reconciles = {
                let anew = anew.clone();
                move |object, context| once_listed(anew.clone(), object, context)
            };
            let controller = Controller::for_stream(objects, store.clone())
                .with_config(controller::Config::default())
                .reconcile_on(triggered)
                .graceful_shutdown_on(stop.clone().cancelled_owned())
                .run(reconciles, error_policy, context.clone())
                // The error policy logs failed reconciles, and the watch its own failures.
                .for_each(|_| ready(()));
            until(controller, idle_at_the_end(stop.clone(), anew))
        },
    );
    let secret_watches = scopes.iter().zip(secret_writers).map(|(scope, writer)| {
        let watch = watch_for_a_leader(&watches, *scope, (&leadership, &lists), None, None);
        watch_secrets(watch, *scope, writer, context.clone(), &health)
    });
    let fill = async {
        let without = health.settled().await;
        tell_filled(&scopes, &without);
        health.filled();
        leadership.begins().await;
        // Without an election, they have completed their only list.
        let lists = scopes.iter().zip(&anew).filter(|(_, listed)| !*listed.borrow());
        health.lists_again(lists.map(|(scope, _)| objects_of(*scope)));
        health.settled().await;
        health.filled();
        fill.send_replace(true);
    };
    let grace = async {
        stop.cancelled().await;
        tokio::time::sleep(WRITE_GRACE).await;
        context.grace_over.cancel();
    };
    // These end with the controllers.
    let background = async {
        let _ = tokio::join!(fill, join_all(secret_watches), grace, requests.renew());
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = join_all(controllers) => {}
        () = background => {}
    }
    Ok(())
}

/// Reconciles an object once its namespace has been listed by this leader: an older list may hold objects that are gone.
async fn once_listed(
    mut listed: watch::Receiver<bool>,
    object: Arc<Guarded>,
    context: Arc<Context>,
) -> Result<Action, Failed> {
    // When the operator stops, `reconcile` ends by itself.
    let _ = context
        .stop
        .run_until_cancelled(listed.wait_for(|listed| *listed))
        .await;
    drop(listed);
    reconcile(object, context).await
}

/// Returns when the operator stops, if this namespace was not listed: its controller would wait for the list.
async fn idle_at_the_end(stop: CancellationToken, listed: watch::Receiver<bool>) {
    stop.cancelled().await;
    if *listed.borrow() {
        std::future::pending::<()>().await;
    }
}

async fn until(work: impl Future<Output = ()>, end: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = end => {}
    }
}

fn tell_filled(scopes: &[Option<&str>], without: &[Watch]) {
    let namespaces: Vec<_> = scopes.iter().map(|scope| scope.unwrap_or("all")).collect();
    let namespaces = namespaces.join(",");
    if without.is_empty() {
        tracing::info!(namespaces, "all watched objects are listed");
        return;
    }
    let without: Vec<_> = without.iter().map(ToString::to_string).collect();
    tracing::warn!(
        namespaces,
        without = without.join(", "),
        "the operator begins without what it cannot list; these objects follow when their list succeeds"
    );
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
