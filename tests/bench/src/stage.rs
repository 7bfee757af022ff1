//! What the phases share: objects with their portals, and the operator.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, REQUESTED_AT};
use futures::{StreamExt, TryStreamExt, stream};
use harness::{Connections, Namespace, Operator, Process, control_plane};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher, watcher::watch_object},
};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{
    Result,
    portals::Portals,
    sampler::{LEASE, Places, Sampler, Seen},
    table::Table,
};

/// The number of requests in flight while everything is created or asked for at once.
const IN_FLIGHT: usize = 128;
/// The number of additional objects, created one after the other, for the median of a single object.
pub const FURTHER: usize = 50;
/// The chart's leader election; the rest is as by default. The Lease lasts longer than by default, so that a late renewal
/// is a row of the table and not the end of the run.
const FLAGS: [&str; 3] = [
    "--leader-election",
    "--lease-duration=45s",
    "--renew-deadline=40s",
];
/// A first leader writes after the renew deadline.
pub const FIRST_WRITE: Duration = Duration::from_secs(41);
/// As long may a renewal take by default.
const RENEW_DEADLINE: f64 = 10.0;

/// The operator, its objects and their portals.
pub struct Stage {
    /// The number of objects.
    pub size: usize,
    /// A client of the API server.
    pub client: Client,
    /// The namespace of everything.
    pub namespace: Namespace,
    /// The portals.
    pub portals: Portals,
    program: PathBuf,
    /// More than one operator only where they share the objects.
    running: Vec<Running>,
}

struct Running {
    operator: Operator,
    sampler: Sampler,
}

/// The times until objects became Ready.
pub struct Ready {
    /// From the first creation to the last Ready.
    pub all: Duration,
    /// Of each, from its creation.
    pub each: Vec<Duration>,
}

impl Stage {
    /// A new namespace and portals for this number of objects; nothing is created in it yet.
    pub async fn new(size: usize, program: &Path) -> Self {
        let client = control_plane().client().await;
        Self {
            size,
            namespace: Namespace::create(&client).await,
            // One more, for the restart.
            portals: Portals::start(size + FURTHER + 1).await,
            client,
            program: program.into(),
            running: Vec::new(),
        }
    }

    /// The objects that are created at once.
    pub fn objects(&self) -> &[DocSpaceBackupSchedule] {
        &self.portals.objects()[..self.size]
    }

    /// The objects that are created one after the other.
    pub fn further(&self) -> &[DocSpaceBackupSchedule] {
        &self.portals.objects()[self.size..self.size + FURTHER]
    }

    /// The object that is created at the restart.
    pub fn last(&self) -> &DocSpaceBackupSchedule {
        &self.portals.objects()[self.size + FURTHER]
    }

    /// Creates the Secrets of all objects.
    pub async fn create_secrets(&self) -> Result<()> {
        let api = self.namespace.secrets(&self.client);
        let create = |secret| {
            let api = api.clone();
            async move { api.create(&PostParams::default(), &secret).await.map(drop) }
        };
        stream::iter(self.portals.secrets())
            .map(create)
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await?;
        Ok(())
    }

    /// Starts the operator with these further flags, without looking at it yet.
    pub async fn launch(&self, further: &[&str]) -> Operator {
        let mut arguments = FLAGS.to_vec();
        arguments.extend(["--lease-namespace", self.namespace.name()]);
        arguments.extend(further);
        Operator::start_as(
            Some("bench"),
            &self.program,
            &control_plane().kubeconfig(),
            self.namespace.name(),
            &arguments,
        )
        .await
    }

    /// Looks at this operator from now on.
    pub async fn attend(&mut self, operator: Operator) {
        let (process, probes) = (Process(operator.id()), operator.address().await);
        let places = Places::new(process, probes, self.ports(), &self.client, self.namespace.name());
        let sampler = Sampler::start(&places);
        self.running.push(Running { operator, sampler });
    }

    /// Ends every operator as Kubernetes does.
    pub async fn stop(&mut self) -> Result<()> {
        for Running {
            mut operator,
            sampler,
        } in self.running.drain(..)
        {
            drop(sampler);
            operator.stop().await;
        }
        Ok(())
    }

