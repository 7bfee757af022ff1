//! All programs that a test run starts end with it.

use std::{
    env,
    io::{BufRead, BufReader, stdin},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use harness::{ControlPlane, Operator, control_plane};

/// A test process that works until the other test kills it.
#[tokio::test]
#[ignore = "started by the other test; waits for the end of standard input"]
async fn a_test_at_work() {
    let cluster = control_plane();
    let pretend = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pretend-operator");
    let operator = Operator::start(pretend, &cluster.kubeconfig(), "default", &[]).await;
    println!("\nat work {} {}", cluster.folder().display(), operator.id());
    stdin().lines().for_each(drop);
}

#[test]
fn a_killed_test_process_leaves_nothing_behind_and_does_not_disturb_others() {
    let mut test = Command::new(env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "a_test_at_work", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program runs");
    // Both choose their ports at the same time, so they may choose the same one.
    let own = ControlPlane::start();

    let mut lines = BufReader::new(test.stdout.take().expect("piped"))
        .lines()
        .map_while(Result::ok);
    let line = lines
        .find(|line| line.starts_with("at work "))
        .expect("the other one comes that far");
    let mut words = line.split(' ').skip(2).map(String::from);
    let (folder, operator) = (
        words.next().expect("a folder"),
        words.next().expect("a process id"),
    );
    let operator = format!("/proc/{operator}");
    assert!(Path::new(&folder).exists() && Path::new(&operator).exists());

    test.kill().expect("it runs");
    test.wait().expect("it ends");
    until_gone(&folder);
    until_gone(&operator);

    own.kubectl_ok(&["get", "namespaces"], "");
    let folder = own.folder().to_owned();
    drop(own);
    assert!(!folder.exists(), "{} is still there", folder.display());
}

fn until_gone(path: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Path::new(path).exists() {
        assert!(
            Instant::now() < deadline,
            "{path} is still there after 20 seconds"
        );
        thread::sleep(Duration::from_millis(20));
    }
}
