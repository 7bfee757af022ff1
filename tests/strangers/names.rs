//! Names that nobody resolves.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::MetadataExt,
    time::Duration,
};

use harness::control_plane;
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

use crate::{World, attackers::observer, victims::At, world::Plan};

/// The victims' portals have names, too, and the same DNS server answers for them. Threads that wait for names would
/// reserve memory for stacks that they never use. So there is no limit here, and only resident memory counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_without_an_answer() {
    const OBJECTS: usize = 900;
    if fs::metadata("/proc/self").map_or(1, |own| own.uid()) != 0 {
        println!("skipped: a DNS server of its own takes port 53 and a mount, which only root may have");
        return;
    }
    let server = DnsServer::start().await;
    let mut world = World::planned(Plan {
        at: At::Name,
        through: server.asked_by(),
        ..Plan::of("900 names without an answer")
    })
    .await;
    let attackers = world.attackers.clone();
    world
        .attack(attackers.with_keys(OBJECTS, |number| {
            let mut object = observer(number, &format!("http://silent-{number}.portals.test"));
            object.spec.portal.host_header = None;
            object
        }))
        .await;
    world
        .attack_for(Duration::from_secs(12), std::future::pending())
        .await;
    world.judge().await;
}

/// A DNS server that knows the victims' portals, and does not answer for names that begin with `silent`.
struct DnsServer {
    address: Ipv4Addr,
    _task: AbortOnDropHandle<()>,
}

impl DnsServer {
    async fn start() -> Self {
        let (address, socket) = free_port_53().await;
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                if let Some(answer) = answer(&question[..length]) {
                    reply(&socket, &answer, from).await;
                }
            }
        }));
        Self { address, _task: task }
    }

    /// What runs a program that asks this server, with the search list of a pod.
    fn asked_by(&self) -> Vec<String> {
        let text = format!(
            "nameserver {}\nsearch docspace.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
            self.address
        );
        let file = control_plane()
            .folder()
            .join(format!("resolv-{}.conf", self.address));
        fs::write(&file, text).expect("the control plane's folder is writable");
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let words = ["unshare", "--mount", "sh", "-c", script];
        let words = words.map(String::from).into_iter();
        words.chain([file.display().to_string()]).collect()
    }
}

/// All of 127.0.0.0/8 is this machine, so there is room beside other runs.
async fn free_port_53() -> (Ipv4Addr, UdpSocket) {
    const ATTEMPTS: usize = 20;
    for _ in 0..ATTEMPTS {
        let address = Ipv4Addr::new(127, fastrand::u8(1..255), fastrand::u8(..), fastrand::u8(1..255));
        if let Ok(socket) = UdpSocket::bind((address, 53)).await {
            return (address, socket);
        }
    }
    panic!(
        "port 53 was free at none of {ATTEMPTS} addresses in 127.0.0.0/8: does another DNS server listen at 0.0.0.0?"
    );
}

async fn reply(socket: &UdpSocket, answer: &[u8], to: SocketAddr) {
    // Whoever asked may have given up.
    let _ = socket.send_to(answer, to).await;
}

/// The answer to a question (RFC 1035): 127.0.0.1 for a victim's portal, no such name for anything else; none where the
/// name is to stay without one.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    const A: [u8; 4] = [0, 1, 0, 1];
    let mut labels = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = question.get(at..at + 4)?;
    let name = labels.join(".");
    if name.starts_with("silent") {
        return None;
    }
    let known = name.starts_with("victim") && name.ends_with(".portals.test");
    let address = known && kind == A;
    // The question's own number and question; recursion available; NXDOMAIN, or the number of answers.
    let mut answer = question[..2].to_vec();
    answer.extend([
        0x81,
        if known { 0x80 } else { 0x83 },
        0,
        1,
        0,
        address.into(),
        0,
        0,
        0,
        0,
    ]);
    answer.extend(&question[HEADER..at + 4]);
    if address {
        // The name of the question; type and class; a minute; four bytes.
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
