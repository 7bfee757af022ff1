//! One question to the DNS servers: the addresses of an absolute name.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    time::Duration,
};

use futures::future::{Either, select};
use hickory_proto::{
    op::{DEFAULT_MAX_PAYLOAD_LEN, Edns, Message, MessageType, Query, ResponseCode},
    rr::{Name, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// How long a server may take. Then the next one is asked, or the same again, because a datagram may get lost.
const TRY: Duration = Duration::from_millis(1_300);
/// So many questions are sent for one name and type. More servers than these are not used, as elsewhere.
const TRIES: usize = 3;
/// How long addresses of one type wait for those of the other: some servers never answer for one of them.
const OTHER_TYPE: Duration = Duration::from_millis(500);
/// So many addresses of each type are used.
const ADDRESSES: usize = 8;
/// The longest answer over UDP, in bytes: more than is asked for.
const DATAGRAM: usize = 4_096;
/// The longest answer over TCP, in bytes. Parsed, it takes 80 times as much for a moment.
const OVER_TCP: u16 = 16_384;

/// Why a name has no address, from the most certain to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unresolved {
    /// NXDOMAIN.
    #[error("the name does not exist")]
    NoSuchName,
    /// The name exists, without addresses.
    #[error("the name has no address")]
    NoAddress,
    /// SERVFAIL, REFUSED and the like.
    #[error("DNS answered with a failure")]
    Failed,
    /// No answer, or none that can be read.
    #[error("DNS did not answer in time")]
    NoAnswer,
}

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// At least one, and at most 16; those of IPv6 come first.
    pub addresses: Vec<IpAddr>,
    /// How long they stay valid.
    pub ttl: Duration,
}

/// DNS servers, asked in this order.
#[derive(Clone, Copy, Debug)]
pub struct Servers<'a>(pub &'a [SocketAddr]);

impl Servers<'_> {
    /// The addresses of both types; those of one type suffice.
    pub async fn addresses(self, name: &Name) -> Result<Found, Unresolved> {
        let v6 = pin!(self.ask(name, RecordType::AAAA));
        let v4 = pin!(self.ask(name, RecordType::A));
        let (v6, v4) = match select(v6, v4).await {
            Either::Left((v6, v4)) => {
                let v4 = beside(&v6, v4).await;
                (v6, v4)
            }
            Either::Right((v4, v6)) => (beside(&v4, v6).await, v4),
        };
        match (v6, v4) {
            (Ok(mut v6), Ok(v4)) => {
                v6.addresses.extend(v4.addresses);
                v6.ttl = v6.ttl.min(v4.ttl);
                Ok(v6)
            }
            (Ok(found), Err(other)) | (Err(other), Ok(found)) => Ok(match other {
                Unresolved::NoSuchName | Unresolved::NoAddress => found,
                // The next look-up may find more.
                Unresolved::Failed | Unresolved::NoAnswer => Found {
                    ttl: Duration::ZERO,
                    ..found
                },
            }),
            (Err(v6), Err(v4)) => Err(v6.max(v4)),
        }
    }

    /// Asks one server after the other until one answers; a failure is no answer.
    async fn ask(self, name: &Name, kind: RecordType) -> Result<Found, Unresolved> {
        let mut trouble = Unresolved::NoAnswer;
        for &server in self.0.iter().cycle().take(TRIES) {
            let answer = exchange(server, &question(name, kind)).await;
            match answer.map(|answer| read(&answer)) {
                Ok(Err(Unresolved::Failed)) => trouble = Unresolved::Failed,
                Ok(answer) => return answer,
                Err(_) => {}
            }
        }
        Err(trouble)
    }
}

/// What is found for the other type, at once if that is not needed.
async fn beside(
    first: &Result<Found, Unresolved>,
    other: impl Future<Output = Result<Found, Unresolved>>,
) -> Result<Found, Unresolved> {
    if first.is_err() {
        return other.await;
    }
    timeout(OTHER_TYPE, other)
        .await
        .unwrap_or(Err(Unresolved::NoAnswer))
}

/// With a random id.
fn question(name: &Name, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), kind));
    message
        .edns
        .get_or_insert_with(Edns::new)
        .set_max_payload(DEFAULT_MAX_PAYLOAD_LEN);
    message
}

/// Over UDP, and over TCP if the answer does not fit. An address in an answer that was cut off suffices.
async fn exchange(server: SocketAddr, question: &Message) -> io::Result<Message> {
    let bytes = question.to_vec().map_err(io::Error::other)?;
    let answer = timeout(TRY, over_udp(server, question, &bytes)).await??;
    if answer.metadata.truncation && read(&answer).is_err() {
        return timeout(TRY, over_tcp(server, question, &bytes)).await?;
    }
    Ok(answer)
}

/// Each question has a socket, and so a port, of its own.
async fn over_udp(server: SocketAddr, question: &Message, bytes: &[u8]) -> io::Result<Message> {
    let own: IpAddr = if server.is_ipv6() {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((own, 0)).await?;
    // From now on the system drops what others send.
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut answer = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut answer).await?;
        // What does not answer the question may be forged.
        if let Some(answer) = answer_to(question, &answer[..length]) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &Message, bytes: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let length = stream.read_u16().await?;
    if length > OVER_TCP {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await?;
    answer_to(question, &answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn answer_to(question: &Message, answer: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(answer).ok()?;
    (answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == question.queries)
        .then_some(answer)
}

fn read(response: &Message) -> Result<Found, Unresolved> {
    let addresses = response.answers.iter().filter_map(|record| record.data.ip_addr());
    let addresses: Vec<_> = addresses.take(ADDRESSES).collect();
    match response.metadata.response_code {
        ResponseCode::NoError if !addresses.is_empty() => {
            let seconds = response.answers.iter().map(|record| record.ttl).min();
            Ok(Found {
                addresses,
                ttl: Duration::from_secs(seconds.unwrap_or_default().into()),
            })
        }
        ResponseCode::NoError => Err(Unresolved::NoAddress),
        // Behind an alias, the code is that of the alias's target.
        ResponseCode::NXDomain if response.answers.is_empty() => Err(Unresolved::NoSuchName),
        ResponseCode::NXDomain => Err(Unresolved::NoAddress),
        _ => Err(Unresolved::Failed),
    }
}
