//! `release` stops the operator, removes its finalizer from every object, and leaves the portals unchanged.

use std::{path::Path, process::Output, time::Duration};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, FINALIZER};
use harness::{API_KEY, DEADLINE, Namespace, control_plane, wait_for};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::{OPERATOR, Setup, World, every_day, is_ready, rights::may_watch};

const DEPLOYMENT: &str = "docspace-backup-operator";

/// Stops the operator and releases its objects.
async fn release(kubeconfig: &Path, arguments: &[&str]) -> Output {
    let by_hand = ["--deployment", DEPLOYMENT, "--yes"];
    run(kubeconfig, &[&by_hand, arguments].concat()).await
}

/// Releases the objects of this namespace, while an operator for other namespaces runs on.
async fn release_objects(kubeconfig: &Path, namespace: &str) -> Output {
    let arguments = [
        "--objects-only",
        "--namespace",
        namespace,
        "--yes",
        "--timeout",
        "2s",
    ];
    run(kubeconfig, &arguments).await
}

/// Does what the chart's Job does.
async fn release_for_helm(kubeconfig: &Path) -> Output {
    let job = ["--deployment", DEPLOYMENT, "--helm-release", "backups"];
    run(kubeconfig, &job).await
}

async fn run(kubeconfig: &Path, arguments: &[&str]) -> Output {
    Command::new(OPERATOR)
        .arg("release")
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .await
        .expect("it runs")
}

/// What Helm's storage keeps of a revision of a release, as far as its labels go.
fn record(release: &str, revision: u32, status: &str) -> Value {
    json!({
        "metadata": {
            "name": format!("sh.helm.release.v1.{release}.v{revision}"),
            "labels": {"owner": "helm", "name": release, "version": revision.to_string(), "status": status},
        },
    })
}

/// What it printed, when it has done it.
#[track_caller]
fn done(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it complained of, when it has failed.
#[track_caller]
fn failed(output: &Output) -> String {
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A kubeconfig of an administrator whose namespace this is, as it is for a pod.
fn inside(namespace: &str) -> std::path::PathBuf {
    let plane = control_plane();
    let token = std::fs::read_to_string(plane.folder().join("tokens")).expect("a file of tokens");
    let token = token.split(',').next().expect("a token").to_owned();
    plane.kubeconfig_for(namespace, &token)
}

fn labels(component: &str) -> Value {
    json!({"app.kubernetes.io/name": DEPLOYMENT, "app.kubernetes.io/component": component})
}

async fn create<K>(client: &Client, namespace: &str, object: Value) -> K
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let object = serde_json::from_value(object).expect("an object");
    Api::<K>::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &object)
        .await
        .expect("the object is created")
}

async fn create_deployment(client: &Client, namespace: &str) -> Deployment {
    let object = json!({
        "metadata": {"name": DEPLOYMENT},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels("operator")},
            "template": {
                "metadata": {"labels": labels("operator")},
                "spec": {"containers": [{"name": "operator", "image": "operator"}]},
            },
        },
    });
    create(client, namespace, object).await
}

/// No node runs it: it is there until it is deleted.
async fn create_pod(client: &Client, namespace: &str, name: &str, component: &str) -> Pod {
    let object = json!({
        "metadata": {"name": name, "labels": labels(component)},
        "spec": {"containers": [{"name": "operator", "image": "operator"}]},
    });
    create(client, namespace, object).await
}

async fn create_with_finalizers(client: &Client, namespace: &Namespace, name: &str, finalizers: &[&str]) {
    let mut object: DocSpaceBackupSchedule = harness::nightly("https://docs.example.com");
    object.metadata.name = Some(name.into());
    object.metadata.finalizers = Some(finalizers.iter().map(|&name| name.into()).collect());
    namespace
        .schedules(client)
        .create(&PostParams::default(), &object)
        .await
        .expect("the object is accepted");
}

async fn replicas(client: &Client, namespace: &Namespace) -> Option<i32> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace.name());
    let deployment = deployments.get(DEPLOYMENT).await.expect("it is there");
    deployment.spec.replicas
}

