//! The key's own expiry and permissions, reported before a write would fail because of them.

use std::time::Duration;

use docspace_backup_operator::api::{DocSpaceBackupSchedule, ManagementPolicy};
use jiff::SignedDuration;
use serde_json::json;
use simulated_portal::{ApiKey, Holder, Installation};

use crate::world::{World, at, condition, is_ready, message};

/// CredentialsValid: status and reason.
async fn valid(world: &World, status: &str, reason: &str) -> DocSpaceBackupSchedule {
    world
        .wait("nightly", |object| {
            condition(object, "CredentialsValid")
                .is_some_and(|valid| valid.status == status && valid.reason == reason)
        })
        .await
}

async fn with_key(key: ApiKey) -> World {
    let world = World::at_noon(Installation::default()).await;
    let key = world.portal.issue_key(key);
    world.set_key(&key).await;
    world.create(&world.nightly_at(13)).await;
    world.ready("nightly").await;
    world
}

#[tokio::test]
async fn a_key_that_expires_is_told_two_weeks_ahead_and_when_it_has() {
    let expires = at("12-08 12:00");
    let world = with_key(ApiKey::named("short").expiring(expires)).await;
    let object = valid(&world, "True", "Accepted").await;
    let key = object.status.and_then(|status| status.api_key).expect("a key");
    assert_eq!(
        (key.name.as_str(), key.expires_at.map(|time| time.0)),
        ("short", Some(expires))
    );
    world.live_until("11-24 11:50");
    world.request("nightly").await;
    valid(&world, "True", "Accepted").await;
    world.live_until("11-24 12:10");
    world.request("nightly").await;
    let object = valid(&world, "True", "ExpiresSoon").await;
    assert!(message(&object, "CredentialsValid").contains("14 days"));
    assert!(is_ready(&object), "the key still serves");

    let seconds = SignedDuration::from_secs(2);
    world.server.clock().set(expires - seconds);
    world.request("nightly").await;
    // A refusal does not show the portal's clock, so the operator lets its own go on.
    tokio::time::sleep(seconds.unsigned_abs() + Duration::from_secs(1)).await;
    world.server.clock().set(expires + seconds);
    world.check_now().await;
    let object = world.stalled("nightly", "Unauthorized").await;
    let credentials = condition(&object, "CredentialsValid").expect("a condition");
    assert_eq!(
        (credentials.status.as_str(), credentials.reason.as_str()),
        ("False", "Expired")
    );
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_key_that_may_not_write_is_told_before_a_write_is_needed() {
    let world = with_key(ApiKey::named("full")).await;
    let reads = world
        .portal
        .issue_key(ApiKey::named("reads").with_permissions(&["*:read"]));
    world.set_key(&reads).await;
    let object = valid(&world, "False", "MissingPermission").await;
    assert!(is_ready(&object), "the schedule is as the manifest says");
    // It lasts: the next look does not ask for the key.
    world.request("nightly").await;
    valid(&world, "False", "MissingPermission").await;
    world.set_key(&world.key).await;
    valid(&world, "True", "Accepted").await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_session_token_serves_and_its_end_cannot_be_known() {
    let world = World::at_noon(Installation::default()).await;
    let token = world.portal.issue_session(Holder::Owner);
    world.set_key(&token).await;
    world.create(&world.nightly_at(13)).await;
    let object = world.ready("nightly").await;
    let credentials = condition(&object, "CredentialsValid").expect("a condition");
    assert_eq!(
        (credentials.status.as_str(), credentials.reason.as_str()),
        ("True", "Accepted")
    );
    assert!(
        credentials.message.contains("session token")
            && credentials.message.contains("its expiry is unknown"),
        "{}",
        credentials.message
    );
    assert_eq!(object.status.and_then(|status| status.api_key), None);
}

#[tokio::test]
async fn a_key_that_only_reads_is_enough_to_observe() {
    let world = World::at_noon(Installation::default()).await;
    world.hold(&world.nightly());
    let reads = world
        .portal
        .issue_key(ApiKey::named("reads").with_permissions(&["*:read"]));
    world.set_key(&reads).await;
    let mut object = world.nightly();
    object.spec.management_policy = ManagementPolicy::Observe;
    world.create(&object).await;
    world.ready("nightly").await;
    valid(&world, "True", "Accepted").await;
    // To look after the schedule takes more.
    world
        .patch("nightly", json!({"spec": {"managementPolicy": "Enforce"}}))
        .await;
    let object = valid(&world, "False", "MissingPermission").await;
    assert!(is_ready(&object), "it is found equal, without a write");
    assert_eq!(world.posts(), 0);
}
