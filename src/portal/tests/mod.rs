//! The client against canned bytes from a plain TCP server.

mod any_answer;
mod certificates;
mod closed_connections;
mod reads;
mod recordings;
mod strangers;
mod trouble;

use std::{net::SocketAddr, time::Duration};

use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;
use crate::{
    schedule::{Param, Schedule},
    secret::SharedSecret,
};

const KEY: &str = "sk-0123456789";
const ABSENT: &str = r#"{"count":0,"links":[],"status":0,"statusCode":200}"#;
const DONE: &str = r#"{"response":true,"count":1,"status":0,"statusCode":200}"#;

fn portals() -> Portals {
    Portals::new(Options {
        allow_loopback: true,
        proxy_from_env: false,
    })
    .expect("a client")
}

fn portal_at(url: &str, host: Option<&str>) -> Portal {
    let address = Address::parse(url, host).expect("an address");
    portals()
        .portal(&Access {
            namespace: "docspace".into(),
            address,
            key: key(),
            ca: None,
        })
        .expect("a portal")
}

fn key() -> SharedSecret {
    KEY.to_owned().into()
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

/// Reads a request with its body.
async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                return text;
            }
        }
        assert!(
            stream.read_buf(&mut bytes).await.expect("a request") > 0,
            "request cut off: {text}"
        );
    }
}

/// Answers one connection with these bytes, closes it, and returns the request.
async fn serve(answer: impl Into<Vec<u8>>) -> (String, JoinHandle<String>) {
    let (listener, address) = listen().await;
    let answer = answer.into();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let request = request(&mut stream).await;
        // The client may have disconnected after a part of a large answer.
        let _ = stream.write_all(&answer).await;
        request
    });
    (format!("http://{address}"), server)
}

