//! The resource as kubectl shows it.

use std::{fs, path::Path};

use harness::{Namespace, control_plane};
use serde_json::{Value, json};

use super::valid;

#[tokio::test]
async fn status_is_the_operators_alone() {
    let cluster = control_plane();
    let client = cluster.client().await;
    let namespace = Namespace::create(&client).await;
    let mut manifest = valid();
    manifest["status"] = json!({
        "observedGeneration": 1,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "InSync", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    });
    for mode in ["--server-side=false", "--server-side"] {
        let apply = [
            "apply",
            "--namespace",
            namespace.name(),
            mode,
            "--force-conflicts",
            "-f",
            "-",
        ];
        let apply: Vec<_> = apply
            .into_iter()
            .filter(|argument| mode == "--server-side" || *argument != "--force-conflicts")
            .collect();
        cluster.kubectl_ok(&apply, &manifest.to_string());
        let get = [
            "get",
            "dsbs/nightly",
            "--namespace",
            namespace.name(),
            "--output",
            "json",
        ];
        let object: Value = serde_json::from_str(&cluster.kubectl_ok(&get, "")).expect("JSON");
        assert_eq!(object["status"]["observedGeneration"], json!(-1), "{mode}");
        assert_eq!(
            object["status"]["conditions"][0]["status"],
            json!("Unknown"),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn get_reads_at_a_glance() {
    let cluster = control_plane();
    let client = cluster.client().await;
    let namespace = Namespace::create(&client).await;
    let namespace = ["--namespace", namespace.name()];
    let get = |arguments: &[&str]| {
        let lines = cluster.kubectl_ok(&[&["get"], arguments, &namespace].concat(), "");
        let columns = |line: &str| -> Vec<_> {
            line.split("  ")
                .map(str::trim)
                .filter(|column| !column.is_empty())
                .map(String::from)
                .collect()
        };
        lines.lines().map(columns).collect::<Vec<_>>()
    };
    cluster.kubectl_ok(
        &[&["create", "-f", "-"][..], &namespace].concat(),
        &valid().to_string(),
    );

    let headers = [
        "NAME",
        "SCHEDULE",
        "READY",
        "FRESH",
        "LAST BACKUP",
        "STATUS",
        "AGE",
    ];
    for resource in ["dsbs", "docspacebackupschedules", "docspace"] {
        let table = get(&[resource]);
        assert_eq!(table[0], headers, "{resource}");
        assert_eq!(
            table[1][..3],
            ["nightly", "Unknown", "Waiting for the operator"],
            "{resource}"
        );
    }
    let wide = get(&["dsbs", "--output", "wide"]);
    assert_eq!(wide[0], [&headers[..], &["PORTAL", "NEXT"]].concat());
    assert_eq!(
        wide[1].last().map(String::as_str),
        Some("https://yourportal.onlyoffice.com")
    );
}

#[test]
fn explain_describes_every_field() {
    let cluster = control_plane();
    let said = cluster.kubectl_ok(&["explain", "dsbs.spec.backupsStored"], "");
    assert!(
        said.contains("Number of archives that the portal keeps, 1 to 30."),
        "{said}"
    );
    let said = cluster.kubectl_ok(&["explain", "dsbs.spec", "--recursive"], "");
    assert!(said.contains("apiKeySecretRef"), "{said}");

    let crd = serde_json::to_value(docspace_backup_operator::api::crd()).expect("a CRD is JSON");
    let mut bare = Vec::new();
    for part in ["spec", "status"] {
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part];
        undescribed(part, schema, &mut bare);
    }
    assert!(bare.is_empty(), "no description: {}", bare.join(", "));
}

fn undescribed(path: &str, schema: &Value, bare: &mut Vec<String>) {
    if schema["description"].as_str().is_none_or(str::is_empty) {
        bare.push(path.into());
    }
    let object = if schema["type"] == "array" {
        &schema["items"]
    } else {
        schema
    };
    for (name, property) in object["properties"].as_object().into_iter().flatten() {
        undescribed(&format!("{path}.{name}"), property, bare);
    }
}

#[test]
fn the_samples_are_accepted() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let mut seen = 0;
    for file in fs::read_dir(samples).expect("there are samples") {
        let file = file.expect("a readable folder").path();
        let text = fs::read_to_string(&file).expect("a sample is text");
        if text.contains("kind: DocSpaceBackupSchedule") {
            let arguments = [
                "apply",
                "--server-side",
                "--dry-run=server",
                "--validate=strict",
                "-f",
                "-",
            ];
            let output = control_plane().kubectl(&arguments, &text);
            assert!(
                output.status.success(),
                "{}: {}",
                file.display(),
                String::from_utf8_lossy(&output.stderr)
            );
            seen += 1;
        }
    }
    assert!(seen > 0, "no sample holds a DocSpaceBackupSchedule");
}
