//! The rights in `deploy/install.yaml`, which are the chart's, suffice.

use harness::{Operator, control_plane};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::{Value, json};

use crate::world::{OPERATOR, World};

/// Account, roles and bindings of the manifest, put into this namespace.
fn rights_for(namespace: &str) -> String {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/install.yaml");
    let manifest = std::fs::read_to_string(manifest).expect("a manifest");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&manifest).expect("it is YAML");
    let kinds = ["ServiceAccount", "Role", "RoleBinding"];
    let mut rights = String::new();
    for mut document in documents {
        if !document["kind"]
            .as_str()
            .is_some_and(|kind| kinds.contains(&kind))
        {
            continue;
        }
        document["metadata"]["namespace"] = json!(namespace);
        for subject in document["subjects"].as_array_mut().into_iter().flatten() {
            subject["namespace"] = json!(namespace);
        }
        rights += &format!("---\n{document}\n");
    }
    rights
}

#[tokio::test]
async fn the_operator_works_with_the_rights_of_its_manifest() {
    let plane = control_plane();
    let mut world = World::new().await;
    let namespace = world.namespace.name().to_owned();
    world.operator.kill().await;
    plane.kubectl_ok(&["apply", "-f", "-"], &rights_for(&namespace));
    let token = plane.kubectl_ok(
        &[
            "create",
            "token",
            "--namespace",
            &namespace,
            "docspace-backup-operator",
        ],
        "",
    );
    let kubeconfig = plane.kubeconfig_for(&namespace, token.trim());
    let flags = "--leader-election --lease-duration 5s --renew-deadline 3s --retry-period 500ms".split(' ');
    let flags: Vec<_> = flags.collect();
    world.operator = Operator::start(OPERATOR, &kubeconfig, &namespace, &flags).await;

    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    world
        .patch("nightly", json!({"spec": {"cronParams": {"hour": 5}}}))
        .await;
    world.ready("nightly").await;
    world.touch_secret().await;
    assert_eq!(world.events("ScheduleCreated").await, 1);
    world.delete("nightly").await;
    world.gone("nightly").await;
    world.operator.stop().await;
    let lease = Api::<Lease>::namespaced(world.client.clone(), &namespace)
        .get("docspace-backup-operator")
        .await
        .expect("the Lease is there");
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    assert_eq!(holder.as_deref().unwrap_or_default(), "", "given up");
    assert!(
        !world.operator.log().contains("forbidden"),
        "{}",
        world.operator.log()
    );
}
