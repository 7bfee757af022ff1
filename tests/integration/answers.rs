//! Every answer of a portal, or of a server in its place, has its own reason; no answer is written or shown.

use std::net::TcpListener;

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use harness::secret;
use kube::api::PostParams;
use serde_json::json;
use simulated_portal::{Fault, FaultBody};

use crate::world::World;

const LEAK: &str = "at ASC.Data.Backup.Secret.Stack()";

#[tokio::test]
async fn every_answer_has_its_reason() {
    let wrapped = |kind: &str| {
        format!(
            r#"{{"status":1,"statusCode":500,"error":{{"message":"Access denied","type":"{kind}","stack":"{LEAK}"}}}}"#
        )
    };
    let problem = |status: u16, section: u8| {
        format!(
            r#"{{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.{section}","title":"t","status":{status},"traceId":"{LEAK}"}}"#
        )
    };
    let rows = [
        (401, String::new(), "Unauthorized"),
        (401, format!("<html>{LEAK}</html>"), "NotDocSpace"),
        (
            402,
            wrapped("ASC.Core.Billing.BillingException"),
            "PlanNotAllowed",
        ),
        (403, String::new(), "KeyNotAllowed"),
        (
            403,
            wrapped("System.Security.SecurityException"),
            "UserNotAllowed",
        ),
        (403, problem(403, 4), "PortalUnavailable"),
        (403, wrapped("System.InvalidOperationException"), "DatabaseDown"),
        (404, problem(404, 5), "PortalGone"),
        (
            404,
            format!(r#"{{"type":"x","title":"{LEAK}","status":404}}"#),
            "RouteNotFound",
        ),
        (404, String::new(), "RouteNotFound"),
        (429, String::new(), "RateLimited"),
        (500, wrapped("System.Exception"), "ServerError"),
        (502, format!("<html>{LEAK}</html>"), "ProxyError"),
        (200, format!("<html>{LEAK}</html>"), "NotDocSpace"),
        (200, "{}".into(), "NotDocSpace"),
        (200, "[1]".into(), "NotDocSpace"),
        (302, String::new(), "Redirected"),
    ];
    let world = World::new().await;
    world.answer_looks(500, "");
    world.create(&world.nightly()).await;
    for (status, body, reason) in rows {
        world.answer_looks(status, &body);
        world.check_now().await;
        let object = world.told("nightly", reason).await;
        assert!(!format!("{object:?}").contains(LEAK), "{object:?}");
    }
    assert!(!format!("{:?} {}", world.all_events().await, world.operator.log()).contains(LEAK));
    assert_eq!(world.posts(), 0);
    world.server.clear_faults();
    world.check_now().await;
    world.ready("nightly").await;
}

#[tokio::test]
async fn connections_that_fail_have_their_reason() {
    let world = World::new().await;
    // Free again as soon as it is known; nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let rows = [
        (format!("http://127.0.0.1:{closed}"), "Unreachable"),
        ("https://docspace.invalid".into(), "Unreachable"),
        (world.server.url().replace("http://", "https://"), "TlsFailed"),
        ("http://169.254.169.254".into(), "AddressNotAllowed"),
        ("http://[::ffff:169.254.169.254]".into(), "AddressNotAllowed"),
        ("http://0.0.0.0:80".into(), "AddressNotAllowed"),
    ];
    for (number, (url, reason)) in rows.iter().enumerate() {
        let name = format!("object-{number}");
        let mut object = world.named(&name);
        object.spec.portal.url.clone_from(url);
        world.create(&object).await;
        world.told(&name, reason).await;
    }
}

#[tokio::test]
async fn tls_needs_a_trusted_authority() {
    let world = World::with_tls().await;
    world.create(&world.nightly()).await;
    world.told("nightly", "TlsFailed").await;
    let authority = secret(
        "portal-ca",
        &[("ca.crt", world.server.ca_pem().expect("a portal over TLS"))],
    );
    world
        .namespace
        .secrets(&world.client)
        .create(&PostParams::default(), &authority)
        .await
        .expect("created");
    world
        .patch(
            "nightly",
            json!({"spec": {"portal": {"caSecretRef": {"name": "portal-ca"}}}}),
        )
        .await;
    world.ready("nightly").await;
}

#[tokio::test]
async fn one_blip_writes_nothing() {
    let world = World::of_one_process("it tries again, another would look when the interval is over")
        .await
        .ready_nightly()
        .await;
    let before = world.get("nightly").await.status.expect("a status");
    world.server.order(
        Fault::answer(503, FaultBody::Empty)
            .to("getbackupschedule")
            .times(1),
    );
    world.look_after(async |world| world.check_now().await).await;
    let blip = world.get("nightly").await.status.expect("a status");
    assert!(
        !blip.difference.is_empty(),
        "what triggered the check is still there"
    );
    world.look_after(async |_| ()).await;
    let restored = |object: &DocSpaceBackupSchedule| object.status.as_ref() == Some(&before);
    world.wait("nightly", restored).await;
}
