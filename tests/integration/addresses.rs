//! One portal under several names: who has its slot, and who answers for a name that nobody knows.

use serde_json::json;
use simulated_portal::Installation;

use crate::world::{World, every_day, message};

#[tokio::test]
async fn a_portal_behind_two_addresses_is_one_portal() {
    let world = World::with_ready_at(13).await;
    let mut second = world.nightly_at(13);
    second.metadata.name = Some("second".into());
    second.spec.portal.url = format!("http://localhost:{}", world.server.port());
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
