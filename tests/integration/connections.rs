//! Portals whose connections or certificates are unusual, and serve nevertheless.

use harness::secret;
use kube::api::PostParams;
use simulated_portal::{Certificate, Installation};

use crate::world::{Setup, World, every_day};

#[tokio::test]
async fn a_portal_that_closes_each_connection_after_its_answer_fails_nobody() {
    let world = Setup::default()
        .installation(Installation {
            closes_connections: true,
            ..Installation::default()
        })
        .of_one_process("its metrics are read")
        .start(&[])
        .await;
    world.create(&world.nightly_at(13)).await;
    world.ready("nightly").await;
    for hour in [14, 15] {
        world
            .patch(
                "nightly",
                serde_json::json!({"spec": {"cronParams": {"hour": hour}}}),
            )
            .await;
        world.ready("nightly").await;
    }
    world.request("nightly").await;
    assert_eq!((world.posts(), world.cron()), (3, Some(every_day(15))));
    let (_, text) = world.operator.only().get("/metrics").await;
    let failed: Vec<_> = text
        .lines()
        .filter(|line| line.contains("portal_calls_total") && !line.contains(r#"code="200""#))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_where_it_is_named() {
    let installation = Installation {
        certificate: Certificate::SelfSigned,
        ..Installation::default().with_tls(&["docs.example.com"])
    };
    let world = World::at_noon(installation).await;
    let own = world.server.ca_pem().expect("a portal over TLS");
    world
        .namespace
        .secrets(&world.client)
        .create(&PostParams::default(), &secret("portal-ca", &[("ca.crt", own)]))
        .await
        .expect("created");
    let mut object = world.nightly();
    object.spec.portal.ca_secret_ref =
        serde_json::from_value(serde_json::json!({"name": "portal-ca"})).expect("a reference");
    world.create(&object).await;
    world.ready("nightly").await;
}
