//! What Argo CD and Flux make of objects as the operator leaves them: the snippets in `deploy/gitops`, run by Argo CD's
//! Lua, and by the API server in the place of Flux, as both have the same CEL.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, StorageType};
use harness::{DEADLINE, control_plane, helm::built};
use serde_json::{Value, json};

use crate::world::{World, is_ready};

fn snippet(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/gitops")
        .join(name)
}

/// A value as Lua writes it.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => {
            let bytes = text.bytes().map(|byte| format!("\\{byte:03}"));
            format!("\"{}\"", bytes.collect::<String>())
        }
        Value::Array(items) => format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("[{}] = {}", lua(&json!(name)), lua(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The status and the message that Argo CD shows.
fn argo(object: &Value) -> (String, String) {
    let glua = built("tests/programs/helm/build", "glua");
    let script = control_plane()
        .folder()
        .join(format!("health-{:016x}.lua", fastrand::u64(..)));
    let text = format!(
        "obj = {}\nlocal health = dofile({})\nprint(health.status)\nprint(health.message)\n",
        lua(object),
        lua(&json!(snippet("argocd-health.lua")))
    );
    fs::write(&script, text).expect("the folder is writable");
    let output = Command::new(glua).arg(&script).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (status, message) = said
        .split_once('\n')
        .unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    (status.into(), message.trim().into())
}

/// Flux' expressions as warnings of a policy for one namespace: each that holds is one.
fn flux_policy(namespace: &str) -> String {
    let text = fs::read_to_string(snippet("flux-kustomization.yaml")).expect("it is text");
    let kustomization: Value = serde_saphyr::from_str(&text).expect("it is YAML");
    let check = &kustomization["spec"]["healthCheckExprs"][0];
    let kind = (check["apiVersion"].as_str(), check["kind"].as_str());
    assert_eq!(
        kind,
        (
            Some("docspace.onlyoffice.com/v1alpha1"),
            Some("DocSpaceBackupSchedule")
        )
    );
    let validations: Vec<_> = ["inProgress", "failed", "current"]
        .iter()
        .map(|name| {
            // Flux gives an expression the fields of the object, a policy the object.
            let expression = check[name].as_str().expect("a text");
            let expression = expression
                .replace("status.observed", "object.status.observed")
                .replace("status.conditions", "object.status.conditions")
                .replace("metadata.", "object.metadata.");
            json!({"expression": format!("!({expression})"), "message": format!("flux: {name}")})
        })
        .collect();
    let name = format!("flux.{namespace}");
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["docspace.onlyoffice.com"], "apiVersions": ["v1alpha1"],
                "operations": ["UPDATE"], "resources": ["docspacebackupschedules"],
            }]},
            "validations": validations,
        },
    });
    let own = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]});
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Warn"],
            "matchResources": {"namespaceSelector": {"matchExpressions": [own]}},
        },
    });
    format!("---\n{policy}\n---\n{binding}\n")
}

/// Flux takes the first that holds.
fn flux(namespace: &str, name: &str) -> Option<&'static str> {
    let object = format!("dsbs/{name}");
    let arguments = [
        "annotate",
        &object,
        "touched=yes",
        "--dry-run=server",
        "--overwrite",
        "-n",
        namespace,
    ];
    let output = control_plane().kubectl(&arguments, "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    ["inProgress", "failed", "current"]
        .into_iter()
        .find(|name| said.contains(&format!("flux: {name}")))
}

#[track_caller]
fn assert_health(object: &DocSpaceBackupSchedule, argo_status: &str, word: &str, flux_status: &str) {
    let name = object.metadata.name.as_deref().expect("a name");
    let namespace = object.metadata.namespace.as_deref().expect("a namespace");
    let object = serde_json::to_value(object).expect("it is JSON");
    let (status, message) = argo(&object);
    assert_eq!(status, argo_status, "{message}");
    assert!(message.contains(word), "{message}");
    assert_eq!(flux(namespace, name), Some(flux_status));
}

#[tokio::test]
async fn argo_cd_and_flux_see_what_there_is() {
    let mut world = World::new().await;
    let namespace = world.namespace.name().to_owned();
    control_plane().kubectl_ok(&["apply", "-f", "-"], &flux_policy(&namespace));
    world.operator.stop().await;
    let waiting = world.create(&world.nightly()).await;
    // The policy takes effect some time after it was applied.
    let deadline = Instant::now() + DEADLINE;
    while flux(&namespace, "nightly").is_none() {
        assert!(Instant::now() < deadline, "no expression holds");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_health(&waiting, "Progressing", "Waiting for the operator", "inProgress");

    world.operator.restart().await;
    let ready = world.ready("nightly").await;
    assert_health(&ready, "Healthy", "", "current");

    world.patch("nightly", json!({"spec": {"suspend": true}})).await;
    let suspended = world.told("nightly", "InSync").await;
    assert_health(&suspended, "Suspended", "", "current");
    world.patch("nightly", json!({"spec": {"suspend": false}})).await;
    world.ready("nightly").await;

    world
        .patch(
            "nightly",
            json!({"spec": {"portal": {"url": "http://127.0.0.1:9"}}}),
        )
        .await;
    let unreachable = world.told("nightly", "Unreachable").await;
    assert_health(&unreachable, "Progressing", "127.0.0.1", "inProgress");

    // There is no storage behind it: the schedule is in the portal, and nothing can come of it.
    let mut useless = world.named("useless");
    useless.spec.storage_type = StorageType::CustomCloud;
    useless.spec.storage_params = Vec::new();
    world.create(&useless).await;
    let useless = world.fresh("useless", "StorageCannotBackUp").await;
    assert!(is_ready(&useless));
    assert_health(&useless, "Degraded", "can never back up", "failed");
    world.delete("useless").await;
    world.gone("useless").await;

    world.set_key("sk-wrong").await;
    world.create(&world.named("refused")).await;
    let refused = world.stalled("refused", "Unauthorized").await;
    assert_health(&refused, "Degraded", "key", "failed");
}
