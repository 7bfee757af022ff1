//! Names looked up by a DNS server with scripted answers.

mod answers;
mod order;
mod server;
mod turns;

use std::{
    fs,
    net::IpAddr,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::future::join_all;
use hickory_proto::op::ResponseCode;

use self::server::{Answer, DnsServer};
use super::*;
use crate::portal::guard::tests::{ALLOWED, LOOPBACK, REFUSED, STRICT, WITH_LOOPBACK, host};

/// A folder with the system's files.
struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        // What is left over in the system's folder for temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Files {
    fn new(resolv_conf: &str, hosts: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("names-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("resolv.conf"), resolv_conf).expect("a file");
        fs::write(folder.join("hosts"), hosts).expect("a file");
        Self(folder)
    }

    fn system(&self, port: u16) -> System {
        System {
            resolv_conf: self.0.join("resolv.conf"),
            hosts: self.0.join("hosts"),
            port,
        }
    }
}

/// Names looked up by this server, with this search list.
fn names_of(server: &DnsServer, search: &str) -> (Names, Files) {
    let files = Files::new(
        &format!("search {search}\nnameserver 127.0.0.1\noptions ndots:5\n"),
        "10.9.9.9 listed.test listed\n",
    );
    let names = Names::of(files.system(server.address.port()), STRICT);
    (names, files)
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

async fn look_up(names: &Names, name: &str) -> Result<Vec<IpAddr>, Unresolved> {
    let outcome = names.addresses("docspace".into(), name).await;
    outcome.map(|addresses| addresses.to_vec())
}

/// As the HTTP client asks.
async fn resolve(names: &Names, name: &str) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let addresses = names.resolve(name.parse().expect("a name")).await?;
    Ok(addresses.map(|address| address.ip()).collect())
}

#[tokio::test]
async fn addresses_that_are_never_a_portal_are_refused_as_the_answer_of_dns() {
    // refused-7.test has the seventh address of the table.
    let of_table = |table: &'static [&str]| {
        move |name: &str, _| {
            let number = name.trim_end_matches(".test.").rsplit('-').next();
            let number: usize = number.and_then(|number| number.parse().ok()).expect(name);
            Answer::Addresses(vec![host(table[number])])
        }
    };
    for (table, guard, allowed) in [
        (REFUSED, STRICT, false),
        (REFUSED, WITH_LOOPBACK, false),
        (LOOPBACK, STRICT, false),
        (LOOPBACK, WITH_LOOPBACK, true),
        (ALLOWED, STRICT, true),
    ] {
        let server = DnsServer::start(of_table(table)).await;
        let files = Files::new("nameserver 127.0.0.1", "");
        let names = Names::of(files.system(server.address.port()), guard);
        let results = table.iter().enumerate().map(|(number, text)| {
            let names = &names;
            async move {
                let result = resolve(names, &format!("name-{number}.test")).await;
                (text, result)
            }
        });
        for (text, result) in join_all(results).await {
            match result {
                Ok(addresses) => {
                    assert!(allowed, "{text}");
                    assert_eq!(addresses, [host(text)], "{text}");
                }
                Err(error) => assert!(error.is::<NotAllowed>() && !allowed, "{text}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn refused_addresses_are_left_out() {
    let server = DnsServer::start(|_, _| {
        Answer::Addresses(ips(&[
            "169.254.169.254",
            "10.0.0.1",
            "fe80::1",
            "fd12::1",
            "::ffff:127.0.0.1",
        ]))
    })
    .await;
    let (names, _files) = names_of(&server, "");
    let found = resolve(&names, "mixed.test").await.expect("addresses");
    assert_eq!(found, ips(&["fd12::1", "10.0.0.1"]));
}

#[tokio::test]
async fn localhost_is_this_machine_without_a_question() {
    let server = DnsServer::start(|_, _| Answer::Code(ResponseCode::NXDomain)).await;
    let (names, _files) = names_of(&server, "");
    for name in ["localhost", "localhost.", "x.localhost"] {
        assert_eq!(
            look_up(&names, name).await,
            Ok(ips(&["::1", "127.0.0.1"])),
            "{name}"
        );
        let refused = resolve(&names, name).await.expect_err("loopback");
        assert!(refused.is::<NotAllowed>(), "{refused}");
    }
    let files = Files::new("", "127.0.0.1 localhost\n");
    let names = Names::of(files.system(server.address.port()), WITH_LOOPBACK);
    let found = resolve(&names, "localhost").await.expect("loopback is allowed");
    assert_eq!(found, ips(&["127.0.0.1"]));
    assert_eq!(server.questions(), [""; 0]);
}