    /// Waits until the operator is ready.
    pub async fn ready(&self) -> Result<()> {
        let operator = &self.running()?.operator;
        let ready = async {
            while operator.get("/readyz").await.0 != 200 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(60), ready)
            .await
            .map_err(|_| "the operator is not ready after a minute")?;
        Ok(())
    }

    /// Does this, unless the operator ends meanwhile.
    async fn while_it_runs<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let processes = self.processes();
        let ended = async {
            while processes.iter().all(|process| process.runs()) {
                sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            done = work => done,
            () = ended => Err(self.last_words().into()),
        }
    }

    fn last_words(&self) -> String {
        let log = harness::log_of(self.namespace.name());
        let last = log.lines().last().unwrap_or_default();
        format!("the operator ended by itself: {last}")
    }

    fn running(&self) -> Result<&Running> {
        Ok(self.running.first().ok_or("the operator does not run")?)
    }

    /// The operator's process.
    pub fn process(&self) -> Result<Process> {
        Ok(Process(self.running()?.operator.id()))
    }

    /// Its connections that are open now.
    pub fn connections(&self) -> Result<Connections> {
        let (api_server, portals) = self.ports();
        self.process()?.connections(api_server, portals)
    }

    /// The ports of the API server and of the portals.
    fn ports(&self) -> (u16, u16) {
        (control_plane().address().port(), self.portals.port())
    }

    /// The processes of all operators.
    pub fn processes(&self) -> Vec<Process> {
        let ids = self.running.iter().map(|running| running.operator.id());
        ids.map(Process).collect()
    }

    /// What the sampler saw since the last call; the peak of memory begins anew.
    pub fn seen(&self) -> Result<Seen> {
        self.process()?.forget_peak()?;
        Ok(self.running()?.sampler.take())
    }

    /// Adds what the operator took at most since [`Stage::seen`].
    pub fn report_peaks(&self, table: &mut Table) -> Result<Seen> {
        table.goal("peak memory", self.process()?.peak()?, "MiB", 112.0);
        let seen = self.seen()?;
        for (name, count) in [
            ("most connections to the API server", seen.connections.api_server),
            ("most connections to portals", seen.connections.portals),
            ("most file descriptors", seen.descriptors),
        ] {
            table.info(name, count as f64, "");
        }
        table.goal("failed probes", seen.failed_probes as f64, "", 0.0);
        let renewal = seen.lease_age.as_secs_f64();
        table.goal(
            "longest time without a renewal of the Lease",
            renewal,
            "s",
            RENEW_DEADLINE,
        );
        Ok(seen)
    }

    /// The objects' API.
    pub fn schedules(&self) -> Api<DocSpaceBackupSchedule> {
        self.namespace.schedules(&self.client)
    }

    /// Creates these objects at once and waits until all are Ready.
    pub async fn at_once(&self, objects: &[DocSpaceBackupSchedule]) -> Result<Ready> {
        let api = self.schedules();
        let wanted: HashMap<_, _> = objects.iter().map(|object| (object.name_any(), ())).collect();
        let mut changes = Box::pin(
            watcher(api.clone(), watcher::Config::default())
                .default_backoff()
                .applied_objects(),
        );
        let start = Instant::now();
        let create = async {
            let create = |object: &DocSpaceBackupSchedule| {
                let (api, object) = (api.clone(), object.clone());
                async move {
                    let created = Instant::now();
                    api.create(&PostParams::default(), &object)
                        .await
                        .map(|object| (object.name_any(), created))
                }
            };
            let created = stream::iter(objects).map(create).buffer_unordered(IN_FLIGHT);
            Ok(created.try_collect::<HashMap<_, _>>().await?)
        };
        let watch = async {
            let mut ready = HashMap::new();
            while ready.len() < wanted.len() {
                // After an error, such as an expired version, the watch begins anew.
                let Ok(object) = changes.next().await.ok_or("the watch ended")? else {
                    continue;
                };
                if is_ready(&object) && wanted.contains_key(&object.name_any()) {
                    ready.entry(object.name_any()).or_insert_with(Instant::now);
                }
            }
            Result::Ok(ready)
        };
        let both = async { futures::try_join!(create, watch) };
        let (created, ready) = self.while_it_runs(both).await?;
        let all = start.elapsed();
        let each = ready
            .iter()
            .filter_map(|(name, ready)| Some(ready.duration_since(*created.get(name)?)))
            .collect();
        Ok(Ready { all, each })
    }

