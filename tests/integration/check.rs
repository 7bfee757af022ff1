//! `check` foretells what the operator then does, and writes nothing.

use std::process::Output;

use docspace_backup_operator::api::{
    AdoptionPolicy, DocSpaceBackupSchedule, ManagementPolicy, Period, Status,
};
use harness::{Namespace, control_plane};
use kube::ResourceExt;
use serde_json::Value;
use simulated_portal::{ApiKey, Archive, Fault, Installation, Mode};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::world::{OPERATOR, Setup, World, at, condition};

/// What a check said.
struct Said {
    code: Option<i32>,
    text: String,
    errors: String,
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
    /// The report on the only object.
    #[track_caller]
    fn report(&self) -> Value {
        let reports: Vec<Value> = serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.text, self.errors));
        assert_eq!(reports.len(), 1);
        reports.into_iter().next().expect("a report")
    }
}

fn status(report: &Value) -> Status {
    serde_json::from_value(report["status"].clone()).expect("a status")
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

async fn run(kubeconfig: Option<&str>, arguments: &[&str], stdin: &str) -> Said {
    let mut command = Command::new(OPERATOR);
    command
        .args(["check", "--allow-loopback-portals"])
        .args(arguments);
    command.env("KUBECONFIG", kubeconfig.unwrap_or("/does/not/exist"));
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

/// A portal and a manifest before the operator has seen either.
struct Scene {
    name: &'static str,
    installation: Installation,
    /// Arranges the portal and the Secret.
    arrange: fn(&World),
    change: fn(&mut DocSpaceBackupSchedule),
    plan: &'static str,
    ready: &'static str,
}

impl Scene {
    fn new(name: &'static str, plan: &'static str, ready: &'static str) -> Self {
        Self {
            name,
            installation: Installation::default(),
            arrange: |_| {},
            change: |_| {},
            plan,
            ready,
        }
    }

    fn arrange(self, arrange: fn(&World)) -> Self {
        Self { arrange, ..self }
    }

    fn change(self, change: fn(&mut DocSpaceBackupSchedule)) -> Self {
        Self { change, ..self }
    }

    fn cloud(self) -> Self {
        let installation = Installation::saas();
        Self { installation, ..self }
    }
}

fn archives(world: &World) {
    for day in 1..=9 {
        let archive = Archive::scheduled(&format!("archive-{day}"), at(&format!("11-0{day} 03:08")));
        world.portal.add_archive(false, archive);
    }
}

fn another_hour(world: &World) {
    world.hold(&world.nightly_at(22));
}

fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("an empty portal", "Create", "InSync"),
        Scene::new("an empty portal of the cloud", "Create", "InSync").cloud(),
        Scene::new("an hour that never starts", "Create", "InSync").change(|object| {
            object.spec.cron_params.period = Period::EveryWeek;
            object.spec.cron_params.day = Some(1);
        }),
        Scene::new("a day that February lacks", "Create", "InSync").change(|object| {
            object.spec.cron_params.period = Period::EveryMonth;
            object.spec.cron_params.day = Some(31);
        }),
        Scene::new("the same schedule", "Adopt", "InSync").arrange(|world| world.hold(&world.nightly())),
        Scene::new("another schedule", "Replace", "InSync").arrange(another_hour),
        Scene::new("another schedule, never adopted", "Refuse", "AdoptionRefused")
            .arrange(another_hour)
            .change(|object| object.spec.adoption_policy = AdoptionPolicy::Never),
        Scene::new("another schedule, observed", "Refuse", "OutOfSync")
            .arrange(another_hour)
            .change(|object| object.spec.management_policy = ManagementPolicy::Observe),
        Scene::new("the same schedule, observed", "Nothing", "InSync")
            .arrange(|world| world.hold(&world.nightly()))
            .change(|object| object.spec.management_policy = ManagementPolicy::Observe),
        Scene::new(
            "archives that a write would delete",
            "Refuse",
            "WouldDeleteArchives",
        )
        .arrange(archives),
        Scene::new("archives that may be deleted", "Create", "InSync")
            .arrange(archives)
            .change(|object| object.spec.adoption_policy = AdoptionPolicy::Always),
        Scene::new("suspended", "Suspend", "Suspended").change(|object| object.spec.suspend = true),
        Scene::new("a revoked key", "Refuse", "Unauthorized")
            .arrange(|world| world.portal.revoke_key(&world.key)),
        Scene::new("a plain user's key", "Refuse", "UserNotAllowed").arrange(|world| {
            world
                .portal
                .change_key(&world.key, |key| *key = ApiKey::named("plain").of_plain_user());
        }),
        Scene::new("a portal behind a broken proxy", "Refuse", "ProxyError").arrange(|world| {
            world.server.order(Fault::bad_gateway());
        }),
        Scene::new("a dump", "Create", "InSync").change(|object| object.spec.dump = true),
        Scene::new("a Secret that is missing", "Refuse", "SecretMissing")
            .change(|object| object.spec.portal.api_key_secret_ref.name = "missing".into()),
        Scene::new("an address that is never a portal", "Refuse", "AddressNotAllowed")
            .change(|object| object.spec.portal.url = "http://169.254.169.254".into()),
    ]
}

