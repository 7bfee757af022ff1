//! Secrets that are missing, late, changed, invalid, too large, or deleted together with their object.

use docspace_backup_operator::api::{
    AppliedReason, DocSpaceBackupSchedule, ParamValue, SecretKeyRef, StorageParam, StorageType, ValueFrom,
};
use harness::API_KEY;
use serde_json::json;

use crate::world::{Setup, World, condition, is_ready, message, ready_reason_is};

const KEEPS_THE_KEY: &str = "it keeps the key that was accepted, another has none once the Secret is gone";

#[tokio::test]
async fn a_late_secret_is_waited_for() {
    let world = World::new().await;
    world.delete_secret(API_KEY).await;
    world.create(&world.nightly()).await;
    let object = world.told("nightly", "SecretMissing").await;
    assert_eq!(
        condition(&object, "Reconciling").map(|it| it.status.as_str()),
        Some("True")
    );
    assert_eq!(
        condition(&object, "CredentialsValid").map(|it| it.status.as_str()),
        Some("Unknown")
    );
    world.set_key(&world.key).await;
    world.ready("nightly").await;
}

#[tokio::test]
async fn a_wrong_key_tells_so_and_a_right_one_heals() {
    let world = World::new().await;
    world.set_key("sk-bogus-0000").await;
    world.create(&world.nightly()).await;
    let object = world.stalled("nightly", "Unauthorized").await;
    let valid = condition(&object, "CredentialsValid").expect("a condition");
    assert_eq!(
        (valid.status.as_str(), valid.reason.as_str()),
        ("False", "Invalid")
    );
    assert!(
        !format!("{object:?}").contains("sk-bogus"),
        "no key in the object"
    );
    world.set_key(&world.key).await;
    world.ready("nightly").await;
    assert_eq!(world.posts(), 1);
    assert!(
        !world.operator.log().contains("sk-bogus") && !world.operator.log().contains(&world.key),
        "no key in the log"
    );
}

#[tokio::test]
async fn unfit_values_are_told() {
    let world = World::new().await;
    let rows: [(&str, &[u8], &str, &str); 5] = [
        ("otherKey", b"sk-1", "SecretMissing", "has no key apiKey"),
        ("apiKey", b"", "SecretInvalid", "is empty"),
        ("apiKey", b" \n", "SecretInvalid", "is empty"),
        ("apiKey", b"sk-\xff", "SecretInvalid", "is not UTF-8 text"),
        ("apiKey", b"sk-1\x07a", "SecretInvalid", "control characters"),
    ];
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let calls = world.calls();
    for (key, value, reason, words) in rows {
        world.set_secret(API_KEY, &[(key, value)]).await;
        let told = |object: &_| {
            ready_reason_is(object, reason)
                && condition(object, "Ready").is_some_and(|it| it.message.contains(words))
        };
        world.wait("nightly", told).await;
    }
    world.assert_calls(calls);
    world
        .set_secret(API_KEY, &[("apiKey", format!("{}\n", world.key).as_bytes())])
        .await;
    world.ready("nightly").await;
}

#[tokio::test]
async fn a_storage_secret_that_changes_is_written_and_never_shown() {
    let world = World::new().await;
    world.set_secret("s3", &[("sse", b"first-s3cret")]).await;
    let mut object = world.nightly();
    let reference = SecretKeyRef {
        name: "s3".into(),
        key: "sse".into(),
    };
    object.spec.storage_params.push(StorageParam {
        key: "ssekey".into(),
        value: None,
        value_from: Some(ValueFrom {
            secret_key_ref: reference,
        }),
    });
    world.create(&object).await;
    world.ready("nightly").await;
    let stored = || {
        world
            .portal
            .schedule(false)
            .and_then(|row| row.storage_params.get("ssekey").cloned())
    };
    assert_eq!(stored().as_deref(), Some("first-s3cret"));
    world.set_secret("s3", &[("sse", b"second-s3cret")]).await;
    let changed = |object: &DocSpaceBackupSchedule| {
        let applied = object.status.as_ref().and_then(|status| status.applied.as_ref());
        is_ready(object) && applied.is_some_and(|applied| applied.reason == AppliedReason::Changed)
    };
    let object = world.wait("nightly", changed).await;
    assert_eq!(stored().as_deref(), Some("second-s3cret"));
    assert_eq!(world.posts(), 2);
    let all = format!(
        "{object:?} {} {:?}",
        world.operator.log(),
        world.all_events().await
    );
    assert!(!all.contains("s3cret"), "{all}");
}

