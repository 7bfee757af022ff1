//! Fields that the schema does not have.

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, ValidationDirective},
};
use serde_json::{Value, json};

use super::schema::fields;
use crate::world::World;

/// kubectl asks for strict validation; other clients do not.
#[tokio::test]
async fn an_unknown_field_is_refused_or_dropped_wherever_it_is() {
    let world = World::of_one_process("it counts calls").await;
    let mut object = json!(world.nightly());
    let reference = json!({"secretKeyRef": {"name": "storage", "key": "sse"}});
    object["spec"]["portal"]["caSecretRef"] = json!({"name": "ca", "key": "ca.crt"});
    object["spec"]["storageParams"][1] = json!({"key": "ssekey", "valueFrom": reference});
    world.set_secret("storage", &[("sse", b"one")]).await;
    world.set_secret("ca", &[("ca.crt", b"none")]).await;
    let object: DocSpaceBackupSchedule = serde_json::from_value(object).expect("an object");
    world.create(&object).await;
    let ready = world.ready("nightly").await;
    let calls = world.calls();

    let resource = ApiResource::erase::<DocSpaceBackupSchedule>(&());
    let api = Api::<DynamicObject>::namespaced_with(world.client.clone(), world.namespace.name(), &resource);
    let mut tried = 0;
    for field in fields().into_iter().filter(|field| field.is_object()) {
        let pointer: String = field.pointer().iter().map(|name| format!("/{name}")).collect();
        let add = json!([{"op": "add", "path": format!("/spec{pointer}/unknown"), "value": Value::from(1)}]);
        let patch = Patch::Json::<()>(serde_json::from_value(add).expect("a patch"));
        let strict = PatchParams {
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::default()
        };
        let refused = api
            .patch("nightly", &strict, &patch)
            .await
            .expect_err("it is unknown");
        let place = format!("unknown field \"{}.unknown\"", field.shown());
        assert!(
            refused.to_string().contains(&place),
            "{refused} instead of {place}"
        );
        let dropped = api.patch("nightly", &PatchParams::default(), &patch).await;
        let dropped = dropped.expect("it is dropped");
        assert_eq!(dropped.metadata.generation, ready.metadata.generation, "{place}");
        tried += 1;
    }
    world.request_at_once("nightly").await;
    assert_eq!(world.posts(), 1);
    assert!(world.calls() - calls <= super::walk::MOST_CALLS);
    println!("unknown fields in {tried} places: refused by strict validation, else dropped");
}
