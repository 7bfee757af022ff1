//! Objects that an older CRD accepted, on a separate control plane.

use harness::{API_KEY, ControlPlane};
use kube::{
    Api,
    api::{DynamicObject, PostParams},
    core::ApiResource,
};
use serde_json::json;

use crate::{
    check,
    world::{World, message},
};

#[tokio::test]
async fn an_object_that_cannot_be_parsed_is_told_and_stops_nobody() {
    let plane = ControlPlane::own().await;
    let crd = docspace_backup_operator::api::crd();
    let mut older = serde_json::to_value(&crd).expect("JSON");
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    older["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema;
    plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &older.to_string());
    plane.kubectl_ok(
        &[
            "wait",
            "crd/docspacebackupschedules.docspace.onlyoffice.com",
            "--for=condition=Established",
        ],
        "",
    );

    let world = World::on(&plane).await;
    let resource = ApiResource::erase::<docspace_backup_operator::api::DocSpaceBackupSchedule>(&());
    let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), world.namespace.name(), &resource);
    let mut odd = serde_json::to_value(world.named("odd")).expect("JSON");
    odd["spec"]["storageType"] = json!("S3");
    let odd: DynamicObject = serde_json::from_value(odd).expect("an object");
    api.create(&PostParams::default(), &odd)
        .await
        .expect("the older CRD lets it in");
    let shown = json!([
        {"key": "module", "value": "s3"},
        {"key": "region", "valueFrom": {"secretKeyRef": {"name": API_KEY, "key": "apiKey"}}},
    ]);
    let mut shows_a_secret = world.named("shows-a-secret");
    shows_a_secret.spec.storage_params = serde_json::from_value(shown).expect("parameters");
    world.create(&shows_a_secret).await;
    let object = world.stalled("shows-a-secret", "InvalidObject").await;
    assert!(message(&object, "Ready").contains("region"), "{object:?}");
    plane.apply_crd();

    plane.kubectl_ok(
        &[
            "wait",
            "--namespace",
            world.namespace.name(),
            "--for=condition=Stalled",
            "dsbs/odd",
            "--timeout=30s",
        ],
        "",
    );
    let odd = api.get("odd").await.expect("it is there").data.to_string();
    assert!(odd.contains("InvalidObject") && odd.contains("S3"), "{odd}");
    world.event("InvalidObject").await;

    // The present CRD refuses such an object, but not the status of one that is there.
    let mut another = shows_a_secret;
    another.metadata.name = Some("another".into());
    let refused = world.schedules().create(&PostParams::default(), &another).await;
    assert!(refused.is_err(), "{refused:?}");
    world.request("shows-a-secret").await;
    world.stalled("shows-a-secret", "InvalidObject").await;
    assert_eq!(world.calls(), 0);
    assert!(!world.operator.log().contains(&world.key));
    world.create(&world.nightly()).await;
    world.ready("nightly").await;

    // A check lists it, too.
    let kubeconfig = plane.kubeconfig().display().to_string();
    let said = check::run(Some(&kubeconfig), &["nightly", "-n", world.namespace.name()], "").await;
    assert_eq!(said.code, Some(0), "{}{}", said.text, said.errors);
}
