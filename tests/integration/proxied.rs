//! The Kubernetes API behind a proxy, as kubectl would reach it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Output,
    sync::{Arc, Mutex},
};

use harness::{Namespace, control_plane};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::world::{OPERATOR, Setup, replicas::ELECTION};

/// A name of the API server that only the proxy knows.
const HOST: &str = "api.cluster.test";

/// A proxy of HTTP: it connects any host that it is asked for to the API server.
struct Tunnels {
    address: SocketAddr,
    /// The first lines and headers of its requests.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let log = asked.clone();
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.expect("connections are accepted");
                tokio::spawn(tunnel(near, target, log.clone()));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn tunnel(mut near: TcpStream, target: SocketAddr, log: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match near.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    log.lock()
        .expect("no panic")
        .push(String::from_utf8(head).expect("headers are text"));
    let mut far = TcpStream::connect(target).await.expect("the API server is there");
    let answered = near
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await;
    if answered.is_ok() {
        // Either end may close it.
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }
}

/// A kubeconfig of an administrator, whose API server has this name, and this proxy, if any.
fn kubeconfig(of: &std::path::Path, server: Option<&str>, proxy: Option<&str>) -> PathBuf {
    let port = control_plane().address().port();
    control_plane().kubeconfig_with(of, |cluster| {
        if let Some(server) = server {
            cluster.server = Some(format!("https://{server}:{port}"));
        }
        // The name in its certificate.
        cluster.tls_server_name = Some("127.0.0.1".into());
        cluster.proxy_url = proxy.map(Into::into);
    })
}

/// A short program that asks the API server: it finds nothing to release.
async fn ask(kubeconfig: &std::path::Path, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(OPERATOR);
    command
        .args([
            "release",
            "--deployment",
            "nothing",
            "--namespace",
            "default",
            "--yes",
        ])
        .env("KUBECONFIG", kubeconfig);
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
        .envs(variables.iter().copied())
        .output()
        .await
        .expect("it runs")
}

#[track_caller]
fn worked(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("nothing to stop") && output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn every_client_goes_through_the_proxy_of_the_kubeconfig() {
    let tunnels = Tunnels::to(control_plane().address()).await;
    let proxy = format!("http://me:p%40ss@{}", tunnels.address);
    let mut world = Setup::default().idle().await;
    let own = world.operator.kubeconfig().to_owned();
    let proxied = kubeconfig(&own, Some(HOST), Some(&proxy));
    world.operator.set_kubeconfig(proxied.clone());
    // Requests, watches and the election, each with its own client.
    world
        .operator
        .start(&ELECTION.split(' ').collect::<Vec<_>>())
        .await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    world.operator.stop().await;
    let asked = tunnels.asked();
    assert!(asked.len() >= 3, "{asked:#?}");
    for request in asked {
        assert!(request.starts_with(&format!("CONNECT {HOST}:")), "{request}");
        // me:p@ss
        let user = request
            .to_lowercase()
            .contains("proxy-authorization: basic bwu6cebzcw==");
        assert!(user, "{request}");
    }
}

#[tokio::test]
async fn the_variables_count_as_they_do_for_kubectl() {
    let plane = control_plane();
    let tunnels = Tunnels::to(plane.address()).await;
    let proxy = format!("http://{}", tunnels.address);
    let by_name = kubeconfig(&plane.kubeconfig(), Some(HOST), None);

    worked(
        &ask(
            &by_name,
            &[("HTTPS_PROXY", &proxy), ("NO_PROXY", "127.0.0.1,10.0.0.0/8")],
        )
        .await,
    );
    let reached = tunnels.asked().len();
    assert!(reached > 0);

    let excluded = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", ".cluster.test")];
    let output = ask(&by_name, &excluded).await;
    assert_eq!(output.status.code(), Some(1), "the name is not to be resolved");
    assert_eq!(tunnels.asked().len(), reached);

    // Nothing listens there, and nothing needs to.
    let nowhere = [("HTTPS_PROXY", "http://127.0.0.1:9")];
    worked(&ask(&kubeconfig(&plane.kubeconfig(), None, None), &nowhere).await);
    // The kubeconfig's own proxy serves all addresses, and comes before the environment.
    let own = kubeconfig(&plane.kubeconfig(), None, Some(&proxy));
    worked(&ask(&own, &[nowhere[0], ("NO_PROXY", "*")]).await);
    assert!(tunnels.asked().len() > reached);
}

/// kubectl goes the same way.
#[tokio::test]
async fn kubectl_takes_the_same_kubeconfig() {
    let plane = control_plane();
    let client = plane.client().await;
    let namespace = Namespace::create(&client).await;
    let tunnels = Tunnels::to(plane.address()).await;
    let proxy = format!("http://{}", tunnels.address);
    let proxied = kubeconfig(&plane.kubeconfig(), Some(HOST), Some(&proxy));
    let proxied = proxied.to_string_lossy().into_owned();
    let name = namespace.name().to_owned();
    let said = tokio::task::spawn_blocking(move || {
        control_plane().kubectl_ok(
            &["--kubeconfig", &proxied, "get", "namespace", &name, "-o", "name"],
            "",
        )
    });
    let said = said.await.expect("kubectl runs");
    assert_eq!(said.trim(), format!("namespace/{}", namespace.name()));
    assert!(!tunnels.asked().is_empty());
}
