//! `import` prints manifests that are adopted without a write.

use std::{process::Output, time::Duration};

use docspace_backup_operator::api::AppliedReason;
use harness::control_plane;
use serde_json::{Value, json};
use simulated_portal::{Fault, Installation};
use tokio::process::Command;

use crate::world::{OPERATOR, Setup, World, applied_reason};

async fn import(world: &World, more: &[&str]) -> Output {
    Command::new(OPERATOR)
        .args([
            "import",
            "--allow-loopback-portals",
            "--url",
            &world.server.url(),
            "--api-key-file",
        ])
        .arg(world.key_file())
        .args(more)
        .output()
        .await
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The manifests, with the values that a person fills in.
fn filled_in(manifests: &str, key: &str, values: &[(&str, &str)]) -> String {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifests).expect("YAML");
    let documents = documents.into_iter().map(|mut document| {
        for (name, value) in document["stringData"].as_object_mut().into_iter().flatten() {
            let given = values.iter().find(|(known, _)| known == name);
            *value = given.map_or(key, |(_, value)| value).into();
        }
        document.to_string()
    });
    documents.collect::<Vec<_>>().join("\n---\n")
}

fn posted(storage: &str, params: Value, dump: bool) -> Value {
    json!({
        "storageType": storage, "storageParams": params, "backupsStored": 5, "dump": dump,
        "cronParams": {"period": "EveryWeek", "hour": 4, "day": 7},
    })
}

/// Every storage type, in both slots.
#[tokio::test]
async fn what_is_imported_is_adopted_without_a_write() {
    for (storage, params, hidden) in [
        ("Documents", json!([{"key": "folderId", "value": "42"}]), &[][..]),
        (
            "ThridpartyDocuments",
            json!([{"key": "folderId", "value": "drive-7-|root"}]),
            &[],
        ),
        ("CustomCloud", json!([]), &[]),
        (
            "Local",
            json!([{"key": "filePath", "value": "/app/onlyoffice/data/backup"}]),
            &[],
        ),
        ("DataStore", json!([]), &[]),
        (
            "ThirdPartyConsumer",
            json!([
                {"key": "module", "value": "s3"},
                {"key": "bucket", "value": "backups"},
                {"key": "ssekey", "value": "a-customer-key"},
            ]),
            &[("ssekey", "a-customer-key")],
        ),
    ] {
        let mut world = Setup::default()
            .installation(Installation::default())
            .idle()
            .await;
        for dump in [false, true] {
            world
                .portal
                .set_schedule_as_posted(&posted(storage, params.clone(), dump));
        }
        let namespace = world.namespace.name().to_owned();
        let output = import(&world, &["--namespace", &namespace, "--name", "taken"]).await;
        let (manifests, notes) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{storage}: {notes}");
        for (name, value) in hidden {
            assert!(!manifests.contains(value), "{storage}: {manifests}");
            assert!(notes.contains(name), "{storage}: {notes}");
        }
        assert!(
            !manifests.contains(&world.key) && notes.contains("taken-api-key"),
            "{notes}"
        );

        let filled = filled_in(&manifests, &world.key, hidden);
        control_plane().kubectl_ok(&["apply", "-f", "-"], &filled);
        world.operator.start(&[]).await;
        for name in ["taken", "taken-dump"] {
            let object = world.ready(name).await;
            assert_eq!(applied_reason(&object), Some(AppliedReason::Adopted), "{storage}");
        }
        assert_eq!(world.posts(), 0, "{storage}");
    }
}

