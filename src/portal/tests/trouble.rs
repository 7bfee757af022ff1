//! Failures before an answer, or without one.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Barrier, watch},
};

use super::*;
use crate::lease::{Leadership, SKEW, Term, clock};

#[tokio::test]
async fn lost_connections_and_cut_off_or_huge_bodies_are_no_answers() {
    let cut_off = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"count\":0,";
    for answer in [cut_off, "", "HTTP/1.1 200", "SSH-2.0-OpenSSH\r\n"] {
        let error = failure(answer).await;
        assert_eq!(error.failure, Failure::Interrupted, "{answer:?}");
        assert!(!error.failure.is_definite_for_a_write());
    }
    let huge = failure(http("200 OK", "", &" ".repeat(1024 * 1024 + 1))).await;
    assert_eq!(huge.failure, Failure::NotDocSpace, "{huge}");
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
    let calls = (0..8).map(|_| {
        let portal = portals
            .portal(&Access {
                namespace: "docspace".into(),
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
