//! Who waits for whom, and what is remembered.

use std::sync::Mutex as Log;

use futures::{FutureExt, future::BoxFuture, poll, stream::FuturesUnordered};
use jiff::Timestamp;
use reqwest::{Client, ClientBuilder, Proxy};

use super::*;
use crate::portal::{
    Access, Address, AuditAction, CONNECT_TIMEOUT, Failure, Options, Portal, Portals,
    connections::Connections,
};

/// Names that begin with `dead` are never answered.
async fn server() -> DnsServer {
    DnsServer::start(|name, _| match name {
        name if name.starts_with("dead") => Answer::Never,
        name if name.starts_with("live") => Answer::Addresses(ips(&["10.0.0.1"])),
        _ => Answer::Code(ResponseCode::NXDomain),
    })
    .await
}

/// Look-ups of a namespace that go on until they are dropped.
fn crowd<'a>(names: &'a Names, namespace: &'a str, count: usize) -> FuturesUnordered<BoxFuture<'a, Outcome>> {
    let look_ups = (0..count).map(|number| {
        async move {
            let name = format!("dead-{number}.{namespace}.test");
            names.addresses(namespace.into(), &name).await
        }
        .boxed()
    });
    look_ups.collect()
}

#[tokio::test]
async fn a_namespace_with_many_dead_names_does_not_delay_another() {
    let server = server().await;
    let (names, _files) = names_of(&server, "cluster.local");
    let mut waiting = crowd(&names, "crowd", 1_500);
    assert!(poll!(futures::StreamExt::next(&mut waiting)).is_pending());
    server.asked(LOOK_UPS_OF_ONE).await;

    let other = names.addresses("other".into(), "live.other.test").await;
    assert_eq!(other.map(|found| found.to_vec()), Ok(ips(&["10.0.0.1"])));
    assert!(poll!(futures::StreamExt::next(&mut waiting)).is_pending());
    assert_eq!(server.names().len(), LOOK_UPS_OF_ONE + 1);
}

/// Also not if the crowd wants the same name.
#[tokio::test]
async fn a_name_that_a_crowd_waits_for_is_looked_up_for_another_namespace() {
    let server = server().await;
    let (names, _files) = names_of(&server, "");
    let mut waiting = crowd(&names, "crowd", LOOK_UPS_OF_ONE);
    assert!(poll!(futures::StreamExt::next(&mut waiting)).is_pending());
    server.asked(LOOK_UPS_OF_ONE).await;
    let mut last = Box::pin(names.addresses("crowd".into(), "live.test"));
    assert!(poll!(&mut last).is_pending());

    let other = names.addresses("other".into(), "live.test").await;
    assert!(other.is_ok());
    assert!(poll!(&mut last).is_pending(), "it waits for its turn");
    // But once more it is known.
    assert!(names.addresses("crowd".into(), "live.test").await.is_ok());
    assert_eq!(server.names().len(), LOOK_UPS_OF_ONE + 1);
}

#[tokio::test]
async fn look_ups_are_bounded_in_all() {
    let server = server().await;
    let (names, _files) = names_of(&server, "");
    let namespaces = ["a", "b", "c", "d", "e"];
    let mut crowds: Vec<_> = namespaces
        .iter()
        .map(|namespace| crowd(&names, namespace, LOOK_UPS))
        .collect();
    for crowd in &mut crowds {
        assert!(poll!(futures::StreamExt::next(crowd)).is_pending());
    }
    server.asked(LOOK_UPS).await;
    assert_eq!(server.names().len(), LOOK_UPS);
}

#[tokio::test]
async fn who_asks_for_the_same_name_shares_the_answer() {
    let server = server().await;
    let (names, _files) = names_of(&server, "");
    for name in ["live.test", "none.test"] {
        let namespaces = ["a", "b", "c"].into_iter().cycle().take(200);
        let outcomes = join_all(namespaces.map(|namespace| names.addresses(namespace.into(), name))).await;
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{name}");
        // Nor is it asked soon after.
        assert_eq!(names.addresses("d".into(), name).await, outcomes[0]);
    }
    let mut questions = server.questions();
    questions.sort();
    assert_eq!(
        questions,
        [
            "A live.test.",
            "A none.test.",
            "AAAA live.test.",
            "AAAA none.test."
        ]
    );
}

#[tokio::test]
async fn a_look_up_goes_on_when_nobody_waits_for_it_any_more() {
    let server = server().await;
    let (names, _files) = names_of(&server, "");
    let mut asked = Box::pin(names.addresses("a".into(), "live.test"));
    assert!(poll!(&mut asked).is_pending());
    drop(asked);
    server.asked(1).await;
    assert!(names.addresses("a".into(), "live.test").await.is_ok());
    assert_eq!(server.questions().len(), 2);
}

