//! An object that is deleted and created again under the same name is a different object: no write meant for the first
//! one reaches the second.

use docspace_backup_operator::{
    api::{DocSpaceBackupSchedule, ManagementPolicy},
    controller::{
        finalizer::{with_finalizer, without_finalizer},
        patch::{met_another, of_status},
    },
    release::scale_to_none,
};
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use simulated_portal::Fault;
use tokio::time::timeout;

use crate::world::{Setup, World, condition};

impl World {
    /// The object is gone, and another of its name is there.
    async fn recreate(&self, object: &DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
        let name = object.metadata.name.as_deref().expect("a name");
        self.delete(name).await;
        self.gone(name).await;
        self.create(object).await
    }
}

#[tokio::test]
async fn the_status_of_the_first_is_not_the_seconds() {
    let world = World::new().await;
    let mut object = world.nightly();
    object.spec.management_policy = ManagementPolicy::Observe;
    world.hold(&object);
    world.server.order(Fault::hang().to("getbackupschedule"));
    world.create(&object).await;
    world.seen_call("getbackupschedule").await;

    object.spec.suspend = true;
    let second = world.recreate(&object).await;
    let versions = watcher(world.schedules(), watcher::Config::default()).applied_objects();
    pin_mut!(versions);
    world.server.clear_faults();
    // The second's turn comes when the first's is over.
    loop {
        let version = timeout(harness::DEADLINE, versions.next()).await;
        let version = version
            .expect("a change in time")
            .expect("a watch does not end")
            .expect("a version");
        assert_eq!(version.metadata.uid, second.metadata.uid);
        let status = version.status.as_ref().expect("the CRD's default");
        assert_eq!(status.observed, None, "nobody has looked for this one");
        if condition(&version, "Suspended").is_some() {
            break;
        }
    }
}

#[tokio::test]
async fn no_patch_for_the_first_is_taken_by_the_second() {
    let world = Setup::default().idle().await;
    let mut object = world.nightly();
    object.metadata.finalizers = Some(vec!["example.com/other".into()]);
    let first = world.create(&object).await;
    world
        .patch("nightly", json!({"metadata": {"finalizers": null}}))
        .await;
    object.metadata.finalizers = None;
    let second = world.recreate(&object).await;

    // Of the second's own version, so that only the uid is another.
    let metadata = ObjectMeta {
        uid: first.metadata.uid,
        ..second.metadata.clone()
    };
    let (api, how) = (world.schedules(), PatchParams::default());
    let metadata_alone = Api::namespaced(world.client.clone(), world.namespace.name());
    for patch in [with_finalizer(&metadata), without_finalizer(&metadata)] {
        let refused = api
            .patch("nightly", &how, &patch)
            .await
            .expect_err("another object");
        assert!(refused.to_string().contains("uid"), "{refused}");
    }
    let (before, status) = (
        json!(second.status),
        json!({"observedGeneration": 1, "conditions": []}),
    );
    let patch = of_status(&metadata, &before, &status);
    let refused = api
        .patch_status("nightly", &how, &patch)
        .await
        .expect_err("another object");
    assert!(
        met_another(&metadata_alone, &metadata, &refused)
            .await
            .expect("an answer"),
        "{refused}"
    );
    assert_eq!(world.get("nightly").await, second);

    let metadata = &second.metadata;
    let patch = of_status(metadata, &before, &status);
    let patched = api
        .patch_status("nightly", &how, &patch)
        .await
        .expect("the very object");
    let patch = with_finalizer(&patched.metadata);
    api.patch("nightly", &how, &patch).await.expect("the very object");
    let wrong = of_status(metadata, &status, &json!({"observedGeneration": "many"}));
    let refused = api
        .patch_status("nightly", &how, &wrong)
        .await
        .expect_err("no status");
    assert!(
        !met_another(&metadata_alone, metadata, &refused)
            .await
            .expect("an answer"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_deployment_that_was_made_anew_is_not_scaled() {
    let world = Setup::default().idle().await;
    let api = Api::<Deployment>::namespaced(world.client.clone(), world.namespace.name());
    let labels = json!({"app": "x"});
    let deployment = json!({"metadata": {"name": "x"}, "spec": {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "x", "image": "x"}]}},
    }});
    let deployment: Deployment = serde_json::from_value(deployment).expect("a Deployment");
    let first = api
        .create(&PostParams::default(), &deployment)
        .await
        .expect("it is created");
    api.delete("x", &DeleteParams::default())
        .await
        .expect("it is deleted");
    let second = api
        .create(&PostParams::default(), &deployment)
        .await
        .expect("it is created anew");
    let scale = async |patch: Patch<Value>| api.patch_scale("x", &PatchParams::default(), &patch).await;
    let refused = scale(scale_to_none(&first))
        .await
        .expect_err("another Deployment");
    assert!(refused.to_string().contains("UID"), "{refused}");
    scale(scale_to_none(&second)).await.expect("the very Deployment");
}
