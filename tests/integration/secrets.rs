//! Secrets that are missing, late, changed, invalid, meant for another origin, or deleted together with their object.

use docspace_backup_operator::api::{
    AppliedReason, DocSpaceBackupSchedule, PORTAL_ORIGIN, ParamValue, SecretKeyRef, StorageParam,
    StorageType, ValueFrom,
};
use harness::API_KEY;
use serde_json::json;

use crate::world::{Setup, World, condition, is_ready, ready_reason_is};

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
async fn a_secret_goes_only_where_it_was_meant_to_go() {
    let world = World::new().await;
    world
        .annotate_secret(PORTAL_ORIGIN, "https://elsewhere.example.com")
        .await;
    world.create(&world.nightly()).await;
    world.stalled("nightly", "OriginNotAllowed").await;
    assert_eq!(world.calls(), 0);
    let list = format!("https://elsewhere.example.com, {}", world.server.url());
    world.annotate_secret(PORTAL_ORIGIN, &list).await;
    world.ready("nightly").await;
}

#[tokio::test]
async fn the_operator_can_require_and_limit_origins() {
    let world = World::with_arguments(&["--require-origin-annotation"]).await;
    world.create(&world.nightly()).await;
    world.stalled("nightly", "OriginNotAllowed").await;
    assert_eq!(world.calls(), 0);

    let world = World::with_arguments(&["--allowed-origin", "https://docs.example.com"]).await;
    world.create(&world.nightly()).await;
    world.stalled("nightly", "OriginNotAllowed").await;
    assert_eq!(world.calls(), 0);
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
