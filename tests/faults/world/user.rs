//! What the user does.

use std::time::Instant;

use docspace_backup_operator::api::{DocSpaceBackupSchedule, REQUESTED_AT, Status};
use harness::API_KEY;
use jiff::SignedDuration;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use simulated_portal::ApiKey;

use super::{World, secret_value, setup::AT_STAKE};
use crate::manifest::{NAME, STORAGE};

/// After this time, DocSpace has carried out a lost write, or never will.
const A_LOST_WRITE_HAS_LANDED: SignedDuration = SignedDuration::from_mins(11);

impl World {
    fn schedules(&self) -> Api<DocSpaceBackupSchedule> {
        self.namespace.schedules(&self.client)
    }

    pub async fn create(&self) {
        let object = self.manifest.object(&self.server, &self.row);
        let created = self.schedules().create(&PostParams::default(), &object).await;
        created.expect("the object is accepted");
    }

    pub async fn delete(&mut self) {
        self.deleted_at = Some(Instant::now());
        let deleted = self.schedules().delete(NAME, &DeleteParams::default()).await;
        deleted.expect("the deletion is accepted");
    }

    pub async fn change_hour(&mut self, hour: i32) {
        self.manifest.hour = hour;
        self.wanted.push(self.manifest.clone());
        self.patch(json!({"spec": {"cronParams": {"hour": hour}}})).await;
    }

    /// Consents to what is said of archives: all of them are kept.
    pub async fn keep_archives(&mut self) {
        self.manifest.stored = AT_STAKE;
        self.wanted.push(self.manifest.clone());
        self.patch(json!({"spec": {"backupsStored": AT_STAKE}})).await;
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
        self.secrets.push(key.clone());
        self.key = key;
    }

    /// Asks for a reconcile, as the documentation tells where an object is stalled. Gives the value of the annotation.
    pub async fn request(&self) -> String {
        let now = format!("{:016x}", fastrand::u64(..));
        self.patch(json!({"metadata": {"annotations": {REQUESTED_AT: now}}}))
            .await;
        now
    }

    pub async fn wipe_status(&self) {
        let patch = Patch::Merge(json!({"status": null}));
        let wiped = self
            .schedules()
            .patch_status(NAME, &PatchParams::default(), &patch)
            .await;
        wiped.expect("the patch is accepted");
    }

    /// A lost write is older than DocSpace needs to carry it out. No process remembers it, and the status tells an earlier
    /// time.
    pub(super) async fn age_the_lost_write(&self) {
        let object = self.object().expect("the object is there");
        let Some(lost) = object.status.as_ref().and_then(Status::lost_request) else {
            return;
        };
        let earlier = lost.time.0 - A_LOST_WRITE_HAS_LANDED;
        let patch = Patch::Merge(json!({"status": {"lastRequest": {"time": earlier}}}));
        let aged = self
            .schedules()
            .patch_status(NAME, &PatchParams::default(), &patch)
            .await;
        aged.expect("the patch is accepted");
    }

    async fn patch(&self, patch: Value) {
        let patched = self
            .schedules()
            .patch(NAME, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.expect("the patch is accepted");
    }

    pub(super) async fn set_secret(&self, name: &str, key: &str, value: &str) {
        let secret = harness::secret(name, &[(key, value)]);
        let api = self.namespace.secrets(&self.client);
        let patch = Patch::Apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": secret.data,
        }));
        let set = api.patch(name, &PatchParams::apply("user").force(), &patch).await;
        set.expect("the Secret is accepted");
    }
}
