//! `check` foretells what the operator then does, and writes nothing.

mod scenes;
mod several;

use std::process::Output;

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use harness::{Namespace, control_plane};
use kube::ResourceExt;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::world::{OPERATOR, Setup, World};

/// What a check said.
pub struct Said {
    pub code: Option<i32>,
    pub text: String,
    pub errors: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            text: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }
}

impl Said {
    #[track_caller]
    fn reports(&self) -> Vec<Value> {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.text, self.errors))
    }

    /// The report on the only object.
    #[track_caller]
    fn report(&self) -> Value {
        let reports = self.reports();
        assert_eq!(reports.len(), 1);
        reports.into_iter().next().expect("a report")
    }
}

/// Runs the command with a kubeconfig of a person who may do everything.
async fn check(arguments: &[&str], stdin: &str) -> Said {
    run(
        Some(&control_plane().kubeconfig().display().to_string()),
        arguments,
        stdin,
    )
    .await
}

pub async fn run(kubeconfig: Option<&str>, arguments: &[&str], stdin: &str) -> Said {
    let mut command = Command::new(OPERATOR);
    command
        .args(["check", "--allow-loopback-portals"])
        .args(arguments);
    match kubeconfig {
        Some(kubeconfig) => command.env("KUBECONFIG", kubeconfig),
        // Nor is there one in the home folder.
        None => command.env_remove("KUBECONFIG").env("HOME", "/does/not/exist"),
    };
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(stdin.as_bytes()).await.expect("it reads");
    drop(input);
    child.wait_with_output().await.expect("it ends").into()
}

async fn check_manifest(world: &World, object: &DocSpaceBackupSchedule, more: &[&str]) -> Said {
    let manifest = serde_saphyr::to_string(object).expect("YAML");
    let namespace = world.namespace.name();
    check(&[&["-f", "-", "-n", namespace], more].concat(), &manifest).await
}

/// An account that may only read suffices for an object of the cluster.
#[tokio::test]
async fn an_object_of_the_cluster_is_checked_with_its_status() {
    let mut world = World::with_ready_nightly().await;
    let namespace = world.namespace.name().to_owned();
    let kubeconfig = world.operator.kubeconfig().display().to_string();
    let named = async |more: &[&str]| {
        run(
            Some(&kubeconfig),
            &[&["nightly", "-n", &namespace], more].concat(),
            "",
        )
        .await
    };
    let said = named(&[]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.text, said.errors);
    assert!(said.text.contains("plan        nothing"), "{}", said.text);

    world.operator.stop().await;
    // As `kubectl get -o yaml` shows it, edited.
    let mut edited = world.get("nightly").await;
    edited.spec.cron_params.hour = 23;
    let said = check_manifest(&world, &edited, &["-o", "json"]).await;
    let report = said.report();
    assert_eq!(
        (said.code, &report["plan"]),
        (Some(1), &Value::from("Replace")),
        "{report:#}"
    );
    assert_eq!(report["notes"], serde_json::json!([]));
    world
        .patch(
            "nightly",
            serde_json::json!({"spec": {"cronParams": {"hour": 22}}}),
        )
        .await;
    let said = named(&["-o", "json"]).await;
    let report = said.report();
    assert_eq!((said.code, &report["plan"]), (Some(1), &Value::from("Replace")));
    assert_eq!(
        report["difference"],
        serde_json::json!(["cronParams.hour: 22 wanted, 3 in the portal"])
    );
    assert_eq!(report["replaces"]["cronParams"]["hour"], 3);
    let posts = world.posts();

    // The slot belongs to the object that holds it.
    let said = check_manifest(&world, &world.named("second"), &[]).await;
    assert_eq!(said.code, Some(2));
    assert!(
        said.text.contains("Conflict") && said.text.contains("nightly"),
        "{}",
        said.text
    );
    assert_eq!(world.posts(), posts);

    let said = named(&["--api-key-file", "/does/not/exist"]).await;
    assert_eq!(said.code, Some(2));
    assert!(
        said.errors.contains("cannot read /does/not/exist"),
        "{}",
        said.errors
    );
}

