//! Probes, and the server that answers them.

use harness::{ControlPlane, DEADLINE, Namespace, Operator, control_plane};
use tokio::{io::AsyncWriteExt, net::TcpStream, process::Command, time::timeout};

use super::open_metrics::Scrape;
use crate::world::{OPERATOR, World};

#[tokio::test]
async fn it_is_alive_at_once_and_ready_once_all_objects_are_known() {
    let plane = ControlPlane::own().await;
    let world = World::on(&plane).await;
    let operator = world.operator.only();
    assert_eq!(operator.get("/livez").await, (200, "ok\n".into()));
    let (status, said) = operator.get("/readyz").await;
    assert!(status == 503 && said.contains("CRD"), "{status} {said}");
    assert_eq!(operator.get("/nothing").await.0, 404);

    plane.apply_crd();
    let ready = async {
        while operator.get("/readyz").await != (200, "ok\n".into()) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, ready).await.expect("ready in time");
}

#[tokio::test]
async fn it_is_not_ready_while_a_watch_is_refused_and_says_which() {
    let plane = control_plane();
    let client = plane.client().await;
    let namespace = Namespace::create(&client).await;
    let name = namespace.name();
    // An account without any right but to see what there is: what it is refused is refused on purpose.
    plane.kubectl_ok(&["create", "serviceaccount", "nobody", "--namespace", name], "");
    let kubeconfig = plane.kubeconfig_of(&client, name, "nobody").await;
    let operator = Operator::start(OPERATOR, &kubeconfig, name, &[]).await;
    let refused = |kind: &str| format!("the watch of {kind} in namespace {name} has been failing since ");
    let told = async {
        loop {
            let (status, said) = operator.get("/readyz").await;
            assert_eq!(status, 503, "{said}");
            let lines: Vec<_> = said.lines().collect();
            let both = ["DocSpaceBackupSchedules", "Secrets"].iter().all(|kind| {
                let refused = refused(kind);
                let told = |line: &&&str| line.starts_with(&refused) && line.ends_with("(HTTP status: 403)");
                lines.iter().find(told).is_some()
            });
            if both {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, told).await.expect("it says so in time");
    let (_, text) = operator.get("/metrics").await;
    for operation in ["WatchObjects", "WatchSecrets"] {
        let labels = [("operation", operation), ("code", "403")];
        let count = Scrape::of(&text).value("docspace_backup_kubernetes_errors_total", &labels);
        assert!(count.is_some_and(|count| count > 0.0), "{operation}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_with_a_message() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = Command::new(OPERATOR)
        .args(["run", "--namespace", "default", "--listen", &address])
        .env("KUBECONFIG", control_plane().kubeconfig())
        .output()
        .await
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("cannot listen at {address}")), "{said}");
}

#[tokio::test]
async fn a_client_that_hangs_does_not_hold_up_its_end() {
    let mut world = World::new().await;
    let address = world.operator.only().address().await;
    let mut client = TcpStream::connect(&address).await.expect("it listens");
    client
        .write_all(b"GET /metrics HTTP/1.1\r\n")
        .await
        .expect("it reads");
    // Expects exit code 0 within 10 seconds.
    world.operator.stop().await;
    assert!(TcpStream::connect(&address).await.is_err());
}
