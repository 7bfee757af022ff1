//! The world of a row: a namespace, a portal, an operator that is started again when it ends, and a user.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, REQUESTED_AT};
use harness::{API_KEY, ApiFront, KubeCall, KubeFault, KubeFaultId, Namespace, Operator, control_plane};
use jiff::SignedDuration;
use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use simulated_portal::{ApiKey, Archive, FaultId, Installation, Portal, Schedule, SimulatedPortal};
use tokio::time::sleep;

use crate::{
    manifest::{Manifest, NAME, STORAGE},
    row::{Injected, Row},
    seen::Seen,
};

const OPERATOR: &str = env!("CARGO_BIN_EXE_docspace-backup-operator");
/// A quick election, so that a restart costs little time.
const ELECTION: &str = "--leader-election --lease-duration 5s --renew-deadline 3s --retry-period 500ms";
/// A node starts an operator again after this time.
const RESTARTS_AFTER: Duration = Duration::from_millis(500);
/// A condition is checked at least this often, because not everything tells that it has changed.
const TICK: Duration = Duration::from_millis(100);
/// How many archives the portal has; as many as the manifest keeps.
const ARCHIVES: usize = 7;

/// The world of a row.
pub struct World {
    pub row: Row,
    pub client: Client,
    pub namespace: Namespace,
    pub server: SimulatedPortal,
    pub portal: Portal,
    pub front: ApiFront,
    pub seen: Seen,
    pub manifest: Manifest,
    /// What was wanted, in turn.
    pub wanted: Vec<Manifest>,
    /// No text of the operator may have one of these.
    pub secrets: Vec<String>,
    /// When a process was started.
    pub starts: Vec<Instant>,
    pub operator: Option<Operator>,
    kubeconfig: PathBuf,
    ended: Option<Instant>,
    active: Vec<Active>,
}

/// A present fault.
enum Active {
    Kube(KubeFaultId),
    Portal(FaultId),
}

impl World {
    /// Everything but a running operator and the object.
    pub async fn of(row: &Row) -> Self {
        let plane = control_plane();
        let client = plane.client().await;
        let namespace = Namespace::create(&client).await;
        let server = SimulatedPortal::start(Installation::default()).await;
        let portal = server.first();
        // Of others: the operator must leave them alone.
        portal.set_schedule(Schedule {
            dump: true,
            ..Schedule::every_day(11)
        });
        for number in 0..ARCHIVES {
            let made = server.clock().now() - SignedDuration::from_hours(24 * (number as i64 + 1));
            portal.add_archive(false, Archive::scheduled(&format!("before-{number}"), made));
        }
        let front = ApiFront::of(plane).await;
        let kubeconfig = front.kubeconfig(plane, &plane.kubeconfig_in(namespace.name()));
        let seen = Seen::of(namespace.schedules(&client));
        let manifest = Manifest {
            hour: 3,
            storage_key: secret_value(),
        };
        let mut world = Self {
            row: row.clone(),
            client,
            namespace,
            server,
            portal,
            front,
            seen,
            wanted: vec![manifest.clone()],
            secrets: vec![manifest.storage_key.clone()],
            manifest,
            starts: Vec::new(),
            operator: None,
            kubeconfig,
            ended: None,
            active: Vec::new(),
        };
        world.new_key().await;
        world
            .set_secret(STORAGE, "sse", &world.manifest.storage_key)
            .await;
        if row.pages {
            for list in [KubeCall::ListObjects, KubeCall::ListSecrets] {
                world.front.always(list, KubeFault::Answer(422));
            }
        }
        world
    }

    /// Starts the operator.
    pub async fn start(&mut self) {
        let elected = ELECTION.split(' ').filter(|_| self.row.elected);
        let arguments: Vec<_> = elected.collect();
        let name = self.namespace.name();
        self.starts.push(Instant::now());
        self.operator = Some(Operator::start(OPERATOR, &self.kubeconfig, name, &arguments).await);
    }

    /// Kills the operator and starts it again.
    pub async fn kill(&mut self) {
        self.starts.push(Instant::now());
        let operator = self.operator.as_mut().expect("it was started");
        operator.has_ended();
        operator.restart().await;
    }

    /// Does what a node does: starts an operator again that has ended.
    async fn tend(&mut self) {
        let Some(operator) = &mut self.operator else {
            return;
        };
        if operator.has_ended().is_some() {
            self.ended = Some(Instant::now());
        }
        if self.ended.is_some_and(|ended| ended.elapsed() >= RESTARTS_AFTER) {
            self.ended = None;
            self.kill().await;
        }
    }

    /// Begins the faults of the row.
    pub fn fail(&mut self) {
        let order = |fault: &Injected| match *fault {
            Injected::Kube(call, fault) => Active::Kube(self.front.order(call, fault)),
            Injected::Portal(call, _) => match call {},
        };
        self.active = self.row.faults.iter().map(order).collect();
    }

    /// How many requests each present fault has met.
    pub fn hits(&self) -> Vec<u64> {
        let hits = |active: &Active| match active {
            Active::Kube(fault) => fault.hits(),
            Active::Portal(fault) => self.server.hits(*fault),
        };
        self.active.iter().map(hits).collect()
    }

