//! The demo in somebody else's cluster leaves nothing behind.

use std::{
    env,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use harness::{ControlPlane, helm::path};

/// Plays the demo beside the cluster until it has a schedule, ends it as Ctrl-C does, and returns what it said.
fn interrupted_demo(plane: &ControlPlane) -> String {
    let built = Command::new(path("tests/programs/control-plane/build")).output();
    let built = String::from_utf8(built.expect("it runs").stdout).expect("text");
    let demo = Path::new(env!("CARGO_BIN_EXE_demo"));
    let operator = demo.with_file_name("docspace-backup-operator");
    assert!(operator.exists(), "build the operator before: cargo build");
    let demo = Command::new(path("tests/demo/beside"))
        .arg(plane.kubeconfig())
        .arg(demo)
        .arg("--operator")
        .arg(operator)
        .env(
            "PATH",
            format!("{}:{}", built.trim(), env::var("PATH").expect("a PATH")),
        )
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    let held = "-o=jsonpath={.items[*].metadata.finalizers}";
    while plane
        .kubectl(&["get", "dsbs", "--all-namespaces", held], "")
        .stdout
        .is_empty()
    {
        assert!(Instant::now() < deadline, "no schedule after 60 seconds");
        thread::sleep(Duration::from_millis(100));
    }
    let group = format!("-{}", demo.id());
    let interrupt = Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(interrupt.expect("kill runs").success());
    let output = demo.wait_with_output().expect("it ends");
    assert!(!output.status.success(), "an interrupted demo has not succeeded");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn an_interrupted_demo_takes_away_what_it_brought() {
    let plane = ControlPlane::start();
    let namespaces = || {
        let names = plane.kubectl_ok(&["get", "namespaces", "-o=name"], "");
        names.lines().filter(|name| name.contains("demo")).count()
    };
    let crds = || plane.kubectl_ok(&["get", "crds", "-o=name"], "").lines().count();

    let said = interrupted_demo(&plane);
    assert_eq!((namespaces(), crds()), (0, 0), "it said:\n{said}");
    assert!(!said.contains("panicked"), "it said:\n{said}");

    plane.apply_crd();
    let said = interrupted_demo(&plane);
    assert_eq!(
        (namespaces(), crds()),
        (0, 1),
        "a CRD that was there stays; it said:\n{said}"
    );
}
