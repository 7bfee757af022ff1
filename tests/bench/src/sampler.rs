//! Looks at the operator all the time, as a cluster does: probes, scrapes, and how much it holds open.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use harness::{Connections, Process, try_http_get};
use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{Api, Client};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{Instant, interval, timeout},
};

/// How often descriptors are counted.
const DESCRIPTORS: Duration = Duration::from_millis(100);
/// How often connections are counted, the probes called and the Lease read.
const OTHERS: Duration = Duration::from_secs(1);
/// How often Prometheus reads the metrics.
const SCRAPES: Duration = Duration::from_secs(30);
/// How long the kubelet waits for a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The name of the operator's Lease.
pub const LEASE: &str = "docspace-backup-operator";

/// What was seen at most.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Open file descriptors.
    pub descriptors: usize,
    /// Open connections.
    pub connections: Connections,
    /// Probes that failed, or took longer than a second.
    pub failed_probes: usize,
    /// The slowest probe that was answered.
    pub slowest_probe: Duration,
    /// The longest time since a renewal of the Lease.
    pub lease_age: Duration,
    /// Who held the Lease.
    pub leaders: BTreeSet<String>,
}

/// Where to look.
#[derive(Clone)]
pub struct Places {
    /// The operator.
    pub process: Process,
    /// The address of its probes.
    pub probes: String,
    /// The port of the API server.
    pub api_server: u16,
    /// The port of the portals.
    pub portals: u16,
    /// The namespace of the Lease.
    pub leases: Api<Lease>,
}

impl Places {
    /// Of the operator with this process and these ports.
    pub fn new(
        process: Process,
        probes: String,
        ports: (u16, u16),
        client: &Client,
        namespace: &str,
    ) -> Self {
        Self {
            process,
            probes,
            api_server: ports.0,
            portals: ports.1,
            leases: Api::namespaced(client.clone(), namespace),
        }
    }
}

/// Looks until it is dropped.
pub struct Sampler {
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Sampler {
    /// Begins to look.
    pub fn start(places: &Places) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(descriptors(places.process, seen.clone()));
        tasks.spawn(connections(places.clone(), seen.clone()));
        tasks.spawn(probes(places.probes.clone(), seen.clone()));
        tasks.spawn(scrapes(places.probes.clone()));
        tasks.spawn(lease(places.leases.clone(), seen.clone()));
        Self { seen, _tasks: tasks }
    }

    /// What was seen since the last call.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn descriptors(process: Process, seen: Arc<Mutex<Seen>>) {
    let mut ticks = interval(DESCRIPTORS);
    loop {
        ticks.tick().await;
        if let Ok(Ok(count)) = spawn_blocking(move || process.descriptors().map_err(drop)).await {
            let mut seen = seen.lock().unwrap();
            seen.descriptors = seen.descriptors.max(count);
        }
    }
}

async fn connections(places: Places, seen: Arc<Mutex<Seen>>) {
    let mut ticks = interval(OTHERS);
    let Places {
        process,
        api_server,
        portals,
        ..
    } = places;
    loop {
        ticks.tick().await;
        let count = move || process.connections(api_server, portals).map_err(drop);
        if let Ok(Ok(now)) = spawn_blocking(count).await {
            let most = &mut seen.lock().unwrap().connections;
            most.api_server = most.api_server.max(now.api_server);
            most.portals = most.portals.max(now.portals);
        }
    }
}

async fn probes(address: String, seen: Arc<Mutex<Seen>>) {
    // Until its first success, a probe says that the operator still starts.
    let mut succeeded = BTreeSet::new();
    let mut ticks = interval(OTHERS);
    loop {
        ticks.tick().await;
        for path in ["/livez", "/readyz"] {
            let start = Instant::now();
            let answer = timeout(PROBE_TIMEOUT, try_http_get(&address, path, "*/*")).await;
            let mut seen = seen.lock().unwrap();
            if matches!(answer, Ok(Ok((200, _)))) {
                seen.slowest_probe = seen.slowest_probe.max(start.elapsed());
                succeeded.insert(path);
            } else if succeeded.contains(path) {
                seen.failed_probes += 1;
            }
        }
    }
}

async fn scrapes(address: String) {
    let mut ticks = interval(SCRAPES);
    loop {
        ticks.tick().await;
        // Only the operator's effort counts here.
        let _ = timeout(SCRAPES, try_http_get(&address, "/metrics", "*/*")).await;
    }
}

async fn lease(leases: Api<Lease>, seen: Arc<Mutex<Seen>>) {
    let mut ticks = interval(OTHERS);
    loop {
        ticks.tick().await;
        let now = Timestamp::now();
        let Ok(Some(spec)) = leases
            .get_opt(LEASE)
            .await
            .map(|lease| lease.and_then(|lease| lease.spec))
        else {
            continue;
        };
        let mut seen = seen.lock().unwrap();
        if let Some(renewed) = spec.renew_time {
            let age = now.duration_since(renewed.0);
            seen.lease_age = seen.lease_age.max(age.try_into().unwrap_or_default());
        }
        // It is empty when a leader gave it up.
        let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
        seen.leaders.extend(holder);
    }
}
