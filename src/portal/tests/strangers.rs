//! Answers of something in front of DocSpace, told from DocSpace's own.

use super::*;

const DATE: &str = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
const PAGE: &str = "<html><body>Log in</body></html>";
const ERROR: &str = r#"{"status":1,"statusCode":500,"error":{"message":"Access denied","type":"System.Exception","stack":"at X"}}"#;
const PROBLEM: &str = r#"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.4","title":"Forbidden","status":403,"traceId":"0"}"#;
/// ProblemDetails of other software.
const OTHER_PROBLEM: &str = r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"no"}"#;
/// An error of other software.
const OTHER_ERROR: &str = r#"{"status":1,"error":{"message":"no","type":"Denied"}}"#;
/// DocSpace's own shapes without their number.
const NO_STATUS_CODE: &str = r#"{"status":1,"error":{"message":"no","type":"Denied","stack":"at X"}}"#;
const NO_STATUS: &str =
    r#"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.4","title":"Forbidden","traceId":"0"}"#;

#[tokio::test]
async fn only_docspaces_own_answers_tell_its_clock() {
    for (status, body) in [
        ("402 Payment Required", ERROR),
        ("403 Forbidden", ERROR),
        ("403 Forbidden", PROBLEM),
        ("404 Not Found", ERROR),
        ("500 Oops", ERROR),
        ("503 Unavailable", PROBLEM),
    ] {
        let error = failure(http(status, DATE, body)).await;
        assert_eq!(error.date, Some(Timestamp::UNIX_EPOCH), "{status} {body}");
    }
    let huge = " ".repeat(1024 * 1024 + 1);
    let envelope = r#"{"count":0,"status":0,"statusCode":200}"#;
    for (status, body) in [
        ("200 OK", PAGE),
        ("200 OK", "{}"),
        ("200 OK", ERROR),
        ("200 OK", r#"{"status":0,"count":1,"response":[]}"#),
        ("200 OK", huge.as_str()),
        ("302 Found", ""),
        ("302 Found", ERROR),
        ("400 Bad Request", PAGE),
        ("401 Unauthorized", ""),
        ("401 Unauthorized", PAGE),
        ("403 Forbidden", ""),
        ("403 Forbidden", PAGE),
        ("404 Not Found", ""),
        ("404 Not Found", PAGE),
        ("407 Proxy Authentication Required", PAGE),
        ("429 Too Many Requests", ""),
        ("500 Oops", ""),
        ("500 Oops", envelope),
        ("502 Bad Gateway", PAGE),
        ("503 Unavailable", ""),
        ("403 Forbidden", OTHER_PROBLEM),
        ("500 Oops", OTHER_PROBLEM),
        ("402 Payment Required", OTHER_ERROR),
        ("500 Oops", OTHER_ERROR),
        ("500 Oops", NO_STATUS_CODE),
        ("403 Forbidden", NO_STATUS),
    ] {
        let error = failure(http(status, DATE, body)).await;
        assert_eq!(error.date, None, "{status} {body:.60}");
    }
}

#[tokio::test]
async fn the_words_of_other_software_are_not_repeated() {
    for (status, told) in [
        (
            "400 Bad Request",
            "the answer is not DocSpace's: it is JSON of another kind",
        ),
        ("402 Payment Required", "DocSpace gives no reason"),
        (
            "403 Forbidden",
            "the answer is not DocSpace's: it is JSON of another kind",
        ),
        ("404 Not Found", "DocSpace's API is not at this URL"),
        (
            "418 Teapot",
            "the answer is not DocSpace's: it is JSON of another kind",
        ),
        ("500 Oops", "DocSpace gives no reason"),
    ] {
        let echo = r#"{"status":400,"title":"echo","type":"https://example.com","traceId":"echo","errors":{"echo":["echo"]}}"#;
        let wrapped = format!(r#"{{"status":0,"count":1,"response":{echo}}}"#);
        let error =
            r#"{"status":1,"statusCode":500,"error":{"message":"echo","type":"echo","hresult":"echo"}}"#;
        for body in [echo, &wrapped, error, OTHER_ERROR] {
            let error = failure(http(status, "", body)).await;
            assert!(error.message.contains(told), "{status} {body}: {error}");
            assert!(!error.message.contains("echo"), "{error}");
        }
    }
}

#[tokio::test]
async fn what_only_a_proxy_answers_is_reported_as_the_proxys() {
    let json = r#"{"message":"no upstream"}"#;
    for (status, body, kind, told) in [
        (
            "407 Proxy Authentication Required",
            PAGE,
            Failure::NotDocSpace,
            "http://x: HTTP 407: the proxy asks for a login; ",
        ),
        (
            "503 Unavailable",
            "",
            Failure::Proxy,
            "http://x: HTTP 503 from a proxy ",
        ),
        (
            "502 Bad Gateway",
            json,
            Failure::Proxy,
            "http://x: HTTP 502 from a proxy ",
        ),
        // DocSpace's own may have no body.
        (
            "500 Oops",
            "",
            Failure::ServerError,
            "http://x: HTTP 500: DocSpace gives no reason; ",
        ),
    ] {
        let error = failure(http(status, "", body)).await;
        assert_eq!(error.failure, kind, "{status}");
        assert!(error.message.starts_with(told), "{error}");
    }
}

#[tokio::test]
async fn a_time_to_wait_is_counted_from_the_date_beside_it() {
    let headers = "Date: Tue, 24 Nov 2026 03:00:00 GMT\r\nRetry-After: Tue, 24 Nov 2026 03:02:00 GMT\r\n";
    let error = failure(http("503 Unavailable", headers, PAGE)).await;
    assert_eq!(
        (error.date, error.retry_after),
        (None, Some(Duration::from_secs(120)))
    );
}

#[tokio::test]
async fn a_login_of_something_else_is_not_a_bad_key() {
    let challenge = |text: &str| format!("WWW-Authenticate: {text}\r\n");
    for (headers, body) in [
        (String::new(), PAGE),
        (String::new(), r#"{"message":"Unauthorized"}"#),
        (challenge("Basic realm=\"Restricted\""), ""),
        (challenge("basic"), ""),
        (challenge("Bearer, Digest qop=\"auth\""), ""),
        (challenge("Negotiate") + &challenge("NTLM"), ""),
    ] {
        let error = failure(http("401 Unauthorized", &headers, body)).await;
        assert_eq!(
            (error.failure, error.message.as_str()),
            (
                Failure::NotDocSpace,
                "http://x: HTTP 401: something in front of DocSpace, not DocSpace, asks for a login of its own; let \
                 /api/2.0 pass without that login, or set portal.url to an address behind it"
            ),
            "{headers}{body}"
        );
    }
    for headers in [String::new(), challenge("Bearer")] {
        let error = failure(http("401 Unauthorized", &headers, "")).await;
        assert_eq!(error.failure, Failure::Unauthorized, "{headers}");
        assert!(error.message.contains("does not accept the API key"), "{error}");
    }
}

/// The failure of reading the schedule over https through this proxy.
async fn behind(proxy: &str) -> PortalError {
    let proxy = proxy.to_owned();
    let client = move || {
        let proxy = reqwest::Proxy::https(&proxy).expect("a proxy");
        reqwest::Client::builder().tls_certs_only([]).proxy(proxy)
    };
    let portal = Portal {
        connections: connections::Connections::new(client).expect("connections"),
        ..portal_at("https://docs.example.com", None)
    };
    portal.schedule(false).await.expect_err("no connection")
}

#[tokio::test]
async fn a_proxy_that_makes_no_connection_is_named() {
    for (answer, told) in [
        (
            http("407 Proxy Authentication Required", "", PAGE),
            "the proxy asks for a login (HTTP 407)",
        ),
        (
            http("403 Forbidden", "", PAGE),
            "the proxy refuses to connect to the portal; ",
        ),
        (
            http("503 Unavailable", "", ""),
            "the proxy refuses to connect to the portal; ",
        ),
        (String::new(), "the proxy does not answer as a proxy; "),
    ] {
        let (url, server) = serve(answer).await;
        let error = behind(&url).await;
        assert!(
            error
                .message
                .starts_with(&format!("https://docs.example.com: {told}")),
            "{error}"
        );
        assert_eq!((error.failure, error.status), (Failure::Connect, None));
        let request = server.await.expect("a request");
        assert!(request.starts_with("CONNECT docs.example.com:443 "), "{request}");
    }
    let (listener, address) = listen().await;
    drop(listener);
    let error = behind(&format!("http://{address}")).await;
    assert_eq!(error.failure, Failure::Connect);
    assert!(
        error
            .message
            .contains("cannot connect to the proxy: connection refused; "),
        "{error}"
    );
}