async fn finalizers(client: &Client, namespace: &Namespace, name: &str) -> Vec<String> {
    let schedules: Api<DocSpaceBackupSchedule> = namespace.schedules(client);
    let object = schedules.get(name).await.expect("it is there");
    object.finalizers().to_vec()
}

#[tokio::test]
async fn the_objects_can_go_and_the_schedules_stay() {
    let mut world = World::with_ready_nightly().await;
    world.operator.stop().await;
    let namespace = world.namespace.name();
    create_deployment(&world.client, namespace).await;
    let kubeconfig = inside(namespace);
    let said = done(&release(&kubeconfig, &[]).await);
    assert!(
        said.contains(&format!("{namespace}/nightly is released")),
        "{said}"
    );
    assert!(said.contains("1 object released"), "{said}");

    world.delete("nightly").await;
    world.gone("nightly").await;
    assert_eq!((world.deletes(), world.cron()), (0, Some(every_day(3))));
    let said = done(&release(&kubeconfig, &[]).await);
    assert!(said.contains("no object carries the finalizer"), "{said}");
}

#[tokio::test]
async fn the_operators_pods_are_waited_for() {
    let client = control_plane().client().await;
    let namespace = Namespace::create(&client).await;
    create_deployment(&client, namespace.name()).await;
    create_pod(&client, namespace.name(), "operator-0", "operator").await;
    // Its own pod is not waited for.
    create_pod(&client, namespace.name(), "release-0", "release").await;
    create_with_finalizers(&client, &namespace, "nightly", &[FINALIZER]).await;
    let kubeconfig = inside(namespace.name());

    let said = failed(&release(&kubeconfig, &["--timeout", "1s"]).await);
    assert!(
        said.contains("nothing was released; still running: operator-0"),
        "{said}"
    );
    assert_eq!(finalizers(&client, &namespace, "nightly").await, [FINALIZER]);
    assert_eq!(replicas(&client, &namespace).await, Some(0));

    let arguments = ["--timeout", "25s"];
    let (output, ()) = tokio::join!(release(&kubeconfig, &arguments), async {
        let pods = Api::<Pod>::namespaced(client.clone(), namespace.name());
        let now = DeleteParams::default().grace_period(0);
        pods.delete("operator-0", &now)
            .await
            .expect("the deletion is accepted");
    });
    done(&output);
    assert!(finalizers(&client, &namespace, "nightly").await.is_empty());
}

#[tokio::test]
async fn others_finalizers_and_namespaces_are_left_alone() {
    let client = control_plane().client().await;
    let (own, watched, other) = (
        Namespace::create(&client).await,
        Namespace::create(&client).await,
        Namespace::create(&client).await,
    );
    let foreign = "example.com/keep";
    for namespace in [&own, &watched, &other] {
        create_with_finalizers(&client, namespace, "nightly", &[foreign, FINALIZER]).await;
        create_with_finalizers(&client, namespace, "free", &[]).await;
    }
    // No Deployment is there: an uninstallation that failed half way is tried again.
    let kubeconfig = inside(own.name());
    let both = ["--namespace", own.name(), "--namespace", watched.name()];
    let said = done(&release(&kubeconfig, &both).await);
    assert!(said.contains("there is no Deployment"), "{said}");
    assert!(said.contains("2 objects released"), "{said}");
    assert_eq!(finalizers(&client, &own, "nightly").await, [foreign]);
    assert_eq!(finalizers(&client, &watched, "nightly").await, [foreign]);
    assert_eq!(finalizers(&client, &other, "nightly").await, [foreign, FINALIZER]);
}