#[tokio::test]
async fn what_cannot_be_imported_is_told() {
    let world = Setup::default().idle().await;
    let output = import(&world, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the portal has no backup schedule"));

    world.portal.revoke_key(&world.key);
    let output = import(&world, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("HTTP 401"), "{said}");
    assert!(output.stdout.is_empty());
}

/// What is printed is what the API server accepts; the rest is told.
#[tokio::test]
async fn odd_schedules_are_manifests_or_notes() {
    let world = Setup::default().idle().await;
    let namespace = world.namespace.name().to_owned();
    let key = world.key.clone();
    let param = |key: &str, value: &str| json!({"key": key, "value": value});
    let of_data_store = |params: Value| json!({"storageType": "DataStore", "storageParams": params});
    let mut printed = 0;
    for (change, told) in [
        (of_data_store(json!([param("Bucket", "b")])), None),
        (of_data_store(json!([param("ssekey", "")])), None),
        (
            of_data_store(json!([param("sse:key \u{1b}[31m", "hush")])),
            Some("sse:key"),
        ),
        (of_data_store(json!([param("sse:key", "hush")])), None),
        (
            of_data_store(json!([param("value-0", "hush"), param("a:b", "hush")])),
            None,
        ),
        (
            of_data_store(json!([param("bucket", &key)])),
            Some("holds the API key"),
        ),
        (
            of_data_store(json!([param(&key, "b")])),
            Some("holds the API key"),
        ),
        (json!({"backupsStored": 31}), Some("backupsStored is 31")),
        (json!({"storageType": 6}), Some("storageType is 6")),
        (
            json!({"storageType": "ThirdPartyConsumer", "storageParams": [param("module", "S3")]}),
            Some("needs module"),
        ),
        (
            json!({"storageType": "ThirdPartyConsumer", "storageParams": []}),
            Some("needs module"),
        ),
        (
            json!({"storageType": "Local", "storageParams": [param("filePath", "")]}),
            Some("needs filePath"),
        ),
    ] {
        let mut body = posted("DataStore", json!([]), false);
        body.as_object_mut()
            .expect("an object")
            .extend(change.as_object().expect("an object").clone());
        world.portal.set_schedule_as_posted(&body);
        let output = import(&world, &["--namespace", &namespace]).await;
        let (manifests, notes) = (text(&output.stdout), text(&output.stderr));
        for text in [&manifests, &notes] {
            assert!(
                !text.contains(&key) && !text.contains("hush") && !text.contains('\u{1b}'),
                "{change}: {text}"
            );
        }
        match told {
            Some(told) => {
                assert!(notes.contains(told), "{change}: {notes}");
                assert_eq!(output.status.code(), Some(1), "{change}");
                assert!(manifests.is_empty(), "{change}");
            }
            None => {
                let filled = filled_in(&manifests, &key, &[]);
                control_plane().kubectl_ok(&["apply", "--dry-run=server", "-f", "-"], &filled);
                printed += 1;
            }
        }
    }
    assert_eq!(printed, 4);
}

/// Half an answer is no answer.
#[tokio::test]
async fn a_failure_that_passes_ends_the_import() {
    let world = Setup::default()
        .installation(Installation::default())
        .idle()
        .await;
    world
        .portal
        .set_schedule_as_posted(&posted("DataStore", json!([]), false));
    // The first read is answered as ever.
    let schedule = "getbackupschedule";
    world
        .server
        .order(Fault::delay(Duration::ZERO).to(schedule).times(1));
    world.server.order(Fault::bad_gateway().to(schedule));
    let output = import(&world, &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
}

/// As the chart starts the operator: every Secret must say which portals it is for.
#[tokio::test]
async fn a_private_ca_is_imported_with_its_secret() {
    let installation = Installation::default().with_tls(&["127.0.0.1"]);
    let mut world = Setup::default().installation(installation).idle().await;
    world
        .portal
        .set_schedule_as_posted(&posted("DataStore", json!([]), false));
    let file = control_plane().folder().join(format!("{}.pem", world.namespace));
    let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    let pem = world.server.ca_pem().expect("a portal over TLS");
    std::fs::write(&file, format!("{key}{pem}")).expect("the folder is ours");
    let (namespace, file) = (world.namespace.name().to_owned(), file.display().to_string());
    let arguments = ["--namespace", &namespace, "--ca-file", &file];
    let output = import(&world, &arguments).await;
    let manifests = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        manifests.contains("BEGIN CERTIFICATE") && !manifests.contains("PRIVATE KEY"),
        "{manifests}"
    );

    let filled = filled_in(&manifests, &world.key, &[("ca.crt", pem)]);
    control_plane().kubectl_ok(&["apply", "-f", "-"], &filled);
    world.operator.start(&["--require-origin-annotation"]).await;
    let object = world.ready("docspace-backup").await;
    assert_eq!(applied_reason(&object), Some(AppliedReason::Adopted));
    assert_eq!(world.posts(), 0);
}
