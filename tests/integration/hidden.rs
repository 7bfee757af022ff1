//! Status, Events, log and metrics never show a secret.

pub mod canaries;
mod portal;
mod steps;
mod walk;

use docspace_backup_operator::api::{DocSpaceBackupSchedule, FINALIZER, ManagementPolicy};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use simulated_portal::{Fault, FaultBody};

use self::{canaries::Versions, steps::Kind, walk::Walk};
use crate::world::{Setup, World, message};

/// Seed of the walk, unless CANARY_SEED sets another.
const SEED: u64 = 0x5eed;
/// Number of times that each kind of step is used, in a different order each time.
const ROUNDS: usize = 3;

#[tokio::test]
async fn no_secret_comes_out_whatever_is_done_and_whatever_the_portal_echoes() {
    let seed = std::env::var("CANARY_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    // Also printed if a wait fails.
    eprintln!("CANARY_SEED={seed}");
    let mut walk = Walk::begin(seed).await;
    for _ in 0..ROUNDS * Kind::ALL.len() {
        walk.step().await;
    }
    walk.end().await;
}

/// A value that is no longer in any Secret.
const OF_OLD: &str = "c4nary-of-old";

/// The status of an older operator that allowed `region` from a Secret, and the portal that it wrote to.
async fn of_an_older_version(policy: ManagementPolicy) -> (World, Versions, DocSpaceBackupSchedule) {
    let mut world = Setup::default().idle().await;
    let mut object = world.nightly();
    let mut held = object.clone();
    let params = json!(object.spec.storage_params);
    let region = |value: &str| json!({"key": "region", "value": value});
    let and_region = |value: &str| {
        let mut params = params.clone();
        params.as_array_mut().expect("a list").push(region(value));
        params
    };
    let (shown, stored) = (and_region("(hidden)"), and_region(OF_OLD));
    held.spec.storage_params = serde_json::from_value(stored).expect("parameters");
    world.hold(&held);

    object.spec.management_policy = policy;
    object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    let object = world.create(&object).await;
    let applied = json!({
        "time": "2026-01-01T00:00:00Z",
        "reason": "Created",
        "generation": 1,
        "uid": object.metadata.uid,
        "url": world.server.url(),
        "schedule": {
            "storageType": "ThirdPartyConsumer",
            "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
            "backupsStored": 7,
            "dump": false,
            "storageParams": shown,
        },
    });
    let status = Patch::Merge(json!({"status": {"observedGeneration": 1, "applied": applied}}));
    let (api, how) = (world.schedules(), PatchParams::default());
    let patched = api.patch_status("nightly", &how, &status).await;
    patched.expect("the status is written");
    let versions = Versions::of(&world);
    world.operator.start(&[]).await;
    (world, versions, held)
}

/// The value of a parameter in a schedule that a status shows.
fn shown<'a>(status: &'a Value, schedule: &str, key: &str) -> Option<&'a str> {
    let params = status[schedule]["storageParams"].as_array()?;
    params.iter().find(|param| param["key"] == key)?["value"].as_str()
}

fn status(object: &DocSpaceBackupSchedule) -> Value {
    json!(object.status)
}

#[tokio::test]
async fn what_an_older_version_hid_stays_hidden() {
    let (world, versions, held) = of_an_older_version(ManagementPolicy::Enforce).await;
    let object = world.ready("nightly").await;
    assert_eq!(shown(&status(&object), "replaced", "region"), Some("(hidden)"));
    let (_, note) = world.event("ScheduleChanged").await;
    assert!(
        note.contains("storageParams[region]: none wanted, (hidden) in the portal"),
        "{note}"
    );
    // Also when nothing else in the status shows that it was secret.
    world.somebody_sets_hour(9);
    world.request("nightly").await;
    let replaced =
        |object: &DocSpaceBackupSchedule| shown(&status(object), "replaced", "region").map(ToOwned::to_owned);
    let object = world.wait("nightly", |object| replaced(object).is_none()).await;
    assert_eq!(status(&object)["hiddenParams"], json!(["region"]));
    world.hold(&held);
    world.request("nightly").await;
    let hidden = |object: &DocSpaceBackupSchedule| replaced(object).as_deref() == Some("(hidden)");
    world.wait("nightly", hidden).await;
    assert_eq!(world.posts(), 3);
    versions.assert_none_of(&[OF_OLD.into()], &world, "").await;

    let (world, versions, _) = of_an_older_version(ManagementPolicy::Observe).await;
    world.told("nightly", "OutOfSync").await;
    // Also at later checks.
    world.request("nightly").await;
    let difference = json!(["storageParams[region]: none wanted, (hidden) in the portal"]);
    let told = |object: &DocSpaceBackupSchedule| status(object)["difference"] == difference;
    let status = status(&world.wait("nightly", told).await);
    assert_eq!(shown(&status, "observed", "region"), Some("(hidden)"));
    assert_eq!(world.posts(), 0);
    versions.assert_none_of(&[OF_OLD.into()], &world, "").await;
}

#[tokio::test]
async fn many_parameters_of_one_short_secret_do_not_swell_a_message() {
    let world = World::of_one_process("it counts on one process to live on").await;
    let id = world.operator.only().id();
    world.set_secret("short", &[("value", b"d")]).await;
    let from = json!({"secretKeyRef": {"name": "short", "key": "value"}});
    let mut params = vec![json!({"key": "module", "value": "s3"})];
    params.extend((0..31).map(|number| json!({"key": format!("p{number}"), "valueFrom": from})));
    let mut object = world.nightly();
    object.spec.storage_params = serde_json::from_value(json!(params)).expect("parameters");
    let refused = json!({"status": 1, "statusCode": 500, "error": {
        "message": "Access denied", "type": "System.Exception", "stack": "at d"}});
    let refusal = Fault::answer(500, FaultBody::Json(refused)).to("createbackupschedule");
    let refusal = world.server.order(refusal);
    world.create(&object).await;
    let object = world.stalled("nightly", "Rejected").await;
    for kind in ["Ready", "Stalled"] {
        let message = message(&object, kind);
        assert!(message.len() < 1000, "{message}");
    }
    world.server.clear_fault(refusal);
    let mut other = world.named("other");
    other.spec.dump = true;
    world.create(&other).await;
    world.ready("other").await;
    assert_eq!(world.operator.only().id(), id);
    let reached = world.operator.only().get("/livez").await;
    assert_eq!(reached.0, 200);
}
