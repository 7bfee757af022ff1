//! What answers of DNS mean.

use hickory_proto::rr::RecordType;

use super::*;

#[tokio::test]
async fn addresses_of_both_types_are_used_and_few_of_them() {
    let many = |count: u8| {
        let v4 = (1..=count).map(|last| IpAddr::from([10, 0, 0, last]));
        let v6 = (1..=count).map(|last| IpAddr::from([0xfd12, 0, 0, 0, 0, 0, 0, last.into()]));
        v4.chain(v6).collect::<Vec<_>>()
    };
    let server = DnsServer::start(move |name, _| match name {
        "many.test." => Answer::Addresses(many(30)),
        "alias.test." | "to.test." => Answer::Alias(many(1)),
        _ => Answer::Addresses(ips(&["10.0.0.1"])),
    })
    .await;
    let (names, _files) = names_of(&server, "");
    let found = look_up(&names, "many.test").await.expect("addresses");
    assert_eq!(found.len(), 16);
    assert_eq!(found.iter().filter(|address| address.is_ipv6()).count(), 8);
    assert_eq!(
        look_up(&names, "to.test").await,
        Ok(ips(&["fd12::1", "10.0.0.1"]))
    );
    assert_eq!(look_up(&names, "v4.test").await, Ok(ips(&["10.0.0.1"])));
}

#[tokio::test]
async fn addresses_of_one_type_suffice() {
    let broken = [
        Answer::Never,
        Answer::Code(ResponseCode::ServFail),
        Answer::Code(ResponseCode::NXDomain),
        Answer::Code(ResponseCode::NotImp),
        Answer::Addresses(Vec::new()),
    ];
    for broken in broken {
        let server = DnsServer::start(move |_, kind| match kind {
            RecordType::A => Answer::Addresses(ips(&["10.0.0.1"])),
            _ => broken.clone(),
        })
        .await;
        let (names, _files) = names_of(&server, "");
        assert_eq!(look_up(&names, "portal.test").await, Ok(ips(&["10.0.0.1"])));
    }
}

/// Else the search list would be asked for a name that may exist.
#[tokio::test]
async fn a_name_exists_unless_both_answers_say_that_it_does_not() {
    for (other, expected) in [
        (Answer::Never, Unresolved::NoAnswer),
        (Answer::Code(ResponseCode::Refused), Unresolved::Failed),
        (Answer::Addresses(Vec::new()), Unresolved::NoAddress),
    ] {
        let server = DnsServer::start(move |_, kind| match kind {
            RecordType::A => Answer::Code(ResponseCode::NXDomain),
            _ => other.clone(),
        })
        .await;
        let (names, _files) = names_of(&server, "cluster.local");
        assert_eq!(look_up(&names, "portal.test").await, Err(expected));
        assert_eq!(server.names(), ["portal.test."]);
    }
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_fails_or_is_silent() {
    let good = DnsServer::start(|_, _| Answer::Addresses(ips(&["10.0.0.1"]))).await;
    let port = good.address.port();
    let beside = |last, answer: Answer| {
        DnsServer::start_at(([127, 0, 0, last], port).into(), move |_, _| answer.clone())
    };
    for (last, bad) in [(2, Answer::Never), (3, Answer::Code(ResponseCode::ServFail))] {
        let bad = beside(last, bad).await;
        let files = Files::new(&format!("nameserver 127.0.0.{last}\nnameserver 127.0.0.1\n"), "");
        let names = Names::of(files.system(port), STRICT);
        assert_eq!(look_up(&names, "portal.test").await, Ok(ips(&["10.0.0.1"])));
        assert_eq!(bad.questions().len(), 2, "asked first, once for each type");
    }
    let unused = beside(4, Answer::Never).await;
    let files = Files::new("nameserver 127.0.0.1\nnameserver 127.0.0.4\n", "");
    let names = Names::of(files.system(port), STRICT);
    assert_eq!(look_up(&names, "portal.test").await, Ok(ips(&["10.0.0.1"])));
    assert_eq!(unused.questions(), [""; 0]);
}

#[tokio::test]
async fn what_does_not_answer_the_question_is_ignored() {
    let server = DnsServer::start(|_, _| Answer::Forged(ips(&["10.0.0.1"]))).await;
    let (names, _files) = names_of(&server, "");
    assert_eq!(look_up(&names, "portal.test").await, Ok(ips(&["10.0.0.1"])));
    assert_eq!(server.questions().len(), 2);
}

#[tokio::test]
async fn an_answer_that_was_cut_off_suffices_with_an_address_and_is_else_asked_for_over_tcp() {
    let many = |count: u32| {
        (0..count)
            .map(|number| IpAddr::from((0x0a00_0000 + number).to_be_bytes()))
            .collect()
    };
    let server = DnsServer::start(move |name, _| match name {
        "cut.test." => Answer::CutOff(ips(&["10.0.0.1"]), Vec::new()),
        "huge.test." => Answer::CutOff(Vec::new(), many(4_000)),
        _ => Answer::CutOff(Vec::new(), many(500)),
    })
    .await;
    let (names, _files) = names_of(&server, "");
    let over_tcp = |name: &str| server.questions().contains(&format!("TCP A {name}."));

    assert_eq!(look_up(&names, "bare.test").await, Ok(many(8)));
    assert!(over_tcp("bare.test"));

    assert_eq!(look_up(&names, "cut.test").await, Ok(ips(&["10.0.0.1"])));
    assert!(!over_tcp("cut.test"));

    // More than 16 KiB is no answer.
    let expected = Err(Unresolved::NoAnswer);
    assert_eq!(look_up(&names, "huge.test").await, expected);
    assert!(over_tcp("huge.test"));
}

/// Longer than announced.
#[tokio::test]
async fn a_long_datagram_is_read() {
    let server =
        DnsServer::start(|_, _| Answer::Addresses((0..150).map(|last| [10, 0, 0, last].into()).collect()))
            .await;
    let (names, _files) = names_of(&server, "");
    assert_eq!(
        look_up(&names, "portal.test").await.map(|found| found.len()),
        Ok(8)
    );
}
