//! One portal under several names: which object owns its slot, and which portal answers for an unknown name.

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use jiff::SignedDuration;
use serde_json::json;
use simulated_portal::{ApiKey, Installation};

use crate::world::{World, at, every_day, is_ready, message, ready_reason_is};

#[tokio::test]
async fn a_portal_behind_two_addresses_is_one_portal() {
    let world = World::with_ready_at(13).await;
    let mut second = world.nightly_at(13);
    second.metadata.name = Some("second".into());
    second.spec.portal.url = world.localhost();
    second.spec.cron_params.hour = 14;
    world.create(&second).await;
    let object = world.stalled("second", "Conflict").await;
    let words = message(&object, "Ready");
    assert!(words.contains("DocSpaceBackupSchedule nightly"), "{words}");
    world.request("second").await;
    assert_eq!((world.posts(), world.cron()), (1, Some(every_day(13))));

    world.delete("nightly").await;
    world.gone("nightly").await;
    world.ready("second").await;
    assert_eq!((world.posts(), world.cron()), (2, Some(every_day(14))));
}

#[tokio::test]
async fn two_addresses_at_once_make_one_post() {
    let world = World::at_noon(Installation::default()).await;
    let mut second = world.named("second");
    second.spec.portal.url = world.localhost();
    let nightly = world.nightly();
    tokio::join!(world.create(&nightly), world.create(&second));
    let handled = |object: &DocSpaceBackupSchedule| is_ready(object) || ready_reason_is(object, "Conflict");
    let first = world.wait("nightly", handled).await;
    let second = world.wait("second", handled).await;
    assert_ne!(is_ready(&first), is_ready(&second), "one has it, one waits");
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn two_addresses_are_one_portal_to_an_operator_that_starts_anew() {
    let mut world = World::with_ready_at(13).await;
    world.operator.kill().await;
    let second = world.second_at_localhost(14);
    world.create(&second).await;
    world.operator.restart().await;
    world.stalled("second", "Conflict").await;
    world.request("nightly").await;
    world.ready("nightly").await;
    assert_eq!((world.posts(), world.cron()), (1, Some(every_day(13))));
}

/// Neither address nor key shows that it is one portal.
#[tokio::test]
async fn two_addresses_with_keys_of_their_own_end_as_contested() {
    let world = World::with_ready_at(13).await;
    let key = world.portal.issue_key(ApiKey::named("other"));
    world.set_secret("other", &[("apiKey", key.as_bytes())]).await;
    let mut second = world.second_at_localhost(14);
    second.spec.portal.api_key_secret_ref.name = "other".into();
    world.create(&second).await;
    world.ready("second").await;
    world.contested_by("second").await;
    world.ready("second").await;
    assert_eq!((world.posts(), world.cron()), (4, Some(every_day(14))));
}

#[tokio::test]
async fn another_portal_begins_with_nothing_recorded() {
    let world = World::with_ready_at(3).await;
    world.proved("11-23 12:10", "11-23 12:42").await;
    let (other, key) = World::another_server().await;
    other.clock().set(at("11-23 12:42"));
    world.set_secret("other", &[("apiKey", key.as_bytes())]).await;
    world
        .patch(
            "nightly",
            json!({"spec": {"portal": {"url": other.url(), "apiKeySecretRef": {"name": "other"}}}}),
        )
        .await;
    let status = world
        .fresh("nightly", "NotDueYet")
        .await
        .status
        .expect("a status");
    assert_eq!((status.last_backup, status.candidate), (None, None));
    other.live(SignedDuration::from_mins(18));
    world.request("nightly").await;
    world.fresh("nightly", "Confirming").await;
}

#[tokio::test]
async fn a_host_that_no_portal_is_known_by_is_told() {
    let world = World::at_noon(Installation {
        base_domain: Some("example.test".into()),
        ..Installation::default()
    })
    .await;
    world.portal.change(|tenant| tenant.alias = "docs".into());
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let (kind, text) = world.event("UnknownHost").await;
    assert_eq!(kind, "Warning");
    assert!(
        text.contains("known as 127.0.0.1") && text.contains("the portal docs.example.test"),
        "{text}"
    );

    // By its own name it is known; that is another address, and the schedule there is found equal.
    world
        .patch(
            "nightly",
            json!({"spec": {"portal": {"hostHeader": "docs.example.test"}}}),
        )
        .await;
    world.ready("nightly").await;
    world.request("nightly").await;
    assert_eq!((world.events("UnknownHost").await, world.posts()), (1, 1));
}

#[tokio::test]
async fn a_portal_is_known_by_a_domain_of_its_own() {
    let world = World::at_noon(Installation::default()).await;
    world.portal.change(|tenant| {
        tenant.alias = "docs".into();
        tenant.mapped_domain = Some("files.example.com".into());
    });
    let mut object = world.nightly();
    object.spec.portal.host_header = Some("files.example.com".into());
    world.create(&object).await;
    world.ready("nightly").await;
    world.request("nightly").await;
    assert_eq!(world.events("UnknownHost").await, 0);
}
