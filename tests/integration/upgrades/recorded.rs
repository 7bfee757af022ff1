//! The objects and the Lease that an earlier operator wrote, one file each.

use std::{fs, path::PathBuf};

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Map, Value, json};

use super::{
    handover::leases,
    stage::{STORAGE_SECRET, Stage, TABLE},
};
use crate::world::rights::ACCOUNT;

/// With this variable, the test writes the files anew.
pub const RECORD: &str = "DOCSPACE_RECORD_UPGRADES";
/// The commit of the operator that wrote them.
const VERSION: &str = "8c4be98";
/// What stands in the files for what another run has otherwise.
const SERVER: &str = "http://portals";
const PUNCTUAL: &str = "http://punctual-portals";
const UID: &str = "the uid";
const ARCHIVE: &str = "the id of the archive";
const KEY: &str = "the id of the key";
/// Times that are this near to the time of the recording are of the operator's clock.
const NEAR: SignedDuration = SignedDuration::from_hours(12);

fn archive_of_nightly(stage: &Stage) -> String {
    stage.portal("nightly").archives(false)[0].id.clone()
}

/// The id of the key of an object; a key that the portal does not know has none.
fn key_of(stage: &Stage, name: &str) -> String {
    stage.key_id(name).unwrap_or_else(|| KEY.into())
}

fn file(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/upgrades");
    [folder, VERSION, &format!("{name}.json")].iter().collect()
}

/// Writes the files.
pub async fn record(stage: &Stage) {
    let clock = stage.world.server.clock().now();
    let apart = clock.duration_since(Timestamp::now()).abs();
    assert!(apart > 2 * NEAR, "the portals' clock is too near to the real one");
    for (name, _) in TABLE {
        let object = stage.world.get(name).await;
        let meta = &object.metadata;
        let recorded = json!({
            "metadata": {
                "name": name,
                "generation": meta.generation,
                "annotations": meta.annotations,
                "finalizers": meta.finalizers,
            },
            "spec": object.spec,
            "status": object.status,
        });
        let text = serde_json::to_string_pretty(&recorded).expect("JSON");
        let text = text
            .replace(&stage.world.server.url(), SERVER)
            .replace(&stage.punctual.url(), PUNCTUAL)
            .replace(&archive_of_nightly(stage), ARCHIVE)
            .replace(&key_of(stage, name), KEY)
            .replace(&object.uid().expect("a uid"), UID);
        write(name, &text);
    }
    let lease = leases(stage).get(ACCOUNT).await.expect("a Lease");
    let lease = json!({"spec": lease.spec});
    write("lease", &serde_json::to_string_pretty(&lease).expect("JSON"));
}

fn write(name: &str, text: &str) {
    let file = file(name);
    fs::create_dir_all(file.parent().expect("a folder")).expect("the folder is made");
    fs::write(file, format!("{text}\n")).expect("the file is written");
}

fn read(name: &str) -> Value {
    let file = file(name);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// How much later it is than at the recording.
#[derive(Clone, Copy)]
struct Passed {
    recorded: Timestamp,
    since: SignedDuration,
}

impl Passed {
    fn since(lease: &Value) -> Self {
        let renewed = lease["spec"]["renewTime"].as_str().expect("a time");
        let recorded: Timestamp = renewed.parse().expect("a time");
        let since = Timestamp::now().duration_since(recorded);
        // Times in a status have whole seconds.
        let since = SignedDuration::from_secs(since.as_secs());
        Self { recorded, since }
    }

    /// Moves the times of the operator's clock.
    fn moves(self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let time = text.parse::<Timestamp>().ok();
                let near = time.filter(|time| time.duration_since(self.recorded).abs() < NEAR);
                if let Some(time) = near {
                    *text = (time + self.since).to_string();
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.moves(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.moves(value)),
            _ => {}
        }
    }
}

/// Creates the objects, the Lease, and the state of the portals that they describe.
pub async fn restore(stage: &Stage) {
    let mut lease = read("lease");
    let passed = Passed::since(&lease);
    passed.moves(&mut lease);
    lease["metadata"] = json!({"name": ACCOUNT});
    let lease: Lease = serde_json::from_value(lease).expect("a Lease");
    let created = leases(stage).create(&PostParams::default(), &lease).await;
    created.expect("the Lease is created");

    stage.hold("nightly");
    stage.world.live_until("11-23 12:42");
    stage.clock_runs();
    for (name, _) in TABLE {
        stage.hold(name);
        restore_one(stage, name, passed).await;
    }
    stage.out_of_reach(&["lost", "leaving"]);
    stage.world.delete("leaving").await;
}

async fn restore_one(stage: &Stage, name: &str, passed: Passed) {
    let text = read(name).to_string();
    let text = text
        .replace(SERVER, &stage.world.server.url())
        .replace(PUNCTUAL, &stage.punctual.url())
        .replace(ARCHIVE, &archive_of_nightly(stage))
        .replace(KEY, &key_of(stage, name));
    let mut recorded: Value = serde_json::from_str(&text).expect("JSON");
    let object = create(stage, name, &recorded).await;

    let status = &mut recorded["status"];
    passed.moves(status);
    if let Some(offset) = status.get_mut("clockOffsetSeconds") {
        let clock = stage.portal(name).server().clock().now();
        *offset = json!(clock.duration_since(Timestamp::now()).as_secs());
    }
    if let Some(applied) = status.get_mut("applied") {
        applied["uid"] = json!(object.uid());
        for secret in applied["secrets"].as_array_mut().into_iter().flatten() {
            let there = stage.world.namespace.secrets(&stage.world.client);
            let there = there.get(STORAGE_SECRET).await.expect("the Secret");
            secret["resourceVersion"] = json!(there.resource_version());
        }
    }
    let patch = Patch::Merge(json!({"status": status}));
    let schedules = stage.world.schedules();
    let patched = schedules
        .patch_status(name, &PatchParams::default(), &patch)
        .await;
    patched.expect("the status is accepted");
}

/// Creates an object, with as many changes as it had. Its deletion is one, too.
async fn create(stage: &Stage, name: &str, recorded: &Value) -> DocSpaceBackupSchedule {
    let mut object: Map<_, _> = recorded.as_object().expect("an object").clone();
    object.remove("status");
    let generation = recorded["metadata"]["generation"].as_i64().expect("a generation");
    let mut object: DocSpaceBackupSchedule = serde_json::from_value(object.into()).expect("an object");
    object.metadata.generation = None;
    if name == "suspended" {
        object.spec.suspend = false;
    }
    let mut there = stage.world.create(&object).await;
    if name == "suspended" {
        stage.world.patch(name, json!({"spec": {"suspend": true}})).await;
        there = stage.world.get(name).await;
    }
    let changes = there.metadata.generation.unwrap_or_default() + i64::from(name == "leaving");
    assert_eq!(changes, generation, "{name}");
    there
}
