//! What the recordings do not cover: tenants by Host, TLS, the clock, the log, keys, the cleaner.

use std::{sync::Arc, time::Duration};

use crate::http::Call;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulated_portal::{
    ApiKey, Archive, Expiry, File, Holder, Installation, Keep, Portal, Schedule, SimulatedPortal, Tenant,
};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

const SOON: Duration = Duration::from_secs(10);

fn nightly() -> Value {
    json!({
        "storageType": "Local",
        "storageParams": [{"key": "filePath", "value": "/backups"}],
        "cronParams": {"period": "EveryDay", "hour": 3},
        "backupsStored": 2,
    })
}

fn post() -> Call {
    Call::new("POST", "backup/createbackupschedule").json(nightly())
}

async fn with_key() -> (SimulatedPortal, Portal, String) {
    let server = SimulatedPortal::start(Installation::default()).await;
    let portal = server.first();
    let key = portal.issue_key(ApiKey::named("test"));
    (server, portal, key)
}

#[tokio::test]
async fn a_schedule_is_stored_told_and_deleted() {
    let (server, portal, key) = with_key().await;
    assert_eq!(
        post().key(&key).send(&server).await.unwrap().json()["response"],
        json!(true)
    );
    assert_eq!(portal.schedule(false).unwrap().backups_stored, 2);

    let get = Call::new("GET", "backup/getbackupschedule?dump=false").key(&key);
    let told = get.send(&server).await.unwrap();
    assert_eq!(
        told.json()["response"]["storageParams"],
        json!({"filePath": "/backups", "folderId": "/backups"})
    );

    let delete = Call::new("DELETE", "backup/deletebackupschedule?dump=false").key(&key);
    delete.send(&server).await.unwrap();
    assert!(portal.schedule(false).is_none());
    assert_eq!(portal.audit_events()[0].action_id, 5130);
    let absent = get.send(&server).await.unwrap().json();
    assert_eq!(
        (&absent["status"], &absent["count"], absent.get("response")),
        (&json!(0), &json!(0), None)
    );
}

#[tokio::test]
async fn tenants_are_told_apart_by_host_and_dumps_are_shared() {
    let server = SimulatedPortal::start(Installation::default()).await;
    let portals: Vec<Portal> = (0..10_000)
        .map(|number| server.add_tenant(Tenant::at(&format!("p{number}.test"))))
        .collect();
    let portal = &portals[9_876];
    let key = portal.issue_key(ApiKey::named("test"));
    let sent = post()
        .key(&key)
        .header("Host", "p9876.test:8080")
        .send(&server)
        .await
        .unwrap();
    assert_eq!(sent.status, 200);
    assert_eq!(portal.schedule(false).unwrap().tenant_id, 9_878);
    assert!(portals[9_875].schedule(false).is_none());
    assert_eq!(post().key(&key).send(&server).await.unwrap().status, 401);

    portal.set_schedule(Schedule {
        dump: true,
        ..Schedule::every_day(4)
    });
    assert_eq!(
        server.first().schedule(true).unwrap().tenant_id,
        simulated_portal::DUMP_TENANT
    );
}

#[tokio::test]
async fn it_speaks_tls_with_a_certificate_of_its_authority() {
    let server = SimulatedPortal::start(Installation::default().with_tls(&["docs.example.com"])).await;
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(server.ca_pem().unwrap().as_bytes()).unwrap();
    roots.add(authority).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let connect = async |name: &'static str| {
        let tcp = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
        connector.connect(ServerName::try_from(name).unwrap(), tcp).await
    };
    let answer = Call::new("GET", "settings")
        .send_over(connect("docs.example.com").await.unwrap())
        .await
        .unwrap();
    assert!(
        answer.json()["links"][0]["href"]
            .as_str()
            .unwrap()
            .starts_with("https://portal.test/")
    );
    assert!(connect("other.example.com").await.is_err());
    assert!(server.url().starts_with("https://127.0.0.1:"));
}

#[tokio::test]
async fn dates_come_from_the_clock() {
    let (server, portal, key) = with_key().await;
    server.clock().set("2026-11-23T03:07:00Z".parse().unwrap());
    post().key(&key).send(&server).await.unwrap();
    portal.set_last_backup_time(false, Some(server.clock().now()));
    let told = Call::new("GET", "backup/getbackupschedule")
        .key(&key)
        .send(&server)
        .await
        .unwrap();
    assert_eq!(told.header("date"), Some("Mon, 23 Nov 2026 03:07:00 GMT"));
    assert_eq!(
        told.json()["response"]["lastBackupTime"],
        json!("2026-11-23T03:07:00")
    );
}

#[tokio::test]
async fn keys_are_switched_off_narrowed_expired_and_revoked() {
    let (server, portal, key) = with_key().await;
    let status = async || {
        Call::new("GET", "backup/getbackupschedule")
            .key(&key)
            .send(&server)
            .await
            .unwrap()
            .status
    };
    assert_eq!(status().await, 200);
    portal.change_key(&key, |key| key.permissions = vec!["rooms:read".to_owned()]);
    assert_eq!(status().await, 403);
    portal.change_key(&key, |key| key.permissions.clear());
    portal.change_key(&key, |key| {
        key.expires_at = Some(server.clock().now() - SignedDuration::from_secs(1))
    });
    assert_eq!(status().await, 401);
    portal.change_key(&key, |key| key.expires_at = None);
    assert_eq!(status().await, 200);
    portal.revoke_key(&key);
    assert_eq!(status().await, 401);

    let session = portal.issue_session(Holder::Owner);
    let bare = Call::new("GET", "backup/getbackupschedule").header("Authorization", &session);
    assert_eq!(bare.send(&server).await.unwrap().status, 200);
    portal.end_session(&session);
    assert_eq!(bare.send(&server).await.unwrap().status, 401);
}

