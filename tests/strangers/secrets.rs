//! Secrets that are as large as Kubernetes allows.

use std::{collections::BTreeMap, time::Duration};

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use serde_json::json;
use simulated_portal::{Installation, SimulatedPortal};

use crate::{
    World,
    attackers::{enforcer, name, observer},
    portal::{Deed, Portal},
};

const KIB: usize = 1024;
/// A Secret has at most 1 MiB in all.
const LARGEST: usize = 1000 * KIB;
/// An object has at most 32 parameters, and one of them is the module.
const PARAMETERS: usize = 31;
const MOST: Duration = Duration::from_secs(10);

/// All objects wait for one Secret, from which 31 parameters of each come. It is created last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_of_one_large_secret() {
    const OBJECTS: usize = 40;
    let mut world = World::before("40 objects with 31 parameters from 1 MiB").await;
    let portal = Portal::start(|_| Deed::Stall("".into())).await;
    let attackers = world.attackers.clone();
    world
        .attack(async {
            let object = |number: usize| with_parameters(enforcer(number, &portal.url()), |_| "large".into());
            attackers.with_keys(OBJECTS, object).await;
            attackers.wait_for_statuses(OBJECTS).await;
        })
        .await;
    world
        .attack(async {
            let value = BTreeMap::from([("value".into(), "x".repeat(LARGEST).into_bytes())]);
            attackers.secret("large", value).await;
        })
        .await;
    world.judge().await;
}

/// Secrets of 1 MiB, each named by one parameter of each object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_of_many_large_secrets() {
    const OBJECTS: usize = 10;
    let mut world = World::before("10 objects with parameters from 31 MiB").await;
    let portal = Portal::start(|_| Deed::Stall("".into())).await;
    let attackers = world.attackers.clone();
    world
        .prepare(async {
            attackers.keys(OBJECTS).await;
            let rest = "x".repeat(LARGEST);
            let secret = |number: usize| harness::secret(&name(number), &[("value", "x"), ("rest", &rest)]);
            attackers.secrets((1..=PARAMETERS).map(secret)).await;
        })
        .await;
    world
        .attack(async {
            let object = |number: usize| with_parameters(enforcer(number, &portal.url()), name);
            attackers.objects((0..OBJECTS).map(object)).await;
        })
        .await;
    world
        .attack_for(MOST, portal.asked("getbackupschedule", OBJECTS))
        .await;
    world.judge().await;
}

/// Each of the parameters comes from the Secret of this name.
fn with_parameters(
    mut object: DocSpaceBackupSchedule,
    secret: impl Fn(usize) -> String,
) -> DocSpaceBackupSchedule {
    let from = |number: usize| {
        let reference = json!({"name": secret(number), "key": "value"});
        json!({"key": format!("param{number}"), "valueFrom": {"secretKeyRef": reference}})
    };
    let module = json!({"key": "module", "value": "s3"});
    let params: Vec<_> = (1..=PARAMETERS).map(from).chain([module]).collect();
    object.spec.storage_params = serde_json::from_value(json!(params)).expect("parameters");
    object
}

/// Objects with a CA of 256 KiB, all from one Secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_large_ca() {
    authorities("300 objects with one CA of 256 KiB", 300, false).await;
}

/// Objects with a CA of 256 KiB each, each a different one from its own Secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_cas() {
    authorities("300 objects with 300 CAs of 256 KiB", 300, true).await;
}

async fn authorities(attack: &'static str, count: usize, each: bool) {
    let mut world = World::before(attack).await;
    let portal = Portal::start(|_| Deed::Stall("".into())).await;
    let url = portal.url().replace("http:", "https:");
    let ca = large_ca().await;
    let attackers = world.attackers.clone();
    world
        .prepare(async {
            attackers.keys(count).await;
            let secrets = if each { count } else { 1 };
            let secret = |number: usize| {
                // What is between certificates is no part of them.
                harness::secret(
                    &format!("ca-{}", name(number)),
                    &[("ca.crt", &format!("{number:05}\n{ca}"))],
                )
            };
            attackers.secrets((0..secrets).map(secret)).await;
        })
        .await;
    world
        .attack(async {
            let object = |number: usize| {
                let mut object = observer(number, &url);
                let secret = format!("ca-{}", name(if each { number } else { 0 }));
                let reference = json!({"name": secret, "key": "ca.crt"});
                object.spec.portal.ca_secret_ref = serde_json::from_value(reference).expect("a reference");
                object
            };
            attackers.objects((0..count).map(object)).await;
        })
        .await;
    world.attack_for(MOST, std::future::pending()).await;
    world.judge().await;
}

/// As many certificates as a CA may have.
async fn large_ca() -> String {
    let server = SimulatedPortal::start(Installation::default().with_tls(&["portal.test"])).await;
    let one = server.ca_pem().expect("it has a CA");
    one.repeat((256 * KIB - 6) / one.len())
}