    /// Ends the faults.
    pub fn recover(&mut self) -> Vec<u64> {
        let hits = self.hits();
        self.active.clear();
        self.front.end_faults();
        self.server.clear_faults();
        hits
    }

    /// Waits for a condition; returns how long that took. Fails after the deadline, with what there was to see.
    pub async fn until(&mut self, what: &str, deadline: Duration, is: impl Fn(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !is(self) {
            if began.elapsed() > deadline {
                panic!("{what}: not within {deadline:?}\n{}", self.shown());
            }
            self.tend().await;
            tokio::select! {
                () = self.seen.changed() => {}
                () = self.front.changed() => {}
                () = sleep(TICK) => {}
            }
        }
        began.elapsed()
    }

    /// What there is to see.
    pub fn shown(&self) -> String {
        const LINES: usize = 25;
        let object = self.seen.newest().map(|object| {
            let mut object = serde_json::to_value(&*object).expect("JSON");
            object["metadata"]["managedFields"] = Value::Null;
            serde_saphyr::to_string(&object).expect("YAML")
        });
        let log = match self.starts.is_empty() {
            true => String::new(),
            false => harness::log_of(self.namespace.name()),
        };
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
        format!(
            "wanted: {:?}\nthe portal: {:?}\nthe object:\n{}\nthe log ends with:\n{tail}",
            self.manifest,
            self.portal.schedule(false),
            object.unwrap_or_else(|| "is not there".into()),
        )
    }

    // The user.

    pub async fn create(&self) {
        let object = self.manifest.object(&self.server.url());
        let api = self.namespace.schedules(&self.client);
        let created = api.create(&PostParams::default(), &object).await;
        created.expect("the object is accepted");
    }

    pub async fn delete(&self) {
        let api = self.namespace.schedules(&self.client);
        let deleted = api.delete(NAME, &DeleteParams::default()).await;
        deleted.expect("the deletion is accepted");
    }

    pub async fn change_hour(&mut self, hour: i32) {
        self.manifest.hour = hour;
        self.wanted.push(self.manifest.clone());
        self.patch(json!({"spec": {"cronParams": {"hour": hour}}})).await;
    }

    pub async fn rotate_storage(&mut self) {
        self.manifest.storage_key = secret_value();
        self.wanted.push(self.manifest.clone());
        self.secrets.push(self.manifest.storage_key.clone());
        self.set_secret(STORAGE, "sse", &self.manifest.storage_key).await;
    }

    /// A new API key in the Secret. The old one stays valid, as for a while in any rotation.
    pub async fn new_key(&mut self) {
        let key = self.portal.issue_key(ApiKey::named("full"));
        self.set_secret(API_KEY, "apiKey", &key).await;
        self.secrets.push(key);
    }

    /// Asks for a reconcile, as the documentation tells where an object is stalled.
    pub async fn request(&self) {
        let now = format!("{:016x}", fastrand::u64(..));
        self.patch(json!({"metadata": {"annotations": {REQUESTED_AT: now}}}))
            .await;
    }

    pub async fn wipe_status(&self) {
        let api = self.namespace.schedules(&self.client);
        let patch = Patch::Merge(json!({"status": null}));
        let wiped = api.patch_status(NAME, &PatchParams::default(), &patch).await;
        wiped.expect("the patch is accepted");
    }

    async fn patch(&self, patch: Value) {
        let api = self.namespace.schedules(&self.client);
        let patched = api
            .patch(NAME, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.expect("the patch is accepted");
    }

    async fn set_secret(&self, name: &str, key: &str, value: &str) {
        let secret = harness::secret(name, &[(key, value)]);
        let api = self.namespace.secrets(&self.client);
        let patch = Patch::Apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": secret.data,
        }));
        let set = api.patch(name, &PatchParams::apply("user").force(), &patch).await;
        set.expect("the Secret is accepted");
    }

    // What is to be seen.

    pub fn object(&self) -> Option<std::sync::Arc<DocSpaceBackupSchedule>> {
        self.seen.newest()
    }

    /// The portal holds what the manifest says, and the status says so.
    pub fn is_as_wanted(&self) -> bool {
        let held = self.portal.schedule(false);
        held.is_some_and(|held| self.manifest.is(&held))
            && self.object().is_some_and(|object| is_ready(&object))
    }
}

/// Whether Ready is True for the current generation.
pub fn is_ready(object: &DocSpaceBackupSchedule) -> bool {
    let status = object.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation);
    observed.is_some() && observed == object.metadata.generation && condition_is(object, "Ready", "True")
}

/// Whether a condition has this status.
pub fn condition_is(object: &DocSpaceBackupSchedule, kind: &str, status: &str) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == kind)
        .any(|condition| condition.status == status)
}

/// The reason of Ready.
pub fn reason(object: &DocSpaceBackupSchedule) -> &str {
    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions
        .find(|condition| condition.type_ == "Ready")
        .map_or("", |ready| &ready.reason)
}

/// A value that occurs nowhere else.
fn secret_value() -> String {
    format!("canary-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
