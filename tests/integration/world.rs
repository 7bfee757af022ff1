//! What a test has before it: a namespace, a simulated portal with a key, and the operator that runs between them.

mod objects;
mod portal;

use std::{collections::BTreeMap, future::ready, pin::pin};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, REQUESTED_AT};
use futures::TryStreamExt;
use harness::{API_KEY, ControlPlane, DEADLINE, Namespace, Operator, control_plane, wait_for, wait_gone};
use k8s_openapi::{
    ByteString,
    api::{
        core::v1::{Namespace as KubeNamespace, Secret},
        events::v1::Event,
    },
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use simulated_portal::{ApiKey, Installation, Portal, SimulatedPortal};
use tokio::time::timeout;

pub use self::objects::{
    applied_reason, at, condition, every_day, into_a_folder, is_observed, is_ready, message, ready_reason_is,
    reason,
};

/// The real binary.
pub const OPERATOR: &str = env!("CARGO_BIN_EXE_docspace-backup-operator");

/// A namespace, a portal, and the operator.
pub struct World {
    pub client: Client,
    pub namespace: Namespace,
    pub server: SimulatedPortal,
    pub portal: Portal,
    /// A key that the portal takes; the Secret has it.
    pub key: String,
    pub operator: Operator,
}

impl World {
    /// With a good key in the Secret and the operator running.
    pub async fn new() -> Self {
        Self::with_arguments(&[]).await
    }

    /// The same, with an object that is Ready.
    pub async fn with_ready_nightly() -> Self {
        let world = Self::new().await;
        world.create(&world.nightly()).await;
        world.ready("nightly").await;
        world
    }

    /// The same without it, and with these arguments for the operator.
    pub async fn with_arguments(arguments: &[&str]) -> Self {
        Self::start(control_plane(), Installation::default(), arguments).await
    }

    /// On another control plane.
    pub async fn on(plane: &ControlPlane) -> Self {
        Self::start(plane, Installation::default(), &[]).await
    }

    /// With a portal that speaks TLS, with a certificate of its own authority.
    pub async fn with_tls() -> Self {
        Self::start(
            control_plane(),
            Installation::default().with_tls(&["127.0.0.1"]),
            &[],
        )
        .await
    }

    /// With an installation of this kind, whose clock stands still: at noon of November 23.
    pub async fn at_noon(installation: Installation) -> Self {
        let world = Self::start(control_plane(), installation, &[]).await;
        world.server.clock().set(at("11-23 12:00"));
        world
    }

    /// The same, with a standalone installation and an object that is Ready and backs up every day at this hour.
    pub async fn with_ready_at(hour: i32) -> Self {
        let world = Self::at_noon(Installation::default()).await;
        world.create(&world.nightly_at(hour)).await;
        world.ready("nightly").await;
        world
    }

    async fn start(plane: &ControlPlane, installation: Installation, arguments: &[&str]) -> Self {
        let client = plane.client().await;
        let namespace = Namespace::create(&client).await;
        let server = SimulatedPortal::start(installation).await;
        let portal = server.first();
        let key = portal.issue_key(ApiKey::named("full"));
        let operator = Operator::start(OPERATOR, &plane.kubeconfig(), namespace.name(), arguments).await;
        let world = Self {
            client,
            namespace,
            server,
            portal,
            key,
            operator,
        };
        world.set_key(&world.key).await;
        world
    }

    // Objects.

    /// The schedule that most tests are about.
    pub fn nightly(&self) -> DocSpaceBackupSchedule {
        harness::nightly(&self.server.url())
    }

    /// The same schedule at another hour.
    pub fn nightly_at(&self, hour: i32) -> DocSpaceBackupSchedule {
        let mut object = self.nightly();
        object.spec.cron_params.hour = hour;
        object
    }

    /// The same for a portal in the vendor's cloud, which answers to its own name only.
    pub fn in_the_cloud(&self, mut object: DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
        object.spec.portal.host_header = Some(self.portal.host());
        object
    }

    /// The other schedule of the portal, at this hour: `dump`.
    pub fn dump_at(&self, hour: i32) -> DocSpaceBackupSchedule {
        let mut object = self.nightly_at(hour);
        object.metadata.name = Some("dump".into());
        object.spec.dump = true;
        object
    }

    /// The same schedule as an object of another name.
    pub fn named(&self, name: &str) -> DocSpaceBackupSchedule {
        let mut object = self.nightly();
        object.metadata.name = Some(name.into());
        object
    }

    pub fn schedules(&self) -> Api<DocSpaceBackupSchedule> {
        self.namespace.schedules(&self.client)
    }

    pub async fn create(&self, object: &DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
        self.schedules()
            .create(&PostParams::default(), object)
            .await
            .expect("the object is accepted")
    }

    pub async fn get(&self, name: &str) -> DocSpaceBackupSchedule {
        self.schedules().get(name).await.expect("the object is there")
    }

    pub async fn patch(&self, name: &str, patch: Value) {
        let patch = Patch::Merge(patch);
        self.schedules()
            .patch(name, &PatchParams::default(), &patch)
            .await
            .expect("the patch is accepted");
    }

    pub async fn delete(&self, name: &str) {
        self.schedules()
            .delete(name, &DeleteParams::default())
            .await
            .expect("the deletion is accepted");
    }

    pub async fn wait(
        &self,
        name: &str,
        wanted: impl Fn(&DocSpaceBackupSchedule) -> bool,
    ) -> DocSpaceBackupSchedule {
        wait_for(&self.schedules(), name, DEADLINE, wanted).await
    }

    /// Waits until Ready is True for the present generation.
    pub async fn ready(&self, name: &str) -> DocSpaceBackupSchedule {
        self.wait(name, is_ready).await
    }

    /// Waits until the object is stalled for this reason.
    pub async fn stalled(&self, name: &str, reason: &str) -> DocSpaceBackupSchedule {
        self.wait(name, |object| {
            is_observed(object) && ready_reason_is(object, reason) && condition(object, "Stalled").is_some()
        })
        .await
    }

    /// Waits until Ready has this reason, stalled or not.
    pub async fn told(&self, name: &str, reason: &str) -> DocSpaceBackupSchedule {
        self.wait(name, |object| {
            is_observed(object) && ready_reason_is(object, reason)
        })
        .await
    }

    /// Waits until BackupFresh has this reason.
    pub async fn fresh(&self, name: &str, wanted: &str) -> DocSpaceBackupSchedule {
        self.wait(name, |object| reason(object, "BackupFresh") == Some(wanted))
            .await
    }

    /// Brings a look at the portal, and waits until BackupFresh has this reason.
    pub async fn look(&self, name: &str, wanted: &str) -> DocSpaceBackupSchedule {
        self.touch_secret().await;
        self.fresh(name, wanted).await
    }

    /// Time goes by until `nightly` has an archive that is listed, and until that is listed still.
    pub async fn proved(&self, listed: &str, still_listed: &str) -> DocSpaceBackupSchedule {
        self.live_until(listed);
        self.look("nightly", "Confirming").await;
        self.live_until(still_listed);
        self.look("nightly", "BackupFound").await
    }

    pub async fn gone(&self, name: &str) {
        wait_gone(&self.schedules(), name, DEADLINE).await;
    }

    /// Asks for a reconcile now, and waits until that was done.
    pub async fn request(&self, name: &str) -> DocSpaceBackupSchedule {
        let now = format!("{:016x}", fastrand::u64(..));
        self.patch(name, json!({"metadata": {"annotations": {REQUESTED_AT: now}}}))
            .await;
        let echoed = |object: &DocSpaceBackupSchedule| {
            object
                .status
                .as_ref()
                .is_some_and(|status| status.last_handled_reconcile_at.as_ref() == Some(&now))
        };
        self.wait(name, echoed).await
    }

    /// Takes the status away, as a restore from a backup does.
    pub async fn wipe_status(&self, name: &str) {
        let patch = Patch::Merge(json!({"status": null}));
        self.schedules()
            .patch_status(name, &PatchParams::default(), &patch)
            .await
            .expect("the patch is accepted");
    }

    /// The Events with this reason.
    pub async fn events(&self, reason: &str) -> usize {
        self.all_events()
            .await
            .iter()
            .filter(|event| event.reason.as_deref() == Some(reason))
            .count()
    }

    /// Waits for the Event with this reason, the only one, and gives its type and its text.
    pub async fn event(&self, reason: &str) -> (String, String) {
        let events = watcher(self.events_api(), watcher::Config::default()).applied_objects();
        let mut found = pin!(events.try_filter(|event| ready(event.reason.as_deref() == Some(reason))));
        let event = match timeout(DEADLINE, found.try_next()).await {
            Ok(event) => event
                .expect("Events can be watched")
                .expect("a watch does not end"),
            Err(_) => panic!("no Event {reason}\n{}", self.operator.log()),
        };
        assert_eq!(self.events(reason).await, 1, "{reason}");
        (event.type_.unwrap_or_default(), event.note.unwrap_or_default())
    }

    fn events_api(&self) -> Api<Event> {
        Api::namespaced(self.client.clone(), self.namespace.name())
    }

    pub async fn all_events(&self) -> Vec<Event> {
        self.events_api()
            .list(&ListParams::default())
            .await
            .expect("Events can be listed")
            .items
    }

    pub async fn delete_namespace(&self) {
        let api = Api::<KubeNamespace>::all(self.client.clone());
        api.delete(self.namespace.name(), &DeleteParams::default())
            .await
            .expect("the deletion is accepted");
    }

    // Secrets.

    pub async fn set_key(&self, key: &str) {
        self.set_secret(API_KEY, &[("apiKey", key.as_bytes())]).await;
    }

    pub async fn set_secret(&self, name: &str, data: &[(&str, &[u8])]) {
        let api = self.namespace.secrets(&self.client);
        let data: BTreeMap<String, ByteString> = data
            .iter()
            .map(|(key, value)| ((*key).into(), ByteString(value.to_vec())))
            .collect();
        let mut secret = harness::secret(name, &[]);
        secret.data = Some(data);
        match api.create(&PostParams::default(), &secret).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                api.replace(name, &PostParams::default(), &secret)
                    .await
                    .map(drop)
                    .expect("the Secret is replaced");
            }
            result => drop(result.expect("the Secret is created")),
        }
    }

    pub async fn annotate_secret(&self, annotation: &str, value: &str) {
        self.annotate(API_KEY, annotation, value).await;
    }

    /// Changes the Secret but not its values, which brings a look at the portal.
    pub async fn touch_secret(&self) {
        self.touch(API_KEY).await;
    }

    /// The same of another Secret.
    pub async fn touch(&self, secret: &str) {
        self.annotate(secret, "touched", &format!("{:016x}", fastrand::u64(..)))
            .await;
    }

    async fn annotate(&self, secret: &str, annotation: &str, value: &str) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
        let api: Api<Secret> = self.namespace.secrets(&self.client);
        api.patch(secret, &PatchParams::default(), &patch)
            .await
            .expect("the patch is accepted");
    }

    pub async fn delete_secret(&self, name: &str) {
        let api = self.namespace.secrets(&self.client);
        api.delete(name, &DeleteParams::default())
            .await
            .expect("the deletion is accepted");
    }
}