#[tokio::test]
async fn another_key_of_the_same_secret_is_a_change_of_the_manifest() {
    let mut world = World::new().await;
    world
        .set_secret("s3", &[("sse", b"first-s3cret"), ("sse2", b"second-s3cret")])
        .await;
    let param =
        |key: &str| json!({"key": "ssekey", "valueFrom": {"secretKeyRef": {"name": "s3", "key": key}}});
    let params = |key: &str| json!([{"key": "module", "value": "s3"}, param(key)]);
    let mut object = world.nightly();
    object.spec.storage_params = serde_json::from_value(params("sse")).expect("parameters");
    world.create(&object).await;
    world.ready("nightly").await;
    // The next process does not know the values of the one before.
    world.operator.stop().await;
    world
        .patch("nightly", json!({"spec": {"storageParams": params("sse2")}}))
        .await;
    world.operator.restart().await;
    world.ready("nightly").await;
    world.event("ScheduleChanged").await;
    assert_eq!(world.events("ScheduleCorrected").await, 0);
    assert_eq!(world.posts(), 2);
}

#[tokio::test]
async fn a_value_that_is_too_long_is_refused() {
    let world = World::new().await;
    let large = vec![b'x'; 1000 * 1024];
    world.set_secret("large", &[("value", &large)]).await;
    // As many parameters as an object may have, from one value.
    let params = (0..31).map(|number| {
        json!({"key": format!("p{number}"), "valueFrom": {"secretKeyRef": {"name": "large", "key": "value"}}})
    });
    let module = json!({"key": "module", "value": "s3"});
    let all: Vec<_> = std::iter::once(module.clone()).chain(params).collect();
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let calls = world.calls();
    for (spec, words) in [
        (json!({"storageParams": all}), "has more than 1024 characters"),
        (
            json!({"storageParams": [module], "portal": {"caSecretRef": {"name": "large", "key": "value"}}}),
            "has more than 256 KiB",
        ),
        (
            json!({"portal": {"caSecretRef": null, "apiKeySecretRef": {"name": "large", "key": "value"}}}),
            "has more than 4 KiB",
        ),
    ] {
        world.patch("nightly", json!({"spec": spec})).await;
        let told = |object: &DocSpaceBackupSchedule| {
            ready_reason_is(object, "SecretInvalid") && message(object, "Ready").contains(words)
        };
        world.wait("nightly", told).await;
    }
    world.assert_calls(calls);
}

#[tokio::test]
async fn the_cas_of_a_namespace_are_bounded_together() {
    let world = World::of_one_process("each process counts for itself").await;
    let object = |name: &str, ca: &str| {
        let mut object = world.named(name);
        object.spec.portal.url = "http://127.0.0.1:9".into();
        object.spec.portal.ca_secret_ref = serde_json::from_value(json!({"name": ca})).expect("a reference");
        object
    };
    for number in 0..5 {
        let ca = number.to_string().repeat(250 * 1024);
        let name = format!("ca-{number}");
        world.set_secret(&name, &[("ca.crt", ca.as_bytes())]).await;
    }
    for name in ["ca-0", "ca-1", "ca-2", "ca-3"] {
        world.create(&object(name, name)).await;
        world.told(name, "Unreachable").await;
    }
    world.create(&object("equal", "ca-3")).await;
    world.told("equal", "Unreachable").await;
    world.create(&object("ca-4", "ca-4")).await;
    let stalled = world.stalled("ca-4", "SecretInvalid").await;
    let told = message(&stalled, "Ready");
    assert!(told.contains("more than 1024 KiB together"), "{told}");

    // What nobody uses any more makes room.
    world.delete("ca-0").await;
    world.gone("ca-0").await;
    world.request("ca-4").await;
    world.told("ca-4", "Unreachable").await;
}

#[tokio::test]
async fn a_secret_that_goes_with_its_object_serves_to_the_end() {
    let world = World::of_one_process(KEEPS_THE_KEY).await.ready_nightly().await;
    world.delete_secret(API_KEY).await;
    world.delete("nightly").await;
    world.gone("nightly").await;
    assert_eq!(world.cron(), None);
}

#[tokio::test]
async fn a_namespace_that_goes_takes_the_schedule_along() {
    let setup = Setup::default().everywhere().of_one_process(KEEPS_THE_KEY);
    let world = setup.start(&[]).await.ready_nightly().await;
    world.delete_namespace().await;
    world.gone("nightly").await;
    assert_eq!(world.cron(), None);
}

#[tokio::test]
async fn a_number_is_a_value_too() {
    let world = World::new().await;
    let mut object = world.nightly();
    object.spec.storage_type = StorageType::Documents;
    object.spec.storage_params = vec![StorageParam {
        key: "folderId".into(),
        value: Some(ParamValue::Number(5)),
        value_from: None,
    }];
    world.create(&object).await;
    world.ready("nightly").await;
    world.request("nightly").await;
    assert_eq!(world.posts(), 1);
    world
        .patch(
            "nightly",
            json!({"spec": {"storageParams": [{"key": "folderId", "value": "404"}]}}),
        )
        .await;
    world.stalled("nightly", "FolderNotFound").await;
}
