//! Failures before an answer, or without one.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Barrier, watch},
};

use super::*;
use crate::{
    lease::{Leadership, SKEW, Term, clock},
    portal::http_clients::CALLS_OF_ONE,
};

#[tokio::test]
async fn lost_connections_and_cut_off_or_huge_bodies_are_no_answers() {
    let cut_off = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"count\":0,";
    for answer in [cut_off, "", "HTTP/1.1 200", "SSH-2.0-OpenSSH\r\n"] {
        let error = failure(answer).await;
        assert_eq!(error.failure, Failure::Interrupted, "{answer:?}");
        assert!(!error.failure.is_definite_for_a_write());
    }
    let huge = failure(http("200 OK", "", &" ".repeat(256 * 1024 + 1))).await;
    assert_eq!(huge.failure, Failure::NotDocSpace, "{huge}");
    assert!(
        huge.message
            .contains("HTTP 200: the answer exceeds 256 KiB, more"),
        "{huge}"
    );
    let history = http("200 OK", "", &" ".repeat(1536 * 1024 + 1));
    let (url, _server) = serve(history).await;
    let huge = portal_at(&url, None).history(false).await.expect_err("too much");
    assert!(
        huge.message.contains("the answer exceeds 1536 KiB, more"),
        "{huge}"
    );
}

/// A history with this many archives.
fn history(count: usize) -> String {
    let archive = r#"{"id":"0f1e2d3c-0000-0000-0000-00000000a1b2","createdOn":"2026-11-23T03:10:00Z"}"#;
    let body = format!(
        r#"{{"response":[{}],"count":{count},"status":0,"statusCode":200}}"#,
        vec![archive; count].join(",")
    );
    http("200 OK", "", &body)
}

#[tokio::test]
async fn a_large_answer_needs_room_that_others_of_the_namespace_may_have() {
    let (url, server) = serve(history(1000)).await;
    let portal = Portal {
        time_limit: Some(Duration::from_millis(200)),
        ..portal_at(&url, None)
    };
    let taken = portal.room.fill("docspace").await;
    let error = portal.history(false).await.expect_err("no room");
    assert_eq!(error.failure, Failure::TimedOut);
    let told = "no room for the answer within 0 s; of large answers, the operator holds at most 4 MiB at a time for one \
                namespace, and 16 MiB for all, and tries again";
    assert_eq!(error.message, format!("{url}: {told}"));
    server.await.expect("a request");

    // Those of another namespace do not mind, nor does a small answer.
    let room = portal.room.clone();
    let (url, _server) = serve(history(1000)).await;
    let other = Portal {
        namespace: "other".into(),
        room: room.clone(),
        ..portal_at(&url, None)
    };
    let large = other.history(false).await.expect("an answer");
    assert_eq!((large.value.len(), large.room.is_some()), (1000, true));
    let (url, _server) = serve(history(100)).await;
    let small = Portal {
        room: room.clone(),
        ..portal_at(&url, None)
    };
    let small = small.history(false).await.expect("an answer");
    assert_eq!((small.value.len(), small.room.is_some()), (100, false));

    // Room is given back with what is read.
    drop((taken, large));
    for namespace in ["docspace", "other", "third", "fourth"] {
        std::mem::forget(room.fill(namespace).now_or_never().expect("all of it"));
    }
    assert!(room.fill("fifth").now_or_never().is_none());
}

#[tokio::test]
async fn a_call_that_waits_for_room_goes_on_with_it() {
    let (url, server) = serve(history(1000)).await;
    let portal = portal_at(&url, None);
    let taken = portal.room.fill("docspace").await;
    let call = tokio::spawn(async move { portal.history(false).await });
    server.await.expect("a request");
    drop(taken);
    let answer = call.await.expect("no panic").expect("an answer");
    assert_eq!(answer.value.len(), 1000);
}

#[tokio::test]
async fn a_portal_that_hangs_times_out() {
    let (listener, address) = listen().await;
    let limited = Portal {
        time_limit: Some(Duration::from_millis(100)),
        ..portal_at(&format!("http://{address}"), None)
    };
    let error = limited.schedule(false).await.expect_err("no answer");
    assert_eq!((error.failure, error.status), (Failure::TimedOut, None));
    assert!(!error.failure.nothing_was_sent());
    drop(listener);
}

