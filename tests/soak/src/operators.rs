//! The operators: two that share shard a, whose leader is ended, and one of shard b that lives for the whole run.

use std::{path::Path, time::Duration};

use harness::{Operator, Process, control_plane, log_of};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use crate::{
    Result,
    objects::{Objects, client},
};

/// How often each object is looked at.
const INTERVAL: &str = "2m";
/// The Lease of shard a.
const LEASE: &str = "shard-a";
/// How long a new leader may take: the Lease's duration, and as long again.
const LEADS_WITHIN: Duration = Duration::from_secs(60);

/// The operators of both shards.
pub struct Operators {
    /// Of shard a.
    pair: Mutex<[Operator; 2]>,
    /// Of shard b; it is not restarted.
    lasting: Mutex<Operator>,
    /// Its process.
    pub lasts: Process,
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
            let arguments = [
                "--leader-election",
                "--lease-name",
                &lease,
                "--lease-namespace",
                &namespace,
                "--selector",
                &selector,
                "--interval",
                INTERVAL,
            ];
            Operator::start_as(Some(pod), program, &kubeconfig, &namespace, &arguments).await
        };
        let pair = [start("a-0", "a").await, start("a-1", "a").await];
        let lasting = start("b-0", "b").await;
        Self {
            lasts: Process(lasting.id()),
            pair: Mutex::new(pair),
            lasting: Mutex::new(lasting),
            leases: Api::namespaced(client().await, &namespace),
            namespace,
        }
    }

    /// Ends the leader of shard a, with SIGTERM or SIGKILL, and starts it again. It returns how long nobody led.
    ///
    /// # Errors
    /// Nobody leads in time.
    pub async fn end_leader(&self, kill: bool) -> Result<Duration> {
        let before = self.leader("").await?;
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
        Ok(ended.elapsed())
    }

    /// The holder of the Lease, once it is another than this one.
    async fn leader(&self, before: &str) -> Result<String> {
        let deadline = Instant::now() + LEADS_WITHIN;
        while Instant::now() < deadline {
            let lease = self.leases.get_opt(LEASE).await?;
            let holder = lease.and_then(|lease| lease.spec?.holder_identity);
            if let Some(holder) = holder.filter(|holder| !holder.is_empty() && holder != before) {
                return Ok(holder);
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err("nobody leads shard a".into())
    }

    /// The process of the leader of shard a, as far as it is known.
    pub async fn processes(&self) -> Vec<Process> {
        let pair = self.pair.lock().await;
        let running = pair.iter().filter(|operator| operator.runs());
        running.map(|operator| Process(operator.id())).collect()
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
        self.lasting.lock().await.stop().await;
    }
}
