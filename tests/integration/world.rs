//! The environment of a test: a namespace, a simulated portal with a key, and the running operator.

pub mod checks;
pub mod front;
mod objects;
mod portal;
mod processes;
pub mod replicas;
pub mod rights;
mod secrets;
mod setup;

use std::{future::ready, pin::pin, time::Duration};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, REQUESTED_AT};
use futures::TryStreamExt;
use harness::{Audit, DEADLINE, Namespace, wait_for, wait_gone};
use k8s_openapi::api::{core::v1::Namespace as KubeNamespace, events::v1::Event};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use simulated_portal::{Portal, Request, SimulatedPortal};
use tokio::time::timeout;

use self::{
    checks::{Believed, Changed, without_mark},
    processes::Processes,
    rights::ACCOUNT,
};
pub use self::{
    objects::{
        applied_reason, at, condition, every_day, into_a_folder, is_observed, is_ready, message,
        ready_reason_is, reason,
    },
    setup::Setup,
};

/// The real binary.
pub const OPERATOR: &str = env!("CARGO_BIN_EXE_docspace-backup-operator");

/// A namespace, a portal, and the operator.
pub struct World {
    pub client: Client,
    pub namespace: Namespace,
    /// The namespace of the operator's account and Lease: the same, or another.
    home: Namespace,
    pub server: SimulatedPortal,
    pub portal: Portal,
    /// A key that the portal accepts; the Secret holds it.
    pub key: String,
    pub operator: Processes,
    /// The requests to Kubernetes since the start.
    audit: Audit,
    /// Whether something was changed whose effect is awaited.
    changed: Changed,
    /// What the operator knows of the portal's clock.
    believed: Believed,
}

impl Drop for World {
    /// Checks that apply to every test, with one operator or two.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.operator.check();
        let log = self.server.log();
        let slot = |request: &Request| (request.tenant_id, request.is_of_dump());
        for write in log.requests().iter().filter(|request| request.is_write()) {
            let of_slot = |other: &Request| other.is_write() && slot(other) == slot(write);
            let writes = log.most_at_once(of_slot);
            assert!(writes <= 1, "{writes} writes of one schedule at once");
            if !self.operator.stays() {
                replicas::tally("write");
            }
        }
        let refused = self.audit.refused(&format!("{}:{ACCOUNT}", self.home.name()));
        assert!(refused.is_empty(), "the operator lacks rights: {refused:?}");
    }
}

impl World {
    // Objects.

    /// The schedule that most tests use.
    pub fn nightly(&self) -> DocSpaceBackupSchedule {
        harness::nightly(&self.server.url())
    }

    /// The same schedule at another hour.
    pub fn nightly_at(&self, hour: i32) -> DocSpaceBackupSchedule {
        let mut object = self.nightly();
        object.spec.cron_params.hour = hour;
        object
    }

    /// The same for a portal in the vendor's cloud, which answers only for its own host name.
    pub fn in_the_cloud(&self, mut object: DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
        object.spec.portal.host_header = Some(self.portal.host());
        object
    }

    /// The portal's other schedule (`dump: true`), at this hour.
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

    /// The portal's URL with another host name of its server.
    pub fn localhost(&self) -> String {
        format!("http://localhost:{}", self.server.port())
    }

    /// An object `second` of the same portal by that name, at this hour.
    pub fn second_at_localhost(&self, hour: i32) -> DocSpaceBackupSchedule {
        let mut second = self.nightly_at(hour);
        second.metadata.name = Some("second".into());
        second.spec.portal.url = self.localhost();
        second
    }

    pub fn schedules(&self) -> Api<DocSpaceBackupSchedule> {
        self.namespace.schedules(&self.client)
    }