#[tokio::test]
async fn a_write_is_sent_by_a_leader_only_and_fits_into_its_lease() {
    let (listener, address) = listen().await;
    let (lead, term) = watch::channel(None);
    let limit = Duration::from_millis(100);
    let portal = Portal {
        leadership: Leadership::elected(term, limit),
        ..portal_at(&format!("http://{address}"), None)
    };
    let schedule = schedule();
    let mut write = pin!(portal.create_schedule(&schedule));
    let mut connection = pin!(listener.accept());
    let early = tokio::time::timeout(limit, async {
        tokio::select! {
            _ = &mut write => {}
            _ = &mut connection => {}
        }
    });
    assert!(early.await.is_err(), "it does not lead");
    lead.send_replace(Some(Term {
        begins: Duration::ZERO,
        ends: clock::now() + 2 * SKEW,
    }));
    let (error, _connection) = tokio::join!(write, connection);
    assert_eq!(error.expect_err("no answer").failure, Failure::TimedOut);
}

#[tokio::test]
async fn nothing_is_sent_where_nobody_listens_or_tls_fails() {
    let (listener, address) = listen().await;
    drop(listener);
    let error = portal_at(&format!("http://{address}"), None)
        .schedule(false)
        .await
        .expect_err("refused");
    assert_eq!(error.failure, Failure::Connect);
    assert_eq!(
        error.message,
        format!(
            "http://{address}: cannot connect: connection refused; check portal.url, and that DocSpace runs there"
        )
    );
    assert!(error.failure.nothing_was_sent() && error.failure.is_definite_for_a_write());

    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 64]).await;
    });
    let ca = include_str!("ca.pem");
    let address = Address::parse(&format!("https://{address}"), None).expect("an address");
    let portal = portals()
        .portal(&Access {
            namespace: "docspace".into(),
            address,
            key: key(),
            ca: Some(ca.into()),
        })
        .expect("a portal");
    let error = portal.schedule(false).await.expect_err("no TLS");
    assert_eq!(error.failure, Failure::Tls, "{error}");
    assert!(error.message.contains("does not speak TLS"), "{error}");
    server.await.expect("the server");
}

#[tokio::test]
async fn names_are_checked_after_resolution() {
    let address = Address::parse("http://localhost:1", None).expect("an address");
    let portals = Portals::new(Options::default()).expect("a client");
    let portal = portals
        .portal(&Access {
            namespace: "docspace".into(),
            address: address.clone(),
            key: key(),
            ca: None,
        })
        .expect("a name may pass");
    let error = portal.schedule(false).await.expect_err("loopback");
    assert_eq!(error.failure, Failure::AddressNotAllowed);
    let error = portal_at("http://no-such-host.invalid", None)
        .schedule(false)
        .await
        .expect_err("no such name");
    assert_eq!(error.failure, Failure::Resolve);
}

#[test]
fn unfit_addresses_keys_and_cas_are_refused_before_any_call() {
    let portals = Portals::new(Options::default()).expect("a client");
    let refused = |url: &str, key: &str, ca: Option<&str>| {
        let address = Address::parse(url, None).expect("an address");
        let error = portals
            .portal(&Access {
                namespace: "docspace".into(),
                address: address.clone(),
                key: key.to_owned().into(),
                ca: ca.map(Into::into),
            })
            .expect_err(url);
        assert!(key.is_empty() || !error.message.contains(key), "{error}");
        error.failure
    };
    assert_eq!(
        refused("http://[::ffff:127.0.0.1]", KEY, None),
        Failure::AddressNotAllowed
    );
    assert_eq!(
        refused("http://169.254.169.254", KEY, None),
        Failure::AddressNotAllowed
    );
    assert_eq!(refused("https://x", "sk-a\nb", None), Failure::SecretInvalid);
    assert_eq!(refused("https://x", "schlüssel", None), Failure::SecretInvalid);
    assert_eq!(refused("https://x", "", None), Failure::SecretInvalid);
    assert_eq!(
        refused("https://x", KEY, Some("no certificate")),
        Failure::SecretInvalid
    );
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(refused("https://x", KEY, Some(broken)), Failure::SecretInvalid);
}