#[tokio::test]
async fn the_objects_of_other_shards_are_left_alone() {
    let client = control_plane().client().await;
    let namespace = Namespace::create(&client).await;
    let schedules: Api<DocSpaceBackupSchedule> = namespace.schedules(&client);
    for (name, shard) in [("one", Some("a")), ("two", Some("b")), ("three", None)] {
        create_with_finalizers(&client, &namespace, name, &[FINALIZER]).await;
        let labels = json!({"metadata": {"labels": {"shard": shard}}});
        let labelled = schedules
            .patch(name, &PatchParams::default(), &Patch::Merge(labels))
            .await;
        labelled.expect("the patch is accepted");
    }
    let kubeconfig = inside(namespace.name());
    let asks = ["--deployment", DEPLOYMENT, "--selector", "shard=a"];
    let said = failed(&run(&kubeconfig, &asks).await);
    assert!(
        said.contains("every DocSpaceBackupSchedule with the labels shard=a in"),
        "{said}"
    );
    let said = done(&release(&kubeconfig, &["--selector", "shard=a"]).await);
    assert!(said.contains("1 object released"), "{said}");
    let rest = [
        "--objects-only",
        "--yes",
        "--namespace",
        namespace.name(),
        "--selector",
        "shard notin (a,b)",
    ];
    let said = done(&run(&kubeconfig, &rest).await);
    assert!(
        said.contains("/three is released") && said.contains("1 object released"),
        "{said}"
    );
    assert_eq!(finalizers(&client, &namespace, "two").await, [FINALIZER]);
}

#[tokio::test]
async fn an_object_that_is_being_deleted_goes() {
    let client = control_plane().client().await;
    let namespace = Namespace::create(&client).await;
    create_with_finalizers(&client, &namespace, "nightly", &[FINALIZER]).await;
    let schedules: Api<DocSpaceBackupSchedule> = namespace.schedules(&client);
    schedules
        .delete("nightly", &DeleteParams::default())
        .await
        .expect("the deletion is accepted");
    wait_for(
        &schedules,
        "nightly",
        DEADLINE,
        |object: &DocSpaceBackupSchedule| object.metadata.deletion_timestamp.is_some(),
    )
    .await;
    done(&release(&inside(namespace.name()), &[]).await);
    assert!(
        schedules
            .get_opt("nightly")
            .await
            .expect("the API answers")
            .is_none()
    );
}

#[tokio::test]
async fn without_rights_it_fails_and_says_what_for() {
    let client = control_plane().client().await;
    let namespace = Namespace::create(&client).await;
    let plane = control_plane();
    plane.kubectl_ok(
        &[
            "create",
            "serviceaccount",
            "nobody",
            "--namespace",
            namespace.name(),
        ],
        "",
    );
    let kubeconfig = plane.kubeconfig_of(&client, namespace.name(), "nobody").await;
    let said = failed(&release(&kubeconfig, &[]).await);
    assert!(
        said.contains("cannot read Deployment") && said.contains("forbidden"),
        "{said}"
    );
}

#[tokio::test]
async fn by_hand_it_wants_a_yes() {
    let client = control_plane().client().await;
    let namespace = Namespace::create(&client).await;
    create_deployment(&client, namespace.name()).await;
    create_with_finalizers(&client, &namespace, "nightly", &[FINALIZER]).await;
    let kubeconfig = inside(namespace.name());
    for (arguments, would) in [
        (
            vec!["--deployment", DEPLOYMENT],
            format!("scale Deployment {}/{DEPLOYMENT} to zero", namespace.name()),
        ),
        (
            vec!["--objects-only", "--namespace", namespace.name()],
            format!("in namespace {}", namespace.name()),
        ),
    ] {
        let said = failed(&run(&kubeconfig, &arguments).await);
        assert!(said.contains(&would) && said.contains("--yes"), "{said}");
    }
    assert_eq!(finalizers(&client, &namespace, "nightly").await, [FINALIZER]);
    assert_eq!(replicas(&client, &namespace).await, Some(2));
}