/// What a manifest no longer has is gone, as after `kubectl replace`, whoever wrote it.
#[tokio::test]
async fn a_manifest_replaces_the_spec() {
    let mut world = Setup::default().idle().await;
    let mut object = world.nightly();
    let params = serde_json::json!([
        {"key": "module", "value": "s3"}, {"key": "bucket", "value": "backups"}, {"key": "region", "value": "eu"},
    ]);
    object.spec.storage_params = serde_json::from_value(params).expect("parameters");
    world.operator.start(&[]).await;
    world.create(&object).await;
    world.ready("nightly").await;
    object.spec.storage_params.pop();
    let said = check_manifest(&world, &object, &["-o", "json"]).await;
    let report = said.report();
    assert_eq!(
        (said.code, &report["plan"]),
        (Some(1), &Value::from("Replace")),
        "{report:#}"
    );
    let difference = report["difference"].as_array().expect("lines");
    assert!(
        difference.len() == 1 && difference[0].as_str().is_some_and(|line| line.contains("region")),
        "{report:#}"
    );
}

/// An object of another namespace that owns the portal's schedule.
#[tokio::test]
async fn others_are_seen_in_all_namespaces() {
    let world = World::with_ready_nightly().await;
    let other = Namespace::create(&world.client).await;
    let manifest = serde_saphyr::to_string(&world.nightly()).expect("YAML");
    let key = world.key_file();
    let arguments = ["-f", "-", "-n", other.name(), "--api-key-file", &key];
    let alone = check(&arguments, &manifest).await;
    assert_eq!(alone.code, Some(0), "{}{}", alone.text, alone.errors);
    let said = check(&[&arguments[..], &["-A"]].concat(), &manifest).await;
    assert_eq!(said.code, Some(2), "{}{}", said.text, said.errors);
    assert!(said.text.contains("Conflict"), "{}", said.text);
}

/// A key in a file, and no cluster at all.
#[tokio::test]
async fn a_manifest_needs_no_cluster() {
    let world = Setup::default().idle().await;
    let key = world.key_file();
    let object = world.nightly();
    let manifest = serde_saphyr::to_string(&object).expect("YAML");

    let said = run(None, &["-f", "-", "--api-key-file", &key], &manifest).await;
    assert_eq!(said.code, Some(1), "{}{}", said.text, said.errors);
    assert!(said.text.contains("plan        create"), "{}", said.text);
    assert!(
        said.text
            .contains("did not validate the manifest: there is no cluster"),
        "{}",
        said.text
    );
    assert!(!said.text.contains(&world.key));

    let said = run(None, &["-f", "-"], &manifest).await;
    assert_eq!(said.code, Some(2));
    assert!(
        said.errors.contains("there is no cluster"),
        "{}{}",
        said.text,
        said.errors
    );
    let said = run(None, &["nightly"], "").await;
    assert!(
        said.code == Some(2) && said.errors.contains("--file"),
        "{}",
        said.errors
    );
    let said = run(None, &[], "").await;
    assert!(
        said.code == Some(2) && said.errors.contains("Usage"),
        "{}",
        said.errors
    );
}

/// What the API server refuses, a check refuses.
#[tokio::test]
async fn kubernetes_validates_the_manifest() {
    let world = Setup::default().idle().await;
    let mut object = world.nightly();
    object.spec.storage_params.clear();
    let said = check_manifest(&world, &object, &[]).await;
    assert_eq!(said.code, Some(2));
    assert!(
        said.errors.contains(&format!(
            "Kubernetes refuses {}/{}",
            world.namespace,
            object.name_any()
        )),
        "{}",
        said.errors
    );
    assert!(
        said.errors.contains("needs a storage parameter") || said.errors.contains("module"),
        "{}",
        said.errors
    );
}