#[tokio::test]
async fn dns_that_never_answers_is_told_in_time_and_remembered() {
    let server = server().await;
    let (names, _files) = names_of(&server, "cluster.local");
    let portal = portal("http://dead.test", clients(&names));
    let error = portal.schedule(false).await.expect_err("no answer");
    assert_eq!(
        (error.failure, error.message.as_str()),
        (
            Failure::Resolve,
            "http://dead.test: DNS did not answer in time; check portal.url, the DNS server and network policies"
        )
    );
    let questions = server.questions();
    assert!(
        questions.iter().all(|question| question.ends_with(" dead.test.")),
        "{questions:?}"
    );
    assert_eq!(look_up(&names, "dead.test").await, Err(Unresolved::NoAnswer));
    assert_eq!(server.questions(), questions);
}

#[tokio::test]
async fn a_failed_look_up_is_told_as_what_it_is() {
    let server = DnsServer::start(|name, _| match name {
        "failing.test." => Answer::Code(ResponseCode::ServFail),
        "empty.test." => Answer::Addresses(Vec::new()),
        "metadata.test." => Answer::Addresses(ips(&["169.254.169.254"])),
        _ => Answer::Code(ResponseCode::NXDomain),
    })
    .await;
    let (names, _files) = names_of(&server, "");
    for (name, failure, told) in [
        ("none.test", Failure::Resolve, "the host name does not exist; "),
        ("empty.test", Failure::Resolve, "the host name has no address; "),
        (
            "failing.test",
            Failure::Resolve,
            "DNS failed to look up the host name; ",
        ),
        (
            "metadata.test",
            Failure::AddressNotAllowed,
            "the host is a loopback, link-local, cloud metadata,",
        ),
    ] {
        let portal = portal(&format!("http://{name}"), clients(&names));
        let error = portal.schedule(false).await.expect_err(name);
        assert_eq!(error.failure, failure, "{error}");
        assert!(
            error.message.starts_with(&format!("http://{name}: {told}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_proxy_without_an_address_is_told_as_the_proxy() {
    let server = server().await;
    let (names, _files) = names_of(&server, "");
    let clients = clients(&names);
    let proxy = || Proxy::https("http://proxy.test:3128").expect("a proxy");
    let portal = portal("https://live.test", move || clients().proxy(proxy()));
    let error = portal.schedule(false).await.expect_err("no proxy");
    assert_eq!(error.failure, Failure::Connect, "{error}");
    let told = "https://live.test: cannot connect to the proxy: the name does not exist; ";
    assert!(error.message.starts_with(told), "{error}");
    assert_eq!(server.names(), ["proxy.test."]);
}

/// Clients that look names up so.
fn clients(names: &Names) -> impl Fn() -> ClientBuilder + Send + Sync + use<> {
    let names = names.clone();
    move || Client::builder().no_proxy().dns_resolver(names.clone())
}

/// A portal called over such clients on behalf of the namespace `tenant`.
fn portal(url: &str, clients: impl Fn() -> ClientBuilder + Send + Sync + 'static) -> Portal {
    let portals = Portals::new(Options::default()).expect("a client");
    let portal = portals
        .portal(&Access {
            namespace: "tenant".into(),
            address: Address::parse(url, None).expect("an address"),
            key: "sk-0123456789".to_owned().into(),
            ca: None,
        })
        .expect("a portal");
    let clients = move || clients().tls_certs_only([]).connect_timeout(CONNECT_TIMEOUT);
    Portal {
        connections: Connections::new(clients).expect("connections"),
        ..portal
    }
}

/// Notes on whose behalf names are looked up.
#[derive(Clone, Default)]
struct Noted(Arc<Log<Vec<Arc<str>>>>);

impl Resolve for Noted {
    fn resolve(&self, _: Name) -> Resolving {
        self.0.lock().expect("unpoisoned").push(namespace());
        Box::pin(async { Err(Unresolved::NoSuchName.into()) })
    }
}

#[tokio::test]
async fn a_call_looks_names_up_on_behalf_of_its_namespace() {
    let noted = Noted::default();
    let resolver = noted.clone();
    let portal = portal("http://portal.test", move || {
        Client::builder().no_proxy().dns_resolver(resolver.clone())
    });
    portal.schedule(false).await.expect_err("no such name");
    portal.delete_schedule(false).await.expect_err("no such name");
    portal
        .events(AuditAction::ScheduledBackupDeleted, Timestamp::UNIX_EPOCH)
        .await
        .expect_err("no such name");
    let noted = noted.0.lock().expect("unpoisoned");
    assert!(
        !noted.is_empty() && noted.iter().all(|namespace| &**namespace == "tenant"),
        "{noted:?}"
    );
    assert_eq!(&*namespace(), "", "nobody's");
}
