//! All objects with their portals, and what the API server shows of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use futures::{StreamExt, TryStreamExt, stream};
use harness::{Namespace, control_plane, nightly, secret};
use k8s_openapi::api::{core::v1::Secret, events::v1::Event as KubeEvent};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use serde_json::json;
use simulated_portal::{ApiKey, Fault, FaultId, Installation, Keep, Request, SimulatedPortal};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{
    Result,
    object::{Object, Recovery, Taken},
};

/// Requests in flight while everything is created.
const IN_FLIGHT: usize = 32;

/// All objects by name, as the API server shows them.
type Seen = HashMap<String, DocSpaceBackupSchedule>;

/// All of them.
pub struct Objects {
    /// In the order of their names.
    pub all: Vec<Arc<Object>>,
    /// The namespace of everything.
    pub namespace: Namespace,
    server: SimulatedPortal,
    schedules: Api<DocSpaceBackupSchedule>,
    secrets: Api<Secret>,
    seen: watch::Receiver<Seen>,
    _watch: JoinHandle<()>,
}

/// What portals got while nothing was done to the objects.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// The writes.
    pub writes: usize,
    /// The reads of the schedule of the object that was read least.
    pub fewest_looks: usize,
}

impl Objects {
    /// Creates them.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn create(count: usize) -> Result<Self> {
        let client = control_plane().client().await;
        let namespace = Namespace::create(&client).await;
        let server = SimulatedPortal::start(Installation::default()).await;
        server.log().keep(Keep::Writes);
        let all: Vec<_> = (0..count)
            .map(|number| Arc::new(Object::new(number, &server)))
            .collect();
        let (schedules, secrets) = (namespace.schedules(&client), namespace.secrets(&client));
        let (seen, watch) = watched(schedules.clone(), &all);
        let objects = Self {
            all,
            namespace,
            server,
            schedules,
            secrets,
            seen,
            _watch: watch,
        };
        let create = |object: &Arc<Object>| {
            let (object, objects) = (object.clone(), &objects);
            async move {
                let secret = secret(&object.name, &[("apiKey", &object.keys()[0])]);
                objects.secrets.create(&PostParams::default(), &secret).await?;
                objects.create_one(&object).await
            }
        };
        let created = stream::iter(&objects.all).map(create).buffer_unordered(IN_FLIGHT);
        created.try_collect::<()>().await?;
        Ok(objects)
    }

    /// Creates the object as it was at first.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn create_one(&self, object: &Object) -> Result<()> {
        let mut manifest: DocSpaceBackupSchedule = nightly(&self.server.url());
        manifest.metadata.name = Some(object.name.clone());
        manifest.metadata.labels = Some([("shard".into(), object.shard.into())].into());
        manifest.spec.portal.host_header = Some(object.portal.host());
        manifest
            .spec
            .portal
            .api_key_secret_ref
            .name
            .clone_from(&object.name);
        self.schedules.create(&PostParams::default(), &manifest).await?;
        object.changed();
        Ok(())
    }

    /// Changes the hour of the object.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn edit(&self, object: &Object, random: &mut fastrand::Rng) -> Result<DocSpaceBackupSchedule> {
        let now = {
            let seen = self.seen.borrow();
            seen.get(&object.name)
                .map_or(0, |shown| shown.spec.cron_params.hour)
        };
        // Never the same.
        let hour = (now + random.i32(1..24)) % 24;
        let patched = self
            .patch(object, json!({"spec": {"cronParams": {"hour": hour}}}))
            .await?;
        object.changed();
        Ok(patched)
    }

    /// Patches the object.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn patch(&self, object: &Object, patch: serde_json::Value) -> Result<DocSpaceBackupSchedule> {
        let patch = Patch::Merge(patch);
        Ok(self
            .schedules
            .patch(&object.name, &PatchParams::default(), &patch)
            .await?)
    }

    /// Deletes the object.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete(&self, object: &Object) -> Result<()> {
        self.schedules.delete(&object.name, &Default::default()).await?;
        Ok(())
    }

    /// Gives the object a new key, and revokes the old one.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn rotate(&self, object: &Object) -> Result<()> {
        let key = object.portal.issue_key(ApiKey::named("soak"));
        let patch = Patch::Merge(json!({"stringData": {"apiKey": key}}));
        self.secrets
            .patch(&object.name, &PatchParams::default(), &patch)
            .await?;
        object.rotated(key);
        Ok(())
    }

    /// Lets the next write to the portal of an object get this answer.
    pub fn lose_a_write(&self, object: &Object, fault: Fault) {
        object.loses_a_write();
        let fault = fault.to("createbackupschedule").times(1);
        self.server.order(fault.of(&object.portal));
    }

    /// Lets the portal of an object fail.
    pub fn fail(&self, object: &Object, fault: Fault) -> FaultId {
        self.server.order(fault.of(&object.portal))
    }

    /// Ends a failure, which may have refused the key. From now on the object's recovery is timed.
    pub fn heal(&self, object: &Object, fault: FaultId, refused: bool) {
        let met = self.server.hits(fault) > 0;
        self.server.clear_fault(fault);
        object.healed(refused, met);
        // A failure that changed no status needs no recovery.
        if let Some(shown) = self.seen.borrow().get(&object.name) {
            object.shown(shown);
        }
    }

    /// Ends all failures.
    pub fn clear_faults(&self) {
        self.server.clear_faults();
    }

    /// A random object to which nothing is done now, and that is in order since its portal failed, if chance finds one.
    pub fn take(&self, random: &mut fastrand::Rng) -> Option<Taken> {
        (0..500).find_map(|_| Taken::of(&self.all[random.usize(..self.all.len())]))
    }

    /// Waits until the API server shows that the object fulfils a condition; `None` is an object that is gone. Returns
    /// whether it does in time.
    pub async fn wait(
        &self,
        name: &str,
        within: Duration,
        wanted: impl Fn(Option<&DocSpaceBackupSchedule>) -> bool,
    ) -> bool {
        let mut seen = self.seen.clone();
        let fulfilled = timeout(within, seen.wait_for(|seen| wanted(seen.get(name)))).await;
        matches!(fulfilled, Ok(Ok(_)))
    }

    /// Waits until every object is Ready and every portal holds what its object says.
    ///
    /// # Errors
    /// Some objects are not Ready in time; names and conditions of the first ones.
    pub async fn all_settle(&self, within: Duration) -> Result<Duration> {
        let (start, mut seen) = (Instant::now(), self.seen.clone());
        loop {
            let stuck = {
                let seen = seen.borrow_and_update();
                self.unsettled(&seen)
            };
            if stuck.is_empty() {
                return Ok(start.elapsed());
            }
            match timeout_at(start + within, seen.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err("the watch of the objects has ended".into()),
                Err(_) => {
                    let first: Vec<_> = stuck.iter().take(5).cloned().collect();
                    return Err(format!("{} objects are stuck: {}", stuck.len(), first.join("; ")).into());
                }
            }
        }
    }

    fn unsettled(&self, seen: &Seen) -> Vec<String> {
        let trouble = |object: &Arc<Object>| {
            let why = match seen.get(&object.name) {
                None => "not there".into(),
                Some(shown) => object.trouble(shown)?,
            };
            Some(format!("{}: {why}", object.name))
        };
        self.all.iter().filter_map(trouble).collect()
    }

    /// Waits, and returns what portals get meanwhile.
    pub async fn rest(&self, time: Duration) -> Rest {
        let log = self.server.log();
        let before = log.total();
        log.keep(Keep::All);
        sleep(time).await;
        log.keep(Keep::Writes);
        let mut looks = HashMap::<_, usize>::new();
        let mut writes = 0;
        for request in log.requests().iter().filter(|request| request.number > before) {
            if request.is_write() {
                writes += 1;
            } else if request.is_to("getbackupschedule") {
                *looks.entry(request.tenant_id).or_default() += 1;
            }
        }
        let of = |object: &Arc<Object>| looks.get(&Some(object.portal.tenant_id())).copied();
        let fewest = self.all.iter().map(|object| of(object).unwrap_or_default()).min();
        Rest {
            writes,
            fewest_looks: fewest.unwrap_or_default(),
        }
    }

    /// The writes that were sent to portals, in order.
    pub fn writes(&self) -> Vec<Request> {
        let mut requests = self.server.log().requests();
        requests.retain(Request::is_write);
        requests
    }

    /// The writes that portals carried out, in order.
    pub fn carried_out(&self) -> Vec<Request> {
        self.server.log().writes_carried_out()
    }

    /// The failures of portals that a call met.
    pub fn failures_met(&self) -> usize {
        self.all.iter().map(|object| object.failures_met()).sum()
    }

    /// The recoveries from failures of portals, in a run that began at this time.
    pub fn recoveries(&self, start: Instant) -> Vec<Recovery> {
        let all = self.all.iter().flat_map(|object| object.recoveries(start));
        all.collect()
    }

    /// All keys that ever were in Secrets.
    pub fn keys(&self) -> Vec<String> {
        self.all.iter().flat_map(|object| object.keys()).collect()
    }

    /// All objects and Events, as the API server shows them.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn shown(&self) -> Result<String> {
        let events = Api::<KubeEvent>::namespaced(client().await, self.namespace.name());
        let events = events.list(&ListParams::default()).await?;
        let objects = self.seen.borrow().values().cloned().collect::<Vec<_>>();
        Ok(serde_json::to_string(&objects)? + &serde_json::to_string(&events.items)?)
    }
}

