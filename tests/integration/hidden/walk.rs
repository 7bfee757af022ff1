//! A walk of random steps, and the situations that it must include.

use std::collections::{BTreeMap, BTreeSet};

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use fastrand::Rng;
use serde_json::{Value, json};
use simulated_portal::{Portal, Schedule};

use super::{canaries::Versions, portal::SHOWN, steps::Kind};
use crate::world::{Setup, World, every_day};

/// Parameters that come from the Secret `storage`, under the same keys.
pub const FROM_SECRET: [&str; 10] = [
    "ssekey",
    "sse",
    "serviceurl",
    "acesskey",
    "secretaccesskey",
    "json",
    "username",
    "apiKey",
    "public_container",
    "custom",
];
/// The Secret of these parameters.
pub const STORAGE: &str = "storage";

/// The state of the walk.
pub struct Walk {
    pub(super) world: World,
    versions: Versions,
    pub(super) rng: Rng,
    seed: u64,
    /// The API key in use.
    pub(super) key: String,
    /// The content of the Secret `storage`.
    pub(super) values: BTreeMap<&'static str, String>,
    /// The keys that the manifest uses.
    pub(super) params: BTreeSet<&'static str>,
    pub(super) hour: u8,
    pub(super) policy: &'static str,
    pub(super) adoption: &'static str,
    /// All values that were ever secret.
    secrets: Vec<String>,
    /// Kinds of steps left before any is repeated.
    deck: Vec<Kind>,
    steps: usize,
}

impl Walk {
    pub async fn begin(seed: u64) -> Self {
        let world = Setup::default().start(&[]).await;
        let mut walk = Self {
            versions: Versions::of(&world),
            rng: Rng::with_seed(seed),
            seed,
            key: world.key.clone(),
            values: BTreeMap::new(),
            params: FROM_SECRET[..4].iter().copied().collect(),
            hour: 3,
            policy: "Enforce",
            adoption: "Safe",
            secrets: vec![world.key.clone()],
            deck: Vec::new(),
            steps: 0,
            world,
        };
        for key in FROM_SECRET {
            walk.new_value(key);
        }
        walk.store_values().await;
        walk.world.create(&walk.object()).await;
        walk.world.ready("nightly").await;
        walk
    }

    /// One more step.
    pub async fn step(&mut self) {
        if self.deck.is_empty() {
            self.deck = Kind::ALL.into();
            self.rng.shuffle(&mut self.deck);
        }
        let kind = self.deck.pop().expect("there are kinds");
        eprintln!("step {}: {kind:?}, {} {:?}", self.steps, self.policy, self.params);
        self.make(kind).await;
        self.settle().await;
        self.steps += 1;
    }

    /// Checks that no secret was shown, and that the walk included all situations.
    pub async fn end(self) {
        let told = format!("CANARY_SEED={}", self.seed);
        self.versions
            .assert_none_of(&self.secrets, &self.world, &told)
            .await;
        let versions = self.versions.all(&self.world).await;
        let is_hidden =
            |param: &Value| SHOWN.iter().any(|key| param["key"] == *key) && param["value"] == "(hidden)";
        let hides = |version: &Value| {
            let params = version["status"]["observed"]["storageParams"].as_array();
            params.is_some_and(|params| params.iter().any(is_hidden))
        };
        assert!(
            versions.iter().any(hides),
            "{told}: nothing was hidden in status.observed"
        );
        for field in [
            "/apiKey/name",
            "/portal/version",
            "/portal/alias",
            "/lastRun/id",
            "/lastRequest/message",
        ] {
            let hides = |version: &Value| {
                let text = version["status"].pointer(field).and_then(Value::as_str);
                text.is_some_and(|text| text.contains("(hidden)"))
            };
            assert!(
                versions.iter().any(hides),
                "{told}: nothing was hidden in {field}"
            );
        }
    }

