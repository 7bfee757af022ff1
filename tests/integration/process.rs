//! The program itself: its flags, its start without a cluster or CRD, and its end.

use std::{process::Stdio, time::Duration};

use harness::{API_KEY, ControlPlane, DEADLINE};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use simulated_portal::Fault;
use tokio::process::Command;

use crate::world::{OPERATOR, Setup, World, every_day, ready_reason_is};

#[tokio::test]
async fn a_wrong_flag_ends_it_with_a_message() {
    for arguments in [
        &["run", "--no-such-flag"][..],
        &["run", "--interval", "5"],
        &["run", "--allowed-origin", "docs.example.com"],
    ] {
        let output = Command::new(OPERATOR)
            .args(arguments)
            .output()
            .await
            .expect("it runs");
        assert!(!output.status.success(), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(arguments[1]), "{said}");
    }
}

/// The values of a variable are the flag's, separated by commas.
#[tokio::test]
async fn a_wrong_variable_ends_it_with_a_message() {
    let run = async |origins: &str| {
        let output = Command::new(OPERATOR)
            .arg("run")
            .env("DOCSPACE_BACKUP_ALLOWED_ORIGIN", origins)
            .env("KUBECONFIG", "/nonexistent/kubeconfig")
            .env_remove("KUBERNETES_SERVICE_HOST")
            .output()
            .await
            .expect("it runs");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let good = run("https://docs.example.com, http://router.docspace.svc:8092 docs.example.com").await;
    assert!(good.contains("kubeconfig"), "{good}");
    for (origins, word) in [
        (
            "https://docs.example.com,http://router:8092/sub docs.example.com",
            "an origin has no path",
        ),
        ("https://a b c", "more than two words"),
        ("", "--allowed-origin"),
    ] {
        let said = run(origins).await;
        assert!(said.contains(word) && said.contains("--allowed-origin"), "{said}");
    }
}

#[tokio::test]
async fn an_empty_namespace_is_not_the_whole_cluster() {
    let mut world = Setup::default().idle().await;
    world.operator.start(&["--namespace", ""]).await;
    let mut other = world.operator.another(&["--all-namespaces"]).await;
    assert_eq!(other.wait(DEADLINE).await.code(), Some(1), "{}", other.log());
    world.create(&harness::nightly("http://127.0.0.1:9")).await;
    world.told("nightly", "Unreachable").await;
    world.operator.stop().await;
    let (log, namespace) = (world.operator.log(), world.namespace.name());
    assert!(log.contains(&format!("namespaces=\"{namespace}\"")), "{log}");
}

#[tokio::test]
async fn no_cluster_ends_it_with_a_message() {
    let output = Command::new(OPERATOR)
        .args(["run", "--listen", "127.0.0.1:0"])
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("docspace-backup-operator: "), "{said}");
}

#[tokio::test]
async fn sigterm_ends_it_while_a_portal_hangs() {
    let mut world = World::new().await;
    world.server.order(Fault::hang());
    world.create(&world.nightly()).await;
    world.seen(|requests| !requests.is_empty()).await;
    // Expects exit code 0 within 10 seconds.
    world.operator.stop().await;
}

#[tokio::test]
async fn sigterm_lets_a_write_end() {
    let mut world = World::new().await;
    let post = world.server.order(Fault::hang().to("createbackupschedule"));
    world.create(&world.nightly()).await;
    world.seen_call("createbackupschedule").await;
    world.operator.only_mut().signal("TERM").await;
    world.server.clear_fault(post);
    assert_eq!(world.operator.only_mut().wait(DEADLINE).await.code(), Some(0));
    let object = world.get("nightly").await;
    assert_eq!(
        object
            .status
            .and_then(|status| status.last_request)
            .and_then(|request| request.status_code),
        Some(200)
    );
}

/// A control plane of its own: the CRD is what every other test stands on.
#[tokio::test]
async fn deleting_the_crd_leaves_every_schedule_in_its_portal() {
    let plane = ControlPlane::own().await;
    plane.apply_crd();
    let world = World::on(&plane).await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let crds = Api::<CustomResourceDefinition>::all(world.client.clone());
    let name = "docspacebackupschedules.docspace.onlyoffice.com";
    crds.delete(name, &DeleteParams::default())
        .await
        .expect("deletion is accepted");
    harness::wait_gone(&crds, name, DEADLINE).await;
    assert_eq!((world.deletes(), world.cron()), (0, Some(every_day(3))));
}

#[tokio::test]
async fn it_waits_for_a_late_crd_and_gives_up_after_a_minute() {
    let plane = ControlPlane::own().await;
    let mut world = World::on(&plane).await;
    let status = world.operator.only_mut().wait(Duration::from_secs(90)).await;
    assert_eq!(status.code(), Some(1));
    let log = world.operator.log();
    assert!(log.contains("does not know DocSpaceBackupSchedule"), "{log}");

    world.operator.restart().await;
    plane.apply_crd();
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
}

#[tokio::test]
async fn two_namespaces_are_one_view() {
    let (world, other) = Setup::default().with_another_namespace().await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;

    let secret = harness::secret(API_KEY, &[("apiKey", &world.key)]);
    other
        .secrets(&world.client)
        .create(&PostParams::default(), &secret)
        .await
        .expect("the Secret is created");
    let schedules = other.schedules(&world.client);
    schedules
        .create(&PostParams::default(), &world.nightly())
        .await
        .expect("the object is accepted");
    let object = harness::wait_for(&schedules, "nightly", DEADLINE, |object| {
        ready_reason_is(object, "Conflict")
    })
    .await;
    let status = format!("{:?}", object.status);
    assert!(
        status.contains("an object in another namespace") && !status.contains(world.namespace.name()),
        "{status}"
    );
}
