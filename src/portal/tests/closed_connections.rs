//! Portals that close their connections.

use std::sync::{Arc, Mutex};

use super::*;

/// What a server does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    /// Answers, and keeps the connection open without a word.
    Answer,
    /// Closes the connection, without an answer.
    Close,
    /// Resets the connection, without an answer.
    Reset,
    /// Answers in part, and closes the connection.
    Half,
    /// Neither answers nor closes.
    Hang,
}

/// The requests that each connection carried.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

/// A server that does this with the requests of its connections, each in turn.
async fn server(script: &[&[Does]]) -> (String, Seen) {
    let (listener, address) = listen().await;
    let seen = Seen::default();
    let script: Vec<Vec<Does>> = script.iter().map(|connection| connection.to_vec()).collect();
    let told = seen.clone();
    tokio::spawn(async move {
        for (number, connection) in script.into_iter().enumerate() {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            told.lock().expect("unpoisoned").push(Vec::new());
            let told = told.clone();
            tokio::spawn(async move {
                for does in connection {
                    let request = request(&mut stream).await;
                    told.lock().expect("unpoisoned")[number].push(request);
                    let answer = http("200 OK", "", ABSENT);
                    match does {
                        Does::Answer => stream.write_all(answer.as_bytes()).await.expect("the client"),
                        Does::Half => stream
                            .write_all(&answer.as_bytes()[..60])
                            .await
                            .expect("the client"),
                        Does::Reset => stream.set_zero_linger().expect("a socket"),
                        Does::Hang => tokio::time::sleep(Duration::from_secs(60)).await,
                        Does::Close => {}
                    }
                    if matches!(does, Does::Close | Does::Reset | Does::Half) {
                        return;
                    }
                }
                let _ = stream.read(&mut [0]).await;
            });
        }
        // One connection more is counted, too.
        if listener.accept().await.is_ok() {
            told.lock().expect("unpoisoned").push(Vec::new());
        }
    });
    (format!("http://{address}"), seen)
}

/// The number of requests of each connection.
fn requests(seen: &Seen) -> Vec<usize> {
    seen.lock().expect("unpoisoned").iter().map(Vec::len).collect()
}

#[tokio::test]
async fn a_read_that_meets_a_closed_connection_is_repeated_on_a_new_one() {
    for does in [Does::Close, Does::Reset] {
        let (url, seen) = server(&[&[Does::Answer, does], &[Does::Answer]]).await;
        let portal = portal_at(&url, None);
        let mut registry = prometheus_client::registry::Registry::default();
        portal.metrics.register(&mut registry);
        for _ in 0..2 {
            portal.schedule(false).await.expect("an answer");
        }
        assert_eq!(requests(&seen), [2, 1], "{does:?}");
        let seen = seen.lock().expect("unpoisoned");
        assert_eq!(seen[0][1], seen[1][0], "the same request");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a text");
        assert!(
            text.contains(r#"portal_calls_total{operation="Schedule",code="200"} 2"#)
                && !text.contains("Interrupted"),
            "each is one call: {text}"
        );
    }
}

#[tokio::test]
async fn a_read_is_repeated_once_only() {
    for (script, expected) in [
        // The repetition fails, too.
        (vec![&[Does::Answer, Does::Close][..], &[Does::Reset]], vec![2, 1]),
        // An answer has begun.
        (vec![&[Does::Answer, Does::Half][..]], vec![2]),
        // A connection that was new is not an old one that had been closed.
        (vec![&[Does::Close][..]], vec![1]),
    ] {
        let (url, seen) = server(&script).await;
        let portal = portal_at(&url, None);
        if expected[0] == 2 {
            portal.schedule(false).await.expect("an answer");
        }
        let error = portal.schedule(false).await.expect_err("closed");
        assert_eq!(error.failure, Failure::Interrupted, "{script:?}: {error}");
        assert_eq!(requests(&seen), expected, "{script:?}");
    }
}

#[tokio::test]
async fn a_repeated_read_stays_within_its_time_limit() {
    // So long that a slow machine is no hang.
    const LIMIT: Duration = Duration::from_secs(2);
    let (url, _seen) = server(&[&[Does::Answer, Does::Close], &[Does::Hang]]).await;
    let portal = Portal {
        time_limit: Some(LIMIT),
        ..portal_at(&url, None)
    };
    portal.schedule(false).await.expect("an answer");
    let began = std::time::Instant::now();
    let error = portal.schedule(false).await.expect_err("no answer");
    assert_eq!(error.failure, Failure::TimedOut, "{error}");
    assert!(began.elapsed() < 2 * LIMIT);
}

#[tokio::test]
async fn a_write_has_a_connection_of_its_own_and_is_never_repeated() {
    let (url, seen) = server(&[&[Does::Answer, Does::Answer], &[Does::Close], &[Does::Reset]]).await;
    let portal = portal_at(&url, None);
    portal.schedule(false).await.expect("an answer");
    let created = portal.create_schedule(&schedule()).await.expect_err("closed");
    let deleted = portal.delete_schedule(false).await.expect_err("reset");
    assert_eq!(
        (created.failure, deleted.failure),
        (Failure::Interrupted, Failure::Interrupted)
    );
    // The connection of the reads is still there.
    portal.schedule(false).await.expect("an answer");
    assert_eq!(requests(&seen), [2, 1, 1]);
}

#[tokio::test]
async fn no_connection_outlives_its_portal_client() {
    let (listener, address) = listen().await;
    let portals = portals();
    let access = Access {
        namespace: "docspace".into(),
        address: Address::parse(&format!("http://{address}"), None).expect("an address"),
        key: key(),
        ca: None,
    };
    for _ in 0..2 {
        let portal = portals.portal(&access).expect("a portal");
        let same = portal.clone();
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            for _ in 0..2 {
                request(&mut stream).await;
                let answer = http("200 OK", "", ABSENT);
                stream.write_all(answer.as_bytes()).await.expect("the client");
            }
            stream
        };
        let client = async {
            for portal in [portal, same] {
                portal.schedule(false).await.expect("an answer");
            }
        };
        let (mut stream, ()) = tokio::join!(server, client);
        assert_eq!(stream.read(&mut [0]).await.expect("its end"), 0);
    }
}
