//! `import` prints manifests that are adopted without a write.

use std::process::Output;

use docspace_backup_operator::api::AppliedReason;
use harness::control_plane;
use serde_json::{Value, json};
use simulated_portal::Installation;
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
    assert!(said.contains("401") || said.contains("key"), "{said}");
    assert!(output.stdout.is_empty());
}
