//! The operators: two that share shard a, whose leader is ended, and one of shard b that lives for the whole run.

use std::{path::Path, pin::pin, time::Duration};

use futures::StreamExt;
use harness::{Operator, Process, control_plane, log_of, try_http_get};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher::watch_object},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    Result,
    objects::{Objects, client},
};

/// How often each object is looked at.
pub const INTERVAL: Duration = Duration::from_secs(120);
/// The Lease of shard a.
const LEASE: &str = "shard-a";
/// Nobody takes the Lease of a killed leader for this long.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// After a kill, the next leader waits this long before it works.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often the Lease is read and renewed.
pub const RETRY_PERIOD: Duration = Duration::from_secs(2);
/// After this time without a leader the run gives up waiting: four times the Lease's duration. The report judges the
/// time itself.
const LEADS_WITHIN: Duration = Duration::from_secs(LEASE_DURATION.as_secs() * 4);
/// How long the metrics may take.
const METRICS_WITHIN: Duration = Duration::from_secs(10);

/// The operators of both shards.
pub struct Operators {
    /// Of shard a.
    pair: Mutex<[Operator; 2]>,
    /// Of shard b; it is not restarted.
    long_lived: Mutex<Operator>,
    /// Its process.
    pub long_lived_process: Process,
    /// Its address of metrics.
    probes: String,
    leases: Api<Lease>,
    namespace: String,
}

impl Operators {
    /// Starts all three.
    pub async fn start(program: &Path, objects: &Objects) -> Self {
        let namespace = objects.namespace.name().to_owned();
        let kubeconfig = control_plane().kubeconfig();
        let start = async |pod: &str, shard: &str| {
            let selector = format!("shard={shard}");
            let lease = format!("shard-{shard}");
            let seconds = |time: Duration| format!("{}s", time.as_secs());
            let arguments = [
                "--leader-election",
                "--lease-name",
                &lease,
                "--lease-namespace",
                &namespace,
                "--selector",
                &selector,
                "--interval",
                &seconds(INTERVAL),
                "--lease-duration",
                &seconds(LEASE_DURATION),
                "--renew-deadline",
                &seconds(RENEW_DEADLINE),
                "--retry-period",
                &seconds(RETRY_PERIOD),
            ];
            Operator::start_as(Some(pod), program, &kubeconfig, &namespace, &arguments).await
        };
        let long_lived = start("b-0", "b").await;
        // All write to one log, which tells the address.
        let probes = long_lived.address().await;
        let pair = [start("a-0", "a").await, start("a-1", "a").await];
        Self {
            long_lived_process: Process(long_lived.id()),
            probes,
            pair: Mutex::new(pair),
            long_lived: Mutex::new(long_lived),
            leases: Api::namespaced(client().await, &namespace),
            namespace,
        }
    }

    /// Ends the leader of shard a, with SIGTERM or SIGKILL, starts it again and waits for the next one. It returns when
    /// the leader ended.
    ///
    /// # Errors
    /// Nobody leads in time, or an operator has ended by itself.
    pub async fn end_leader(&self, kill: bool) -> Result<Instant> {
        let before = self.leader("").await?;
        self.all_run().await?;
        let mut pair = self.pair.lock().await;
        let leads = |operator: &&mut Operator| {
            let pod = operator.pod().unwrap_or_default();
            before.starts_with(&format!("{pod}_"))
        };
        let leader = pair.iter_mut().find(leads).ok_or("an unknown leader")?;
        let ended = Instant::now();
        if kill {
            leader.kill().await;
        } else {
            leader.stop().await;
        }
        leader.restart().await;
        drop(pair);
        self.leader(&before).await?;
        Ok(ended)
    }

    /// The holder of the Lease, once it is another than this one. A watch that fails begins anew.
    async fn leader(&self, before: &str) -> Result<String> {
        let next = |lease: Option<Lease>| {
            let holder = lease?.spec?.holder_identity?;
            (!holder.is_empty() && holder != before).then_some(holder)
        };
        let leases = watch_object(self.leases.clone(), LEASE).default_backoff();
        let holders = leases.filter_map(async |lease| next(lease.ok()?));
        let holder = timeout(LEADS_WITHIN, pin!(holders).next()).await;
        Ok(holder.ok().flatten().ok_or("nobody leads shard a")?)
    }

    /// Makes sure that no operator has ended by itself.
    ///
    /// # Errors
    /// An operator has ended by itself.
    pub async fn all_run(&self) -> Result<()> {
        let pair = self.processes().await.into_iter().flatten();
        match pair
            .chain([self.long_lived_process])
            .all(|process| process.runs())
        {
            true => Ok(()),
            false => Err("an operator has ended by itself; its log says why".into()),
        }
    }

    /// The metrics of the operator of shard b.
    ///
    /// # Errors
    /// It does not answer, or not in time.
    pub async fn metrics(&self) -> Result<String> {
        let answer = timeout(METRICS_WITHIN, try_http_get(&self.probes, "/metrics", "*/*")).await;
        match answer.map_err(|_| "no answer in time")?? {
            (200, metrics) => Ok(metrics),
            (status, _) => Err(format!("HTTP {status}").into()),
        }
    }

    /// The processes of shard a that are started.
    pub async fn processes(&self) -> [Option<Process>; 2] {
        let pair = self.pair.lock().await;
        pair.each_ref()
            .map(|operator| operator.runs().then(|| Process(operator.id())))
    }

    /// The logs of all.
    pub fn log(&self) -> String {
        log_of(&self.namespace)
    }

    /// Ends all as Kubernetes does.
    pub async fn stop(&self) {
        for operator in self.pair.lock().await.iter_mut() {
            operator.stop().await;
        }
        self.long_lived.lock().await.stop().await;
    }
}