#[tokio::test]
async fn as_a_job_it_does_nothing_unless_helm_uninstalls() {
    let client = control_plane().client().await;
    let namespace = Namespace::create(&client).await;
    let name = namespace.name();
    create_deployment(&client, name).await;
    create_with_finalizers(&client, &namespace, "nightly", &[FINALIZER]).await;
    let kubeconfig = inside(name);

    let said = done(&release_for_helm(&kubeconfig).await);
    assert!(said.contains("Helm has no record of release"), "{said}");
    // Of another release, of revisions before the last one, and one that Helm itself did not write.
    create::<Secret>(&client, name, record("other", 1, "uninstalling")).await;
    create::<Secret>(&client, name, record("backups", 9, "uninstalling")).await;
    create::<Secret>(&client, name, record("backups", 10, "deployed")).await;
    let mut foreign = record("backups", 11, "uninstalling");
    foreign["metadata"]["labels"]["owner"] = json!("somebody");
    create::<Secret>(&client, name, foreign).await;
    let said = done(&release_for_helm(&kubeconfig).await);
    assert!(said.contains("revision 10, says \"deployed\""), "{said}");
    assert_eq!(finalizers(&client, &namespace, "nightly").await, [FINALIZER]);
    assert_eq!(replicas(&client, &namespace).await, Some(2));

    // HELM_DRIVER=configmap
    create::<ConfigMap>(&client, name, record("backups", 12, "uninstalling")).await;
    let said = done(&release_for_helm(&kubeconfig).await);
    assert!(said.contains("1 object released"), "{said}");
    assert!(finalizers(&client, &namespace, "nightly").await.is_empty());
    assert_eq!(replicas(&client, &namespace).await, Some(0));
}

#[tokio::test]
async fn objects_of_a_namespace_that_is_no_longer_watched_are_released_alone() {
    let mut world = Setup::default().idle().await;
    let left = Namespace::create(&world.client).await;
    may_watch(&world.client, world.namespace.name(), left.name()).await;
    create_deployment(&world.client, world.namespace.name()).await;
    let secret = harness::secret(API_KEY, &[("apiKey", &world.key)]);
    let secrets = left.secrets(&world.client);
    let created = secrets.create(&PostParams::default(), &secret).await;
    created.expect("the Secret is created");
    world.operator.start(&["--namespace", left.name()]).await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let (schedules, mut dump) = (left.schedules(&world.client), world.nightly());
    dump.spec.dump = true;
    let created = schedules.create(&PostParams::default(), &dump).await;
    created.expect("the object is accepted");
    wait_for(&schedules, "nightly", DEADLINE, is_ready).await;

    let kubeconfig = inside(world.namespace.name());
    world.operator.stop().await;
    world.operator.start(&[]).await;
    let said = done(&release_objects(&kubeconfig, left.name()).await);
    assert!(said.contains("1 object released"), "{said}");
    assert!(finalizers(&world.client, &left, "nightly").await.is_empty());
    assert_eq!(
        finalizers(&world.client, &world.namespace, "nightly").await,
        [FINALIZER]
    );
    assert_eq!(replicas(&world.client, &world.namespace).await, Some(2));
    assert_eq!(world.deletes(), 0);

    let said = failed(&run(&kubeconfig, &["--objects-only", "--yes"]).await);
    assert!(said.contains("--objects-only needs --namespace"), "{said}");
}

#[tokio::test]
async fn an_operator_that_puts_the_finalizer_back_is_noticed() {
    let client = control_plane().client().await;
    let namespace = Namespace::create(&client).await;
    create_with_finalizers(&client, &namespace, "nightly", &[FINALIZER]).await;
    let schedules: Api<DocSpaceBackupSchedule> = namespace.schedules(&client);
    let operator = async {
        loop {
            wait_for(&schedules, "nightly", DEADLINE, |object| {
                object.finalizers().is_empty()
            })
            .await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let back = Patch::Merge(json!({"metadata": {"finalizers": [FINALIZER]}}));
            let patched = schedules.patch("nightly", &PatchParams::default(), &back).await;
            patched.map(drop).expect("the patch is accepted");
        }
    };
    let kubeconfig = inside(namespace.name());
    let output = tokio::select! {
        output = release_objects(&kubeconfig, namespace.name()) => output,
        () = operator => unreachable!("it goes on"),
    };
    let said = failed(&output);
    assert!(said.contains("an operator still watches them"), "{said}");
}
