//! What is listed at every start.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    World,
    attackers::{enforcer, name},
    portal::{Deed, Portal, schedule, success},
    world::Plan,
};

/// As many labels of the longest kind, 380 bytes each, as Kubernetes takes: managedFields repeats their names.
const LABELS: usize = 1_900;
/// Objects, and Secrets.
const EACH: usize = 40;
const STARTS: usize = 2;

/// Suspended objects, and Secrets that no object names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels() {
    let mut world = World::planned(Plan {
        // Kubernetes is busy with what is created.
        alone: true,
        ..Plan::of("40 objects, 40 Secrets with 1.4 MB of metadata")
    })
    .await;
    let attackers = world.attackers.clone();
    let part = "x".repeat(62);
    let prefix = format!("{part}.{part}.{part}.{part}");
    let labels: BTreeMap<String, String> = (0..LABELS)
        .map(|number| (format!("{prefix}/{number:063}"), format!("{number:063}")))
        .collect();
    world
        .prepare(async {
            attackers
                .objects((0..EACH).map(|number| {
                    let mut object = enforcer(number, "http://127.0.0.1:9");
                    object.spec.suspend = true;
                    object.metadata.labels = Some(labels.clone());
                    object
                }))
                .await;
            attackers
                .secrets((0..EACH).map(|number| {
                    let mut secret = harness::secret(&name(number), &[]);
                    secret.metadata.labels = Some(labels.clone());
                    secret
                }))
                .await;
        })
        .await;
    for _ in 0..STARTS {
        world.restart().await;
    }
    world.judge().await;
}

/// Portals answer with as many parameters as fit, under the longest names that are allowed: the status shows them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swollen_statuses() {
    const OBJECTS: usize = 60;
    let mut world = World::before("60 statuses swollen by their portals").await;
    let mut swollen = schedule();
    // The longest letters in UTF-8.
    let long = "\u{1d518}".repeat(1000);
    for number in 0..200 {
        swollen["storageParams"][format!("{number:03}{long}")] = json!("x");
    }
    for shown in ["bucket", "filePath", "folderId", "region"] {
        swollen["storageParams"][shown] = Value::from(long.clone());
    }
    let answer = success(&swollen.to_string());
    let portal = Portal::start(move |ask| match ask.call.as_str() {
        "getbackupschedule" => Deed::Answer(answer.clone()),
        _ => Deed::Honest,
    })
    .await;
    let attackers = world.attackers.clone();
    world.attack(attackers.observers(OBJECTS, &portal.url())).await;
    world
        .attack_for(Duration::from_secs(10), attackers.wait_for_statuses(OBJECTS))
        .await;
    for _ in 0..STARTS {
        world.restart().await;
    }
    world.judge().await;
}
