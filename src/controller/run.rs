//! Starts the watches, for each namespace or for all, and the reconciles.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use kube::Client;
use tokio::sync::{mpsc::unbounded_channel, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    controller::{
        changes::Lists,
        context::{Begin, Context, WRITE_GRACE},
        discovery::crd_offers_create,
        key::Key,
        metrics::Metrics,
        queue,
        reconcile::reconcile,
        requests::Requests,
        settings::Settings,
        watches::{objects_of, secrets_of, watch_for_a_leader, watch_objects, watch_secrets},
    },
    lease::Leadership,
    portal::Portals,
    telemetry::{Health, Watch},
};

/// The operator waits this long for the CRD.
const CRD_PATIENCE: Duration = Duration::from_secs(60);

/// Checks that are due by time alone run at most this many times as often as on average.
const ROUTINE_OVER_MEAN: f64 = 2.0;
/// But as many per second need no pace.
const NEEDS_NO_PACE: f64 = 5.0;

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
    let (wakes, woken) = unbounded_channel();
    let (listed, anew): (Vec<_>, Vec<_>) = scopes.iter().map(|_| watch::channel(false)).unzip();
    let (fill, filled) = watch::channel(false);
    let context = Arc::new(Context::from(Begin {
        requests: requests.clone(),
        settings,
        portals,
        metrics: metrics.clone(),
        wakes,
        listed: scopes
            .iter()
            .map(|scope| scope.map(Into::into))
            .zip(anew.iter().cloned())
            .collect(),
        filled,
        stop: stop.clone(),
    }));
    metrics.tell_of(context.index.clone());

    let (lists, labels) = (Lists::default(), context.settings.labels());
    let object_watches = scopes.iter().zip(listed).map(|(scope, listed)| {
        let watch = watch_for_a_leader(
            &watches,
            *scope,
            (&leadership, &lists),
            labels.clone(),
            Some(listed),
        );
        watch_objects(watch, *scope, context.clone(), &health)
    });
    let secret_watches = scopes.iter().map(|scope| {
        let watch = watch_for_a_leader(&watches, *scope, (&leadership, &lists), None, None);
        watch_secrets(watch, *scope, context.clone(), &health)
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
        context.wake_all(None);
    };
    let grace = async {
        stop.cancelled().await;
        tokio::time::sleep(WRITE_GRACE).await;
        context.grace_over.cancel();
    };
    let reconciles = async {
        let mut filled = context.filled.clone();
        // An error would mean that nothing is ever filled.
        if !matches!(
            stop.run_until_cancelled(filled.wait_for(|filled| *filled)).await,
            Some(Ok(_))
        ) {
            return;
        }
        let work = |key: Key| {
            let begins = context.is_listed(&key) && context.index.has(&key);
            begins.then(|| reconcile(key, context.clone()))
        };
        let pace = || {
            let mean = context.index.looks_per_second(context.settings.interval);
            NEEDS_NO_PACE.max(mean * ROUTINE_OVER_MEAN)
        };
        let hung = |key: &Key| context.has_hung(key);
        queue::run(woken, work, hung, pace, stop.clone()).await;
    };
    // These end with the reconciles.
    let background = async {
        tokio::join!(
            fill,
            join_all(object_watches),
            join_all(secret_watches),
            grace,
            requests.renew()
        );
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reconciles => {}
        () = background => {}
    }
    Ok(())
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
