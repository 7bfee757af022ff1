//! The objects with their portals, and what the API server shows of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use docspace_backup_operator::{
    api::{DocSpaceBackupSchedule, condition},
    rules::lost_write,
};
use futures::{StreamExt, TryStreamExt, stream};
use harness::{Namespace, control_plane, nightly, secret};
use k8s_openapi::api::{core::v1::Secret, events::v1::Event as KubeEvent};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use serde_json::json;
use simulated_portal::{
    ApiKey, Fault, FaultId, Installation, Keep, Portal, Request, SimulatedPortal, Tenant,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::Result;

/// Requests in flight while everything is created.
const IN_FLIGHT: usize = 32;
/// A portal that failed is as healthy as others this long afterwards: its object is read again by then.
const RECOVERS_WITHIN: Duration = Duration::from_secs(240);

/// A write whose answer is lost may be carried out for this long.
const MAY_LAND_FOR: Duration = lost_write::MAY_LAND_FOR.unsigned_abs();

/// An object, its Secret and its portal.
pub struct Object {
    /// Name of the object; the Secret has the same.
    pub name: String,
    /// The shard that it belongs to.
    pub shard: &'static str,
    /// Its portal.
    pub portal: Portal,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// All that its Secret ever held; the last one is valid.
    keys: Vec<String>,
    /// Something is done to it right now.
    is_taken: bool,
    /// Its portal fails right now.
    fails: bool,
    /// Its portal failed until then, or its last write is lost until then.
    failed_until: Option<Instant>,
    /// Its portal's failures that a call met.
    failures_met: usize,
    /// The changes of its schedule, with each creation.
    changes: usize,
}

/// All of them.
pub struct Objects {
    /// In the order of their names.
    pub all: Vec<Arc<Object>>,
    /// The namespace of everything.
    pub namespace: Namespace,
    server: SimulatedPortal,
    schedules: Api<DocSpaceBackupSchedule>,
    secrets: Api<Secret>,
    seen: watch::Receiver<HashMap<String, DocSpaceBackupSchedule>>,
    _watch: JoinHandle<()>,
}

/// An object that nobody else may touch while this lives.
pub struct Taken(pub Arc<Object>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().is_taken = false;
    }
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
        let (seen, watch) = watched(schedules.clone());
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
                let key = object.state.lock().unwrap().keys[0].clone();
                let secret = secret(&object.name, &[("apiKey", &key)]);
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
        let mut manifest = nightly(&self.server.url());
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
        object.state.lock().unwrap().changes += 1;
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
        object.state.lock().unwrap().changes += 1;
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
        let keys = &mut object.state.lock().unwrap().keys;
        keys.push(key);
        object.portal.revoke_key(&keys[keys.len() - 2]);
        Ok(())
    }

    /// Lets the next write to the portal of an object get this answer.
    pub fn lose_a_write(&self, object: &Object, fault: Fault) {
        // For ten minutes it may still be carried out.
        object.state.lock().unwrap().failed_until = Some(Instant::now() + MAY_LAND_FOR);
        let fault = fault.to("createbackupschedule").times(1);
        self.server.order(fault.of(&object.portal));
    }

    /// Lets the portal of an object fail.
    pub fn fail(&self, object: &Object, fault: Fault) -> FaultId {
        object.state.lock().unwrap().fails = true;
        self.server.order(fault.of(&object.portal))
    }

    /// Ends a failure.
    pub fn heal(&self, object: &Object, fault: FaultId) {
        let mut state = object.state.lock().unwrap();
        state.fails = false;
        state.failed_until = Some(Instant::now());
        state.failures_met += usize::from(self.server.hits(fault) > 0);
        self.server.clear_fault(fault);
    }

    /// Ends all failures.
    pub fn clear_faults(&self) {
        self.server.clear_faults();
    }

    /// A random object to which nothing is done now, and whose portal has worked for some minutes, if chance finds one.
    pub fn take(&self, random: &mut fastrand::Rng) -> Option<Taken> {
        let now = Instant::now();
        (0..500).find_map(|_| {
            let object = &self.all[random.usize(..self.all.len())];
            let mut state = object.state.lock().unwrap();
            let recovered = |ended| now.duration_since(ended) > RECOVERS_WITHIN;
            let fits = !state.is_taken && !state.fails && state.failed_until.is_none_or(recovered);
            state.is_taken |= fits;
            fits.then(|| Taken(object.clone()))
        })
    }

    /// Waits until the API server shows that the object fulfils a condition; `None` is an object that is gone.
    pub async fn wait(
        &self,
        name: &str,
        within: Duration,
        wanted: impl Fn(Option<&DocSpaceBackupSchedule>) -> bool,
    ) -> bool {
        let mut seen = self.seen.clone();
        timeout(within, seen.wait_for(|seen| wanted(seen.get(name))))
            .await
            .is_ok()
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
            if timeout_at(start + within, seen.changed()).await.is_err() {
                let first: Vec<_> = stuck.iter().take(5).cloned().collect();
                return Err(format!("{} objects are stuck: {}", stuck.len(), first.join("; ")).into());
            }
        }
    }

    fn unsettled(&self, seen: &HashMap<String, DocSpaceBackupSchedule>) -> Vec<String> {
        let settled = |object: &&Arc<Object>| {
            seen.get(&object.name)
                .is_some_and(|shown| object.is_in_order(shown))
        };
        let rest = self.all.iter().filter(|object| !settled(object));
        rest.map(|object| match seen.get(&object.name) {
            None => format!("{}: not there", object.name),
            Some(shown) => {
                let ready = condition(shown.status.as_ref(), "Ready");
                let why = ready.map(|ready| format!("{} {}", ready.reason, ready.message));
                format!("{}: {}", object.name, why.unwrap_or_default())
            }
        })
        .collect()
    }

    /// Waits, and returns how many writes are sent to portals meanwhile.
    pub async fn writes_within(&self, time: Duration) -> usize {
        let before = self.writes().len();
        sleep(time).await;
        self.writes().len() - before
    }

    /// The writes that were sent to portals, in order.
    pub fn writes(&self) -> Vec<Request> {
        self.server.log().requests()
    }

    /// The writes that portals carried out, in order.
    pub fn carried_out(&self) -> Vec<Request> {
        self.server.log().writes_carried_out()
    }

    /// The failures of portals that a call met.
    pub fn failures_met(&self) -> usize {
        let met = |object: &Arc<Object>| object.state.lock().unwrap().failures_met;
        self.all.iter().map(met).sum()
    }

    /// All keys that ever were in Secrets.
    pub fn keys(&self) -> Vec<String> {
        let keys = |object: &Arc<Object>| object.state.lock().unwrap().keys.clone();
        self.all.iter().flat_map(keys).collect()
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

impl Object {
    fn new(number: usize, server: &SimulatedPortal) -> Self {
        let portal = server.add_tenant(Tenant::at(&format!("portal-{number:05}.test")));
        let state = State {
            keys: vec![portal.issue_key(ApiKey::named("soak"))],
            ..State::default()
        };
        Self {
            name: format!("object-{number:05}"),
            shard: if number.is_multiple_of(2) { "a" } else { "b" },
            portal,
            state: Mutex::new(state),
        }
    }

    /// The changes of its schedule, with each creation.
    pub fn changes(&self) -> usize {
        self.state.lock().unwrap().changes
    }

    /// Whether it is Ready as its spec is now, with a valid key, and its portal holds what it says.
    pub fn is_in_order(&self, shown: &DocSpaceBackupSchedule) -> bool {
        let is_true = |kind| {
            let condition = condition(shown.status.as_ref(), kind);
            condition.is_some_and(|found| {
                found.status == "True" && found.observed_generation == shown.metadata.generation
            })
        };
        let hour = shown.spec.cron_params.hour;
        let held = self.portal.schedule(false);
        is_true("Ready")
            && is_true("CredentialsValid")
            && held.is_some_and(|held| held.cron == format!("0 0 {hour} ? * *"))
    }
}

/// What a watch shows, kept up to date.
fn watched(
    api: Api<DocSpaceBackupSchedule>,
) -> (
    watch::Receiver<HashMap<String, DocSpaceBackupSchedule>>,
    JoinHandle<()>,
) {
    let (seen, receiver) = watch::channel(HashMap::new());
    let task = tokio::spawn(async move {
        let mut events = Box::pin(watcher(api, watcher::Config::default()).default_backoff());
        let mut listed = HashMap::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => drop(listed.insert(object.name_any(), object)),
                Ok(Event::InitDone) => drop(seen.send_replace(std::mem::take(&mut listed))),
                Ok(Event::Apply(object)) => {
                    seen.send_modify(|seen| drop(seen.insert(object.name_any(), object)));
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