/// What a watch shows, kept up to date. Each object is told, too.
fn watched(api: Api<DocSpaceBackupSchedule>, all: &[Arc<Object>]) -> (watch::Receiver<Seen>, JoinHandle<()>) {
    let (seen, receiver) = watch::channel(Seen::new());
    let named = |object: &Arc<Object>| (object.name.clone(), object.clone());
    let known: HashMap<_, _> = all.iter().map(named).collect();
    let tell = move |shown: &DocSpaceBackupSchedule| {
        if let Some(object) = known.get(&shown.name_any()) {
            object.shown(shown);
        }
    };
    let task = tokio::spawn(async move {
        let mut events = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
        let mut listed = HashMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => drop(listed.insert(object.name_any(), object)),
                Ok(Event::InitDone) => {
                    seen.send_replace(std::mem::take(&mut listed));
                    seen.borrow().values().for_each(&tell);
                }
                Ok(Event::Apply(object)) => {
                    seen.send_modify(|seen| drop(seen.insert(object.name_any(), object.clone())));
                    tell(&object);
                }
                Ok(Event::Delete(object)) => {
                    seen.send_modify(|seen| drop(seen.remove(&object.name_any())));
                }
                // The watch begins anew.
                Err(_) => {}
            }
        }
    });
    (receiver, task)
}

/// A client of its own, for other resources.
pub async fn client() -> Client {
    control_plane().client().await
}