    /// Lets the portal answer correctly again, and waits for a check of the object.
    pub async fn settle(&self) {
        self.world.server.clear_faults();
        self.world.request_at_once("nightly").await;
    }

    /// The secrets that the operator currently reads.
    pub fn in_use(&self) -> Vec<String> {
        let values = self.params.iter().map(|key| self.values[key].clone());
        std::iter::once(self.key.clone()).chain(values).collect()
    }

    /// One of them.
    pub fn one_in_use(&mut self) -> String {
        let secrets = self.in_use();
        self.rng.choice(&secrets).expect("there is a key").clone()
    }

    /// A new value for a key of the Secret, not stored yet.
    pub fn new_value(&mut self, key: &'static str) {
        // The value may be used as a host, which is returned in lower case.
        let value = format!("C4nary-{}-{:016x}", key.replace('_', "-"), self.rng.u64(..));
        self.secrets.push(value.clone());
        self.values.insert(key, value);
    }

    /// A new API key, not in its Secret yet.
    pub fn new_key(&mut self, key: String) {
        self.secrets.push(key.clone());
        self.key = key;
    }

    pub async fn store_values(&self) {
        let data: Vec<_> = self
            .values
            .iter()
            .map(|(key, value)| (*key, value.as_bytes()))
            .collect();
        self.world.set_secret(STORAGE, &data).await;
    }

    /// The current manifest.
    pub fn object(&self) -> DocSpaceBackupSchedule {
        let mut object = json!(self.world.nightly());
        let mut params = object["spec"]["storageParams"].take();
        let list = params.as_array_mut().expect("a list");
        list.extend(
            self.params
                .iter()
                .map(|key| json!({"key": key, "valueFrom": {"secretKeyRef": {"name": STORAGE, "key": key}}})),
        );
        object["spec"]["storageParams"] = params;
        object["spec"]["cronParams"]["hour"] = json!(self.hour);
        object["spec"]["managementPolicy"] = json!(self.policy);
        object["spec"]["adoptionPolicy"] = json!(self.adoption);
        serde_json::from_value(object).expect("an object")
    }

    /// Applies the manifest.
    pub async fn apply(&self) {
        self.world
            .patch("nightly", json!({"spec": self.object().spec}))
            .await;
    }

    /// Stores the schedule of the manifest in the portal.
    pub fn hold_wanted(&self) {
        let mut params: BTreeMap<String, String> = [("module", "s3"), ("bucket", "backups")]
            .map(|(key, value)| (key.into(), value.into()))
            .into();
        params.extend(
            self.params
                .iter()
                .map(|key| ((*key).into(), self.values[key].clone())),
        );
        self.hold(params, self.hour);
    }

    /// A person stores a schedule with current secrets under every key.
    pub fn hold_secrets(&mut self) {
        let secrets = self.in_use();
        let mut params = BTreeMap::new();
        for key in SHOWN.iter().chain(&FROM_SECRET).chain(&["Region", "other"]) {
            let secret = self.rng.choice(&secrets).expect("there is a key");
            let value = match self.rng.u8(..3) {
                0 => format!("s3://{secret}/and more"),
                1 => secrets.join(","),
                _ => secret.clone(),
            };
            params.insert((*key).to_owned(), value);
        }
        let hour = self.rng.u8(..24);
        self.hold(params, hour);
    }

    fn hold(&self, storage_params: BTreeMap<String, String>, hour: u8) {
        self.world.portal.set_schedule(Schedule {
            storage_type: 5,
            storage_base_path: None,
            storage_params,
            cron: every_day(hour),
            ..Schedule::every_day(3)
        });
    }

    /// Whether the portal holds secrets under all keys whose values status shows.
    pub fn holds_secrets(&self) -> bool {
        let held = Portal::schedule(&self.world.portal, false);
        held.is_some_and(|held| {
            SHOWN.iter().all(|key| {
                let value = held.storage_params.get(*key);
                value.is_some_and(|value| self.secrets.iter().any(|secret| value.contains(secret)))
            })
        })
    }
}