    /// Creates this object once `begin` has ended, and gives the time from its creation to Ready, and when that was.
    pub async fn one_more(
        &self,
        object: &DocSpaceBackupSchedule,
        begin: impl Future<Output = ()>,
    ) -> Result<(Duration, Instant)> {
        let api = self.schedules();
        let mut changes = Box::pin(watch_object(api.clone(), &object.name_any()));
        // The first answer shows that the watch is open, because the object does not exist yet.
        changes.next().await.ok_or("the watch ended")??;
        begin.await;
        let start = Instant::now();
        api.create(&PostParams::default(), object).await?;
        while let Some(object) = changes.next().await {
            if object?.as_ref().is_some_and(is_ready) {
                return Ok((start.elapsed(), Instant::now()));
            }
        }
        Err("the watch ended".into())
    }

    /// When another process than `before` begins to lead.
    pub async fn leads(&self) -> Result<Instant> {
        let leases = Api::<k8s_openapi::api::coordination::v1::Lease>::namespaced(
            self.client.clone(),
            self.namespace.name(),
        );
        let mut changes = Box::pin(watch_object(leases, LEASE));
        while let Some(lease) = changes.next().await {
            let spec = lease?.and_then(|lease| lease.spec);
            if spec
                .and_then(|spec| spec.holder_identity)
                .is_some_and(|holder| !holder.is_empty())
            {
                return Ok(Instant::now());
            }
        }
        Err("the watch ended".into())
    }

    /// Asks for a look at every object, and gives the times until the answer shows, of those among `awaited`; after
    /// `patience` it ends without the rest.
    pub async fn looks(
        &self,
        value: &str,
        awaited: &[DocSpaceBackupSchedule],
        patience: Duration,
    ) -> Result<Vec<Duration>> {
        let api = self.schedules();
        let mut missing: BTreeMap<_, _> = awaited.iter().map(|object| (object.name_any(), ())).collect();
        let mut answered = HashMap::new();
        let mut changes = Box::pin(
            watcher(api.clone(), watcher::Config::default())
                .default_backoff()
                .applied_objects(),
        );
        let ask = async {
            let ask = |object: &DocSpaceBackupSchedule| {
                let (api, name) = (api.clone(), object.name_any());
                async move {
                    let asked = Instant::now();
                    let patch = json!({"metadata": {"annotations": {REQUESTED_AT: value}}});
                    api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
                        .await
                        .map(|_| (name, asked))
                }
            };
            let asked = stream::iter(self.objects()).map(ask).buffer_unordered(IN_FLIGHT);
            Result::Ok(asked.try_collect::<HashMap<_, _>>().await?)
        };
        let watch = async {
            while !missing.is_empty() {
                // After an error, such as an expired version, the watch begins anew.
                let Ok(object) = changes.next().await.ok_or("the watch ended")? else {
                    continue;
                };
                let status = object.status.as_ref();
                let echo = status.and_then(|status| status.last_handled_reconcile_at.as_deref());
                if echo == Some(value) && missing.remove(&object.name_any()).is_some() {
                    answered.insert(object.name_any(), Instant::now());
                }
            }
            Result::Ok(())
        };
        let watch = async { timeout(patience, watch).await.unwrap_or(Ok(())) };
        let both = async { futures::try_join!(ask, watch) };
        let (asked, ()) = self.while_it_runs(both).await?;
        let times = answered
            .iter()
            .filter_map(|(name, answered)| Some(answered.duration_since(*asked.get(name)?)))
            .collect();
        Ok(times)
    }
}

fn is_ready(object: &DocSpaceBackupSchedule) -> bool {
    let conditions = object.status.as_ref().map(|status| &status.conditions);
    conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}
