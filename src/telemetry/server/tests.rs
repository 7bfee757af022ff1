//! Probes and scrapes, also of clients that do harm.

use std::{
    io::{Read, Write as _},
    net, thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Builder,
};

use super::*;
use crate::telemetry::Watch;

/// A server, and where it listens.
async fn server(registry: Registry) -> (SocketAddr, AbortOnDropHandle<()>) {
    server_of(registry, Arc::default()).await
}

async fn server_of(registry: Registry, health: Arc<Health>) -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let served = Served {
        registry,
        health,
        scrapes: Shares::new(SCRAPES, 1),
    };
    let server = AbortOnDropHandle::new(tokio::spawn(accept(listener, Arc::new(served))));
    (address, server)
}

/// A client's whole conversation with it.
async fn asked(address: SocketAddr, request: &str) -> String {
    let mut client = TcpStream::connect(address).await.expect("it listens");
    client.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("it answers");
    answer.to_lowercase()
}

async fn told(registry: Registry, request: &str) -> String {
    let (address, _server) = server(registry).await;
    asked(address, request).await
}

fn request(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: operator\r\n\r\n")
}

#[tokio::test]
async fn only_what_is_there_is_answered_and_only_to_a_get() {
    for (line, begins, holds) in [
        ("GET /livez", "http/1.1 200 ok", "ok"),
        ("GET /readyz", "http/1.1 503 ", "waiting for the crd"),
        ("GET /", "http/1.1 404 ", "/metrics"),
        ("POST /metrics", "http/1.1 405 ", "allow: get"),
        ("HEAD /metrics", "http/1.1 200 ok", "application/openmetrics-text"),
    ] {
        let answer = told(Registry::default(), &request(line)).await;
        assert!(
            answer.starts_with(begins) && answer.contains(holds),
            "{line}: {answer}"
        );
    }
}

#[tokio::test]
async fn metrics_of_many_pieces_come_whole() {
    let mut registry = Registry::default();
    let help = "x".repeat(PIECE / 4);
    for number in 0..10 {
        let gauge = prometheus_client::metrics::gauge::ConstGauge::new(7_i64);
        registry.register(format!("gauge_{number}"), &help, gauge);
    }
    let answer = told(registry, &request("GET /metrics")).await;
    assert!(answer.contains("transfer-encoding: chunked"));
    assert!(answer.len() > PIECE * 2, "{}", answer.len());
    assert!(answer.contains("\ngauge_9 7\n"));
    assert!(answer.ends_with("# eof\n\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn clients_that_ask_nothing_or_read_nothing_make_room() {
    let mut registry = Registry::default();
    let gauge = prometheus_client::metrics::gauge::ConstGauge::new(7_i64);
    // More than the system's buffers of a connection take.
    registry.register("gauge", "x".repeat(32 << 20), gauge);
    let (address, _server) = server(registry).await;
    let mut others = Vec::new();
    for number in 0..4 * CONNECTIONS {
        let mut client = TcpStream::connect(address).await.expect("it listens");
        let asks: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /metrics HTTP/1.1\r\nHost: ",
            _ => b"GET /metrics HTTP/1.1\r\nHost: operator\r\n\r\n",
        };
        // May be closed already, to make room.
        let _ = client.write_all(asks).await;
        others.push(client);
        if number % CONNECTIONS == 0 {
            assert!(asked(address, &request("GET /livez")).await.ends_with("ok\n"));
        }
    }
    assert!(asked(address, &request("GET /livez")).await.ends_with("ok\n"));
}

/// The server has one thread. It must not wait for a lock that is held while a reader is waited for.
#[test]
fn who_reads_nothing_holds_up_no_probe() {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let health = Arc::new(Health::default());
            // More than the system's buffers of a connection take.
            health.lists((0..40_000).map(|number| Watch {
                kind: "Secrets",
                namespace: Some(format!("{number:01000}")),
            }));
            let mut registry = Registry::default();
            health.register(&mut registry);
            let (address, _server) = server_of(registry, health).await;
            tell.send(address).expect("the test waits");
            std::future::pending::<()>().await;
        });
    });
    let address = told.recv().expect("it listens");
    let ask = |line: &str| {
        let mut client = net::TcpStream::connect(address).expect("it listens");
        let patience = Some(Duration::from_secs(20));
        client.set_read_timeout(patience).expect("a time");
        client.write_all(request(line).as_bytes()).expect("it reads");
        client
    };
    let mut slow = ask("GET /metrics");
    slow.read_exact(&mut [0]).expect("an answer begins");
    let began = Instant::now();
    while began.elapsed() < PIECE_LIMIT {
        let mut answer = String::new();
        ask("GET /readyz").read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer:.100}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn plain_text_is_for_those_that_ask_for_it_alone() {
    let format = |accept: &str| {
        let request = Request::builder().header(ACCEPT, accept).body(String::new());
        Format::asked_for(&request.expect("a request"))
    };
    assert_eq!(format("*/*"), Format::OpenMetrics);
    assert_eq!(format("text/plain;version=0.0.4"), Format::Plain);
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
    assert_eq!(format(prometheus), Format::OpenMetrics);
}
