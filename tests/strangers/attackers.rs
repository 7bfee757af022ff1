//! The attackers' namespace.

use std::{
    collections::{BTreeMap, HashSet},
    pin::pin,
};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, ManagementPolicy, REQUESTED_AT};
use futures::{StreamExt, TryStreamExt, stream};
use harness::Namespace;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;

/// The most requests to Kubernetes at a time: attackers share the API server with the victims.
const AT_ONCE: usize = 8;
/// The Secret with the keys of all.
const KEYS: &str = "keys";

/// A tenant with the right to objects and Secrets of one namespace.
#[derive(Clone)]
pub struct Attackers {
    schedules: Api<DocSpaceBackupSchedule>,
    secrets: Api<Secret>,
}

impl Attackers {
    pub fn of(client: &Client, namespace: &Namespace) -> Self {
        Self {
            schedules: namespace.schedules(client),
            secrets: namespace.secrets(client),
        }
    }

    /// Creates the Secret that [`observer`] names, with this many keys.
    pub async fn keys(&self, count: usize) {
        let keys = (0..count).map(|number| (name(number), random().into_bytes()));
        self.secret(KEYS, keys.collect()).await;
    }

    /// Creates a Secret.
    pub async fn secret(&self, name: &str, data: BTreeMap<String, Vec<u8>>) {
        let mut secret = harness::secret(name, &[]);
        secret.data = Some(
            data.into_iter()
                .map(|(key, value)| (key, ByteString(value)))
                .collect(),
        );
        self.secrets([secret]).await;
    }

    /// Creates Secrets.
    pub async fn secrets(&self, secrets: impl IntoIterator<Item = Secret>) {
        all(&self.secrets, secrets).await;
    }

    /// Creates objects.
    pub async fn objects(&self, objects: impl IntoIterator<Item = DocSpaceBackupSchedule>) {
        all(&self.schedules, objects).await;
    }

    /// Creates this many objects, and their keys.
    pub async fn with_keys(&self, count: usize, object: impl Fn(usize) -> DocSpaceBackupSchedule) {
        self.keys(count).await;
        self.objects((0..count).map(object)).await;
    }

    /// Creates this many observers at this URL, and their keys.
    pub async fn observers(&self, count: usize, url: &str) {
        self.with_keys(count, |number| observer(number, url)).await;
    }

    /// Creates this many enforcers at this URL, and their keys. Each reads the history before it writes.
    pub async fn enforcers(&self, count: usize, url: &str) {
        self.with_keys(count, |number| enforcer(number, url)).await;
    }

    /// Requests a look at each of the first `count` objects.
    pub async fn request_all(&self, count: usize) {
        for number in 0..count {
            self.request(number).await;
        }
    }

    /// Waits until `count` objects have a status of their current generation.
    pub async fn wait_for_statuses(&self, count: usize) {
        let changes = watcher(self.schedules.clone(), watcher::Config::default()).default_backoff();
        let mut changes = pin!(changes.applied_objects());
        let mut done = HashSet::new();
        while done.len() < count {
            if let Ok(Some(object)) = changes.try_next().await
                && let Some(status) = &object.status
                && status.observed_generation == object.metadata.generation
            {
                done.insert(object.name_any());
            }
        }
    }

    /// Requests a look at this object.
    pub async fn request(&self, number: usize) {
        let patch = json!({"metadata": {"annotations": {REQUESTED_AT: random()}}});
        self.schedules
            .patch(&name(number), &PatchParams::default(), &Patch::Merge(patch))
            .await
            .expect("the patch is accepted");
    }
}

async fn all<K>(api: &Api<K>, objects: impl IntoIterator<Item = K>)
where
    K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let how = PostParams::default();
    stream::iter(objects)
        .map(async |object| api.create(&how, &object).await.map(drop))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .expect("attackers may create these");
}

/// The name of an attacker's object, and of its key.
pub fn name(number: usize) -> String {
    format!("stranger-{number:04}")
}

/// The number of the attacker's object at this Host.
pub fn number(host: &str) -> usize {
    let digits = host.trim_start_matches("stranger-").trim_end_matches(".test");
    digits.parse().expect("the Host of an attacker's object")
}

/// An object that only looks, at its own Host and with its own key.
pub fn observer(number: usize, url: &str) -> DocSpaceBackupSchedule {
    let mut object = enforcer(number, url);
    object.spec.management_policy = ManagementPolicy::Observe;
    object
}

/// An object that writes, at its own Host and with its own key.
pub fn enforcer(number: usize, url: &str) -> DocSpaceBackupSchedule {
    let mut object: DocSpaceBackupSchedule = harness::nightly(url);
    object.metadata.name = Some(name(number));
    object.spec.portal.host_header = Some(format!("{}.test", name(number)));
    object.spec.portal.api_key_secret_ref.name = KEYS.into();
    object.spec.portal.api_key_secret_ref.key = name(number);
    object
}

/// A text that nobody can guess.
pub fn random() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