    pub async fn create(&self, object: &DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
        self.first_hears_clock();
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

    /// In tests that end leaders, a change may take as long as several leaders.
    fn deadline(&self) -> Duration {
        if self.operator.stays() {
            DEADLINE
        } else {
            3 * DEADLINE
        }
    }

    pub async fn wait(
        &self,
        name: &str,
        wanted: impl Fn(&DocSpaceBackupSchedule) -> bool,
    ) -> DocSpaceBackupSchedule {
        let api = self.schedules();
        let waited = self.comes(wait_for(&api, name, self.deadline(), wanted));
        without_mark(waited.await)
    }

    /// Waits until Ready is True for the current generation.
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

    /// Waits until the portal has had its minute to show the schedule that it accepted.
    pub async fn does_not_converge(&self, name: &str) {
        const MINUTE: Duration = Duration::from_secs(60);
        let stalled = |object: &DocSpaceBackupSchedule| {
            ready_reason_is(object, "NotConverging") && condition(object, "Stalled").is_some()
        };
        let within = MINUTE + self.deadline();
        self.comes(wait_for(&self.schedules(), name, within, stalled))
            .await;
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

    /// Triggers a check of the portal, and waits until BackupFresh has this reason.
    pub async fn look(&self, name: &str, wanted: &str) -> DocSpaceBackupSchedule {
        self.check_now().await;
        self.fresh(name, wanted).await
    }

    /// Advances the clock until an archive of `nightly` is listed, and then until a later check lists it again.
    pub async fn proved(&self, listed: &str, still_listed: &str) -> DocSpaceBackupSchedule {
        self.live_until(listed);
        self.look("nightly", "Confirming").await;
        self.live_until(still_listed);
        self.look("nightly", "BackupFound").await
    }

    /// Moves `nightly` to an address without a server, and deletes it there.
    pub async fn leave_nightly_behind(&self) {
        let elsewhere = json!({"spec": {"portal": {"url": "http://127.0.0.1:9"}}});
        self.patch("nightly", elsewhere).await;
        self.told("nightly", "Unreachable").await;
        self.delete("nightly").await;
        self.gone("nightly").await;
    }

    pub async fn gone(&self, name: &str) {
        self.comes(wait_gone(&self.schedules(), name, self.deadline()))
            .await;
    }

    /// Requests a reconcile, and waits until it is done; twice if the portal's clock jumped. Of two requests, the second
    /// is carried out two seconds after the first.
    pub async fn request(&self, name: &str) -> DocSpaceBackupSchedule {
        self.request_with(name, || json!({})).await
    }

    /// The same with a small change of the spec, so that it need not wait. The operator reads everything again.
    pub async fn request_at_once(&self, name: &str) -> DocSpaceBackupSchedule {
        let change = || json!({"interval": format!("{}s", fastrand::u32(3600..86_400))});
        self.request_with(name, change).await
    }

    async fn request_with(&self, name: &str, change: fn() -> Value) -> DocSpaceBackupSchedule {
        let jumped = self.clock_jumped();
        if jumped {
            Box::pin(self.request_once(name, change())).await;
        }
        let mut object = Box::pin(self.request_once(name, change())).await;
        for _ in 0..self.further_checks(jumped) {
            if self.is_believed_by(&object) {
                break;
            }
            object = Box::pin(self.request_once(name, change())).await;
        }
        object
    }

    async fn request_once(&self, name: &str, spec: Value) -> DocSpaceBackupSchedule {
        let now = random();
        let annotations = json!({REQUESTED_AT: now});
        let patch = json!({"metadata": {"annotations": annotations}, "spec": spec});
        self.patch(name, patch).await;
        let echoed = |object: &DocSpaceBackupSchedule| {
            object
                .status
                .as_ref()
                .is_some_and(|status| status.last_handled_reconcile_at.as_ref() == Some(&now))
        };
        self.wait(name, echoed).await
    }

    /// Removes the status, as a restore from a backup does.
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

    /// Waits for the only Event with this reason, and returns its type and text.
    pub async fn event(&self, reason: &str) -> (String, String) {
        let is_it = |event: &Event| event.reason.as_deref() == Some(reason);
        let event = self.first_event(reason, is_it).await;
        assert_eq!(self.events(reason).await, 1, "{reason}");
        (event.type_.unwrap_or_default(), event.note.unwrap_or_default())
    }

    /// Waits for the first Event that is the one that this text names.
    pub async fn first_event(&self, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
        let events = watcher(self.events_api(), watcher::Config::default()).applied_objects();
        let mut found = pin!(events.try_filter(|event| ready(is_it(event))));
        match self.comes(timeout(self.deadline(), found.try_next())).await {
            Ok(event) => event
                .expect("Events can be watched")
                .expect("a watch does not end"),
            Err(_) => panic!("no Event {what}\n{}", self.operator.log()),
        }
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
}

/// A unique text.
pub fn random() -> String {
    format!("{:016x}", fastrand::u64(..))
}