/// Each scene is checked, then handed to the operator, which must do what was said.
#[tokio::test]
async fn the_plan_is_what_the_operator_then_does() {
    let scenes: Vec<_> = scenes()
        .into_iter()
        .map(|scene| tokio::spawn(play(scene)))
        .collect();
    for scene in scenes {
        scene.await.expect("no panic");
    }
}

async fn play(scene: Scene) {
    let Scene {
        name, plan, ready, ..
    } = scene;
    let is_cloud = scene.installation.mode == Mode::Saas;
    let mut world = Setup::default()
        .installation(scene.installation)
        .of_one_process("the plan of the first one counts")
        .idle()
        .await;
    world.server.clock().set(at("11-23 12:00"));
    (scene.arrange)(&world);
    let mut object = world.nightly();
    if is_cloud {
        object = world.in_the_cloud(object);
    }
    (scene.change)(&mut object);

    let said = check_manifest(&world, &object, &["-o", "json"]).await;
    let report = said.report();
    assert_eq!(report["plan"], plan, "{name}: {report:#}");
    let foretold = status(&report);
    assert_eq!((world.posts(), world.deletes()), (0, 0), "{name}");
    assert!(
        world
            .schedules()
            .get_opt("nightly")
            .await
            .expect("an answer")
            .is_none(),
        "{name}"
    );

    world.operator.start(&[]).await;
    world.create(&object).await;
    let done = world
        .wait("nightly", |object| {
            condition(object, "Ready").is_some_and(|ready| ready.reason == ready_reason(&foretold))
        })
        .await;
    assert_eq!(ready_reason(&foretold), ready, "{name}");
    let writes = u64::from(matches!(plan, "Create" | "Replace"));
    assert_eq!(world.posts(), writes, "{name}");
    assert_eq!(
        said.code,
        Some(match plan {
            "Refuse" => 2,
            "Create" | "Replace" => 1,
            _ => 0,
        }),
        "{name}"
    );
    let status = done.status.expect("a status");
    let facts = |status: &Status| {
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .map(|condition| {
                let texts = [
                    &condition.type_,
                    &condition.status,
                    &condition.reason,
                    &condition.message,
                ];
                texts.map(Clone::clone)
            })
            .collect();
        let key = status.api_key.clone();
        (
            conditions,
            status.next_backup_time.clone(),
            status.schedule.clone(),
            status.portal.clone(),
            key,
        )
    };
    assert_eq!(facts(&foretold), facts(&status), "{name}");
}

fn ready_reason(status: &Status) -> &str {
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    ready.map_or("", |ready| &ready.reason)
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

/// What a manifest no longer has is gone, as after `kubectl apply`, whoever wrote it.
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