fn http(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

fn schedule() -> Schedule {
    let params = [
        ("module", Param::plain("s3")),
        ("ssekey", Param::secret("hunter2".to_owned().into())),
    ];
    Schedule {
        storage_type: 5.into(),
        params: params.map(|(key, param)| (key.to_owned(), param)).into(),
        period: 0,
        hour: 3,
        day: 0,
        backups_stored: 7,
        dump: false,
    }
}

/// The failure of reading the schedule from a server with this answer.
async fn failure(answer: impl Into<Vec<u8>>) -> PortalError {
    let (url, _server) = serve(answer).await;
    let mut error = portal_at(&url, None).schedule(false).await.expect_err("an error");
    error.message = error.message.replace(&url, "http://x");
    error
}

#[tokio::test]
async fn a_call_names_the_tenant_and_the_key_and_tells_the_portals_time() {
    let date = "Date: Tue, 24 Nov 2026 03:00:00 GMT\r\n";
    let (url, server) = serve(http("200 OK", date, ABSENT)).await;
    let answer = portal_at(&url, Some("Docs.example.com")).schedule(true).await;
    let answer = answer.expect("an answer");
    assert!(answer.value.is_none());
    assert_eq!(
        answer.date.map(|date| date.to_string()).as_deref(),
        Some("2026-11-24T03:00:00Z")
    );
    let request = server.await.expect("a request");
    assert!(
        request.starts_with("GET /api/2.0/backup/getbackupschedule?dump=true HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nhost: docs.example.com\r\n"), "{request}");
    assert!(
        request.contains(&format!("\r\nauthorization: Bearer {KEY}\r\n")),
        "{request}"
    );
    assert_eq!(request.to_lowercase().matches("\r\nhost:").count(), 1);
}

#[tokio::test]
async fn writes_are_sent_whole_and_must_be_confirmed() {
    let (url, server) = serve(http("200 OK", "", DONE)).await;
    assert!(portal_at(&url, None).create_schedule(&schedule()).await.is_ok());
    let request = server.await.expect("a request");
    assert!(request.starts_with("POST /api/2.0/backup/createbackupschedule HTTP/1.1\r\n"));
    assert!(
        request.contains(r#"{"key":"ssekey","value":"hunter2"}"#),
        "{request}"
    );

    let (url, server) = serve(http("200 OK", "", DONE)).await;
    assert!(portal_at(&url, None).delete_schedule(false).await.is_ok());
    let request = server.await.expect("a request");
    assert!(request.starts_with("DELETE /api/2.0/backup/deletebackupschedule?dump=false HTTP/1.1\r\n"));

    for body in [
        "{}",
        "true",
        "<html>",
        "",
        ABSENT,
        r#"{"response":false,"count":1,"status":0}"#,
    ] {
        let (url, _server) = serve(http("200 OK", "", body)).await;
        let error = portal_at(&url, None)
            .create_schedule(&schedule())
            .await
            .expect_err(body);
        assert_eq!(error.failure, Failure::NotDocSpace, "{body}");
        assert!(!error.failure.is_definite_for_a_write());
    }
}

#[tokio::test]
async fn a_400_refuses_a_write_whoever_sends_it() {
    let page = "<html>400 The plain HTTP request was sent to HTTPS port</html>";
    let (url, _server) = serve(http("400 Bad Request", "", page)).await;
    let error = portal_at(&url, None)
        .create_schedule(&schedule())
        .await
        .expect_err("400");
    assert_eq!(error.failure, Failure::Rejected, "{error}");
    // To a read, a page is no answer of DocSpace; an empty one may be.
    for (body, kind) in [(page, Failure::NotDocSpace), ("", Failure::Rejected)] {
        assert_eq!(
            failure(http("400 Bad Request", "", body)).await.failure,
            kind,
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_is_not_docspace_is_never_an_absent_schedule() {
    for body in [
        "{}",
        "[]",
        "null",
        "",
        "<!DOCTYPE html><html></html>",
        r#"{"count":0}"#,
        r#"{"status":0}"#,
        r#"{"status":1,"count":0}"#,
        r#"{"status":"ok","count":0}"#,
        r#"{"status":0,"count":0,"response":null}"#,
        r#"{"status":0,"count":1,"response":{}}"#,
        r#"{"status":0,"count":1}"#,
    ] {
        assert_eq!(
            failure(http("200 OK", "", body)).await.failure,
            Failure::NotDocSpace,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let location = "Location: https://sso.example.com/login?back=secret\r\n";
    let error = failure(http("302 Found", location, "")).await;
    assert_eq!(error.failure, Failure::Redirected);
    assert_eq!(
        error.to_string(),
        "http://x: HTTP 302: a redirect to https://sso.example.com, which the operator does not follow; if that is the \
         portal, set portal.url to it"
    );
    let error = failure(http("301 Moved", "Location: /elsewhere\r\n", "")).await;
    assert_eq!(error.failure, Failure::Redirected);
    assert!(!error.message.contains("elsewhere"), "{error}");
}

#[tokio::test]
async fn a_proxys_page_is_not_repeated() {
    for status in [
        "500 Oops",
        "502 Bad Gateway",
        "503 Unavailable",
        "504 Gateway Timeout",
    ] {
        let page = "<html><body>secret of the proxy</body></html>";
        let error = failure(http(status, "Retry-After: 7\r\n", page)).await;
        let code = &status[..3];
        assert_eq!(error.failure, Failure::Proxy, "{status}");
        assert_eq!(
            error.message,
            format!(
                "http://x: HTTP {code} from a proxy in front of DocSpace; check the proxy, and that DocSpace runs behind it"
            )
        );
        assert_eq!(
            error.status.map(|status| status.to_string()).as_deref(),
            Some(code)
        );
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn secrets_that_come_back_are_hidden() {
    let echo = format!("bad key {KEY} and ssekey 'hunter2',\\u0000\\r\\nmodule s3");
    let body = format!(
        r#"{{"status":1,"statusCode":400,"error":{{"message":"{echo}","type":"System.ArgumentException","stack":"at X"}}}}"#
    );
    let (url, _server) = serve(http("400 Bad Request", "", &body)).await;
    let portal = portal_at(&url, None);
    let error = portal.create_schedule(&schedule()).await.expect_err("an error");
    assert_eq!(error.failure, Failure::Rejected);
    assert_eq!(
        error.message,
        format!("{url}: HTTP 400: bad key (hidden) and ssekey '(hidden)', module s3")
    );
    assert!(error.failure.is_definite_for_a_write());
    let debug = format!("{portal:?} {error:?} {:?}", schedule());
    assert!(!debug.contains(KEY) && !debug.contains("hunter2"), "{debug}");
}

#[tokio::test]
async fn a_field_that_docspace_names_by_another_name_is_explained() {
    let said = "The field StorageBasePath must be a string or array type with a maximum length of '255'.";
    let body = format!(
        r#"{{"status":1,"statusCode":400,"error":{{"message":"{said}","type":"System.ArgumentException","stack":"at X"}}}}"#
    );
    let error = failure(http("400 Bad Request", "", &body)).await;
    assert_eq!(
        error.message,
        format!(
            "http://x: HTTP 400: {said}; StorageBasePath is the value of filePath or folderId, counted in UTF-16 units"
        )
    );
}