#[tokio::test]
async fn four_calls_go_to_one_address_at_a_time() {
    let (listener, address) = listen().await;
    let (barrier, active, peak) = (Arc::new(Barrier::new(4)), Arc::default(), Arc::default());
    let count: (Arc<AtomicUsize>, Arc<AtomicUsize>) = (active, peak);
    let (active, peak) = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let (barrier, active, peak) = (barrier.clone(), active.clone(), peak.clone());
            tokio::spawn(async move {
                request(&mut stream).await;
                peak.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // With fewer than four calls at a time, they would wait here until they time out.
                barrier.wait().await;
                active.fetch_sub(1, Ordering::SeqCst);
                let answer = http("200 OK", "Connection: close\r\n", ABSENT);
                stream.write_all(answer.as_bytes()).await.expect("the client");
            });
        }
    });
    let portals = portals();
    let address = Address::parse(&format!("http://{address}"), None).expect("an address");
    let calls = (0..8).map(|number| {
        let namespace = if number % 2 == 0 { "docspace" } else { "other" };
        let portal = portals
            .portal(&Access {
                namespace: namespace.into(),
                address: address.clone(),
                key: key(),
                ca: None,
            })
            .expect("a portal");
        async move { portal.schedule(false).await }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(count.1.load(Ordering::SeqCst), CALLS_PER_ADDRESS);
}

#[tokio::test]
async fn calls_to_one_address_take_turns_by_namespace() {
    let (listener, address) = listen().await;
    let portals = portals();
    let address = Address::parse(&format!("http://{address}"), None).expect("an address");
    // Each has asked for its place when this returns.
    let call = |namespace: &str| {
        let portal = portals.portal(&Access {
            namespace: namespace.into(),
            address: address.clone(),
            key: format!("sk-{namespace}").into(),
            ca: None,
        });
        let portal = portal.expect("a portal");
        let mut call = Box::pin(async move { portal.schedule(false).await });
        assert!((&mut call).now_or_never().is_none());
        tokio::spawn(call)
    };
    let mut calls = Vec::new();
    for _ in 0..40 {
        calls.push(call("many"));
    }
    let mut open = Vec::new();
    for _ in 0..CALLS_OF_ONE {
        open.push(accepted(&listener).await.1);
    }
    calls.push(call("owner"));
    // The last place is the owner's, however many came before.
    let (request, stream) = accepted(&listener).await;
    assert!(request.contains("sk-owner"), "{request}");
    open.push(stream);
    for stream in open {
        answer(stream).await;
    }
    for _ in CALLS_OF_ONE..40 {
        answer(accepted(&listener).await.1).await;
    }
    for call in calls {
        call.await.expect("no panic").expect("an answer");
    }
}

#[tokio::test]
async fn a_call_that_was_given_up_counts_until_its_time_limit() {
    let (listener, address) = listen().await;
    let portals = portals();
    let limit = Duration::from_secs(2);
    // The same address, but nothing else that the portals of two looks share.
    let portal = |namespace: &str| {
        let portal = portals.portal(&Access {
            namespace: namespace.into(),
            address: Address::parse(&format!("http://{address}"), None).expect("an address"),
            key: key(),
            ca: None,
        });
        let mut portal = portal.expect("a portal");
        portal.time_limit = Some(limit);
        portal
    };
    let began = Instant::now();
    let first = portal("tenant");
    let mut calls: Vec<_> = (0..CALLS_OF_ONE)
        .map(|_| Box::pin(first.schedule(false)))
        .collect();
    let mut open = Vec::new();
    for call in &mut calls {
        tokio::select! {
            answer = call => panic!("{answer:?}"),
            accepted = accepted(&listener) => open.push(accepted),
        }
    }
    drop(calls);
    drop(first);
    let call = |namespace: &str| {
        let portal = portal(namespace);
        tokio::spawn(async move { portal.schedule(false).await })
    };
    let next = call("tenant");
    // Others have a place at once.
    let other = call("other");
    answer(accepted(&listener).await.1).await;
    other.await.expect("no panic").expect("an answer");
    answer(accepted(&listener).await.1).await;
    assert!(began.elapsed() >= limit, "{:?}", began.elapsed());
    next.await.expect("no panic").expect("an answer");
}

/// The next connection, and the request that it carries.
async fn accepted(listener: &TcpListener) -> (String, TcpStream) {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    (request(&mut stream).await, stream)
}

async fn answer(mut stream: TcpStream) {
    let answer = http("200 OK", "Connection: close\r\n", ABSENT);
    stream.write_all(answer.as_bytes()).await.expect("the client");
}
