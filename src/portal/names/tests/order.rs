//! What is asked, and in which order.

use super::*;

const SEARCH: &str = "docspace.svc.cluster.local svc.cluster.local cluster.local";

/// A cluster with the service `router` in the namespace `docspace`, and a public name.
async fn cluster() -> DnsServer {
    DnsServer::start(|name, _| match name {
        "router.docspace.svc.cluster.local." => Answer::Addresses(ips(&["10.96.0.1"])),
        "docs.example.com." => Answer::Addresses(ips(&["192.0.2.1"])),
        "failing.example.com." => Answer::Code(ResponseCode::ServFail),
        "empty.example.com." => Answer::Addresses(Vec::new()),
        "dead.example.com." => Answer::DeadAlias,
        _ => Answer::Code(ResponseCode::NXDomain),
    })
    .await
}

#[tokio::test]
async fn a_public_name_is_asked_as_it_is_and_nowhere_else() {
    let server = cluster().await;
    let (names, _files) = names_of(&server, SEARCH);
    assert_eq!(look_up(&names, "docs.example.com").await, Ok(ips(&["192.0.2.1"])));
    let mut questions = server.questions();
    questions.sort();
    assert_eq!(questions, ["A docs.example.com.", "AAAA docs.example.com."]);
}

#[tokio::test]
async fn only_a_name_that_does_not_exist_is_searched() {
    for (name, result) in [
        ("failing.example.com", Unresolved::Failed),
        ("empty.example.com", Unresolved::NoAddress),
        ("dead.example.com", Unresolved::NoAddress),
    ] {
        let server = cluster().await;
        let (names, _files) = names_of(&server, SEARCH);
        assert_eq!(look_up(&names, name).await, Err(result), "{name}");
        assert_eq!(server.names(), [format!("{name}.")]);
    }
    let server = cluster().await;
    let (names, _files) = names_of(&server, SEARCH);
    assert_eq!(
        look_up(&names, "no.example.com").await,
        Err(Unresolved::NoSuchName)
    );
    assert_eq!(
        server.names(),
        [
            "no.example.com.",
            "no.example.com.docspace.svc.cluster.local.",
            "no.example.com.svc.cluster.local.",
            "no.example.com.cluster.local.",
        ]
    );
}

#[tokio::test]
async fn a_service_is_found_by_the_search_list() {
    let server = cluster().await;
    let (names, _files) = names_of(&server, SEARCH);
    assert_eq!(
        look_up(&names, "router.docspace.svc").await,
        Ok(ips(&["10.96.0.1"]))
    );
    assert_eq!(
        server.names(),
        [
            "router.docspace.svc.",
            "router.docspace.svc.docspace.svc.cluster.local.",
            "router.docspace.svc.svc.cluster.local.",
            "router.docspace.svc.cluster.local.",
        ]
    );
}

#[tokio::test]
async fn a_name_without_a_dot_is_searched_first() {
    let server = cluster().await;
    let (names, _files) = names_of(&server, SEARCH);
    assert_eq!(look_up(&names, "router").await, Ok(ips(&["10.96.0.1"])));
    assert_eq!(server.names(), ["router.docspace.svc.cluster.local."]);
    assert_eq!(look_up(&names, "other").await, Err(Unresolved::NoSuchName));
    assert_eq!(
        server.names()[1..],
        [
            "other.docspace.svc.cluster.local.",
            "other.svc.cluster.local.",
            "other.cluster.local.",
            "other.",
        ]
    );
}

#[tokio::test]
async fn a_name_that_ends_in_a_dot_is_not_searched() {
    let server = cluster().await;
    let (names, _files) = names_of(&server, SEARCH);
    for name in ["router.", "router.docspace.svc."] {
        assert_eq!(look_up(&names, name).await, Err(Unresolved::NoSuchName), "{name}");
    }
    assert_eq!(server.names(), ["router.", "router.docspace.svc."]);
}

#[tokio::test]
async fn the_hosts_file_comes_before_dns() {
    let server = DnsServer::start(|_, _| Answer::Addresses(ips(&["192.0.2.1", "fd12::1"]))).await;
    let (names, _files) = names_of(&server, SEARCH);
    for name in ["listed.test", "listed", "listed.test."] {
        assert_eq!(look_up(&names, name).await, Ok(ips(&["10.9.9.9"])), "{name}");
    }
    assert_eq!(server.questions(), [""; 0]);
}

#[tokio::test]
async fn what_is_no_name_is_not_asked() {
    let server = cluster().await;
    let (names, _files) = names_of(&server, SEARCH);
    let long = "a".repeat(64);
    for name in [
        "no-such-host.invalid",
        "a..b",
        ".",
        "",
        &long,
        &format!("{}b", "a.".repeat(127)),
    ] {
        assert_eq!(look_up(&names, name).await, Err(Unresolved::NoSuchName), "{name}");
    }
    assert_eq!(server.questions(), [""; 0]);
}

#[test]
fn names_in_order() {
    let search = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for (host, domains, expected) in [
        ("docs.example.com", "", "docs.example.com."),
        ("router", ".", "router."),
        ("router.svc", ". b.", "router.svc. router.svc.b."),
        ("router", "a A b", "router.a. router.b. router."),
        // Too long with the domain.
        ("a.b", &"x".repeat(64), "a.b."),
    ] {
        let names = search::names(host, &search(domains));
        let names: Vec<_> = names.iter().map(|name| name.to_ascii()).collect();
        assert_eq!(names.join(" "), expected, "{host} {domains}");
    }
}

#[test]
fn the_systems_files_as_the_c_library_reads_them() {
    let servers = |system: &System| -> Vec<String> {
        let servers = system.dns().servers;
        servers.iter().map(ToString::to_string).collect()
    };
    let files = Files::new(
        "# comment\ndomain a.test\nsearch b.test c.test\nnameserver 10.0.0.10\nnameserver fd12::10\noptions ndots:5 odd\nodd\n",
        "# 10.0.0.1 comment\n10.0.0.2 Portal.test # 10.0.0.3 portal.test\nodd portal.test\n\nfd12::2 other portal.test\n10.0.0.4 portal.test.more\n",
    );
    let system = files.system(53);
    assert_eq!(servers(&system), ["10.0.0.10:53", "[fd12::10]:53"]);
    assert_eq!(system.dns().search, ["b.test", "c.test"]);
    assert_eq!(system.addresses("portal.test"), ips(&["10.0.0.2", "fd12::2"]));
    assert_eq!(system.addresses("more"), ips(&[]));

    for resolv_conf in ["", "nameserver odd\n", "search a.test\n"] {
        let files = Files::new(resolv_conf, "");
        assert_eq!(servers(&files.system(53)), ["127.0.0.1:53"], "{resolv_conf}");
    }
    let missing = System {
        resolv_conf: "/no/such/file".into(),
        hosts: "/no/such/file".into(),
        port: 53,
    };
    missing.check();
    assert_eq!(servers(&missing), ["127.0.0.1:53"]);
    assert_eq!(missing.addresses("portal.test"), ips(&[]));
}