#[tokio::test]
async fn the_log_keeps_what_was_sent_and_can_be_waited_for() {
    let (server, _portal, key) = with_key().await;
    let log = server.log().clone();
    let waiting =
        tokio::spawn(async move { log.wait_until(SOON, |seen| seen.iter().any(|r| r.answered)).await });
    post().key(&key).send(&server).await.unwrap();
    let seen = waiting.await.unwrap().unwrap();
    let first = &seen[0];
    assert_eq!(
        (first.token(), first.status, first.host.as_str()),
        (Some(key.as_str()), Some(200), "portal.test")
    );
    assert_eq!(first.body.as_ref().unwrap()["backupsStored"], json!(2));
    assert!(first.ended.unwrap() >= first.started);
    assert_eq!(
        (
            server.log().posts().len(),
            server.log().count("POST", "createbackupschedule")
        ),
        (1, 1)
    );

    let never = server
        .log()
        .wait_until(Duration::from_millis(20), |seen| seen.len() > 1)
        .await
        .unwrap_err();
    assert!(
        never
            .to_string()
            .contains("POST portal.test/api/2.0/backup/createbackupschedule: 200"),
        "{never}"
    );

    server.log().keep(Keep::Last(1));
    Call::new("GET", "settings").send(&server).await.unwrap();
    Call::new("GET", "portal").send(&server).await.unwrap();
    let kept = server.log().requests();
    assert_eq!(kept.iter().map(|request| request.number).collect::<Vec<_>>(), [3]);
    server.log().keep(Keep::Nothing);
    Call::new("GET", "settings").send(&server).await.unwrap();
    assert!(server.log().requests().is_empty());
    assert_eq!(
        (server.log().total(), server.log().count("GET", "settings")),
        (4, 2)
    );
    server
        .log()
        .wait_for_count(SOON, "GET", "settings", 2)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_server_stops_when_it_is_dropped() {
    let (server, portal, _) = with_key().await;
    let port = server.port();
    drop(server);
    assert!(
        TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
        "the portal still holds it"
    );
    drop(portal);
    let stopped = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, stopped).await.unwrap();
}

fn day(number: i64) -> Timestamp {
    "2026-11-01T03:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * number)
}

#[tokio::test]
async fn the_cleaner_keeps_the_newest_scheduled_archives_whatever_their_storage() {
    let (server, portal, key) = with_key().await;
    server.clock().set(day(10));
    for number in 1..=4 {
        portal.add_archive(
            false,
            Archive::scheduled(&format!("s{number}"), day(number)).in_storage(number as i32 % 2),
        );
    }
    portal.add_archive(false, Archive::manual("m", day(0)));
    portal.add_archive(false, Archive::scheduled("c", day(0)).in_storage(2));
    assert_eq!(server.run_cleaner(), [], "no schedule, nothing deleted");

    post().key(&key).send(&server).await.unwrap();
    let deleted: Vec<String> = server
        .run_cleaner()
        .into_iter()
        .map(|archive| archive.id)
        .collect();
    assert_eq!(deleted, ["s1", "s2"]);
    let history = Call::new("GET", "backup/getbackuphistory")
        .key(&key)
        .send(&server)
        .await
        .unwrap()
        .json();
    let listed: Vec<&str> = history["response"]
        .as_array()
        .unwrap()
        .iter()
        .map(|archive| archive["id"].as_str().unwrap())
        .collect();
    assert_eq!(listed, ["s3", "s4", "m"]);
    assert_eq!(server.run_cleaner(), []);
}

#[tokio::test]
async fn on_postgresql_the_cleaner_deletes_every_archive_that_a_run_wrote() {
    let server = SimulatedPortal::start(Installation::on_postgresql()).await;
    let portal = server.first();
    server.clock().set(day(2));
    portal.add_archive(false, Archive::scheduled("written", day(1)));
    portal.add_archive(
        false,
        Archive {
            expires_on: Expiry::Never,
            ..Archive::manual("never", day(1))
        },
    );
    portal.add_archive(false, Archive::scheduled("tomorrow", day(2)).in_storage(4));
    let key = portal.issue_key(ApiKey::named("test"));
    let history = Call::new("GET", "backup/getbackuphistory").key(&key);
    assert_eq!(
        history.send(&server).await.unwrap().json()["response"][0]["expiresOn"],
        json!("0001-01-01T00:00:00Z")
    );
    assert_eq!(server.run_cleaner().len(), 1);
    server.clock().advance(SignedDuration::from_hours(24));
    assert_eq!(server.run_cleaner()[0].id, "tomorrow");
    assert_eq!(
        portal
            .archives(false)
            .iter()
            .filter(|archive| !archive.removed)
            .count(),
        1
    );
}

#[tokio::test]
async fn an_archive_whose_file_is_not_seen_is_struck_for_good() {
    let (server, portal, key) = with_key().await;
    portal.add_archive(false, Archive::manual("lost", day(1)));
    let count = async || {
        let history = Call::new("GET", "backup/getbackuphistory")
            .key(&key)
            .send(&server)
            .await
            .unwrap();
        history.json()["response"].as_array().unwrap().len()
    };
    assert_eq!(count().await, 1);
    portal.change_archive(false, "lost", |archive| archive.file = File::Missing);
    assert_eq!(count().await, 0);
    portal.change_archive(false, "lost", |archive| archive.file = File::Present);
    assert_eq!(count().await, 0);
}
