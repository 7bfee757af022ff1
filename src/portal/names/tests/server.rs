//! A DNS server with scripted answers, over UDP and TCP.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_proto::{
    op::{Message, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::watch,
    task::AbortHandle,
};

/// What the server answers to a question.
#[derive(Clone)]
pub enum Answer {
    /// Nothing.
    Never,
    /// This code without records.
    Code(ResponseCode),
    /// The addresses of the type that is asked for; none is NODATA.
    Addresses(Vec<IpAddr>),
    /// The same behind an alias.
    Alias(Vec<IpAddr>),
    /// An alias of a name that does not exist.
    DeadAlias,
    /// Three answers that are not to the question, and then these addresses.
    Forged(Vec<IpAddr>),
    /// Over UDP the first ones with a mark that there are more, over TCP the others.
    CutOff(Vec<IpAddr>, Vec<IpAddr>),
}

/// Seconds.
pub const TTL: u32 = 20;

type Script = Arc<dyn Fn(&str, RecordType) -> Answer + Send + Sync>;

pub struct DnsServer {
    pub address: SocketAddr,
    /// In the order of their arrival: `AAAA docs.example.com.`, over TCP `TCP AAAA …`.
    questions: watch::Receiver<Vec<String>>,
    tasks: [AbortHandle; 2],
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl DnsServer {
    pub async fn start(script: impl Fn(&str, RecordType) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), script).await
    }

    pub async fn start_at(
        address: SocketAddr,
        script: impl Fn(&str, RecordType) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind(address).await.expect("a port");
            let own = tcp.local_addr().expect("its address");
            match UdpSocket::bind(own).await {
                Ok(udp) => break (tcp, udp),
                Err(error) => assert_eq!(address.port(), 0, "{error}"),
            }
        };
        let address = udp.local_addr().expect("its address");
        let (log, questions) = watch::channel(Vec::new());
        let (log, script): (_, Script) = (Arc::new(Mutex::new(log)), Arc::new(script));
        let over_udp = tokio::spawn(serve_udp(udp, log.clone(), script.clone()));
        let over_tcp = tokio::spawn(async move {
            loop {
                let (stream, _) = tcp.accept().await.expect("a connection");
                tokio::spawn(serve_tcp(stream, log.clone(), script.clone()));
            }
        });
        let tasks = [over_udp.abort_handle(), over_tcp.abort_handle()];
        Self {
            address,
            questions,
            tasks,
        }
    }

    pub fn questions(&self) -> Vec<String> {
        self.questions.borrow().clone()
    }

    /// The names that were asked for, in the order of the first question for an IPv4 address.
    pub fn names(&self) -> Vec<String> {
        names(&self.questions.borrow())
    }

    /// Waits until so many names have been asked for.
    pub async fn asked(&self, number: usize) {
        let mut questions = self.questions.clone();
        let enough = questions
            .wait_for(|questions| names(questions).len() >= number)
            .await;
        enough.expect("the server runs");
    }
}

fn names(questions: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for name in questions
        .iter()
        .filter_map(|question| question.strip_prefix("A "))
    {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

type Log = Arc<Mutex<watch::Sender<Vec<String>>>>;

async fn serve_udp(socket: UdpSocket, log: Log, script: Script) {
    let mut bytes = [0; 4096];
    loop {
        let (length, client) = socket.recv_from(&mut bytes).await.expect("a question");
        for answer in answers(&bytes[..length], false, &log, &script) {
            socket.send_to(&answer, client).await.expect("the client");
        }
    }
}

async fn serve_tcp(mut stream: TcpStream, log: Log, script: Script) {
    while let Ok(length) = stream.read_u16().await {
        let mut bytes = vec![0; length.into()];
        stream.read_exact(&mut bytes).await.expect("a question");
        for answer in answers(&bytes, true, &log, &script) {
            let length = u16::try_from(answer.len()).expect("a short answer");
            // The client may have gone.
            let _ = stream
                .write_all(&[&length.to_be_bytes()[..], &answer].concat())
                .await;
        }
    }
}

fn answers(question: &[u8], over_tcp: bool, log: &Log, script: &Script) -> Vec<Vec<u8>> {
    let question = Message::from_vec(question).expect("a question");
    let query = question.queries.first().expect("a query");
    let (name, kind) = (query.name(), query.query_type());
    let over = if over_tcp { "TCP " } else { "" };
    log.lock()
        .expect("unpoisoned")
        .send_modify(|log| log.push(format!("{over}{kind} {name}")));
    let mut response = Message::response(question.metadata.id, OpCode::Query);
    response.add_query(query.clone());
    let alias = Name::from_ascii("alias.test.").expect("a name");
    let to_alias = Record::from_rdata(name.clone(), TTL, RData::CNAME(CNAME(alias.clone())));
    let of_type = |owner: &Name, addresses: Vec<IpAddr>| {
        let addresses = addresses.into_iter().map(RData::from);
        let addresses = addresses.filter(|data| data.record_type() == kind);
        let records = addresses.map(|data| Record::from_rdata(owner.clone(), TTL, data));
        records.collect::<Vec<_>>()
    };
    let mut forged = Vec::new();
    match script(&name.to_ascii(), kind) {
        Answer::Never => return forged,
        Answer::Code(code) => response.metadata.response_code = code,
        Answer::Addresses(addresses) => {
            response.add_answers(of_type(name, addresses));
        }
        Answer::Alias(addresses) => {
            response.add_answer(to_alias);
            response.add_answers(of_type(&alias, addresses));
        }
        Answer::DeadAlias => {
            response.add_answer(to_alias);
            response.metadata.response_code = ResponseCode::NXDomain;
        }
        Answer::Forged(addresses) => {
            let mut other = response.clone();
            other.add_answers(of_type(name, vec![[10, 6, 6, 6].into()]));
            let mut of_other_name = other.clone();
            of_other_name.queries = vec![Query::query(alias, kind)];
            other.metadata.id = other.metadata.id.wrapping_add(1);
            let [other, of_other_name] =
                [other, of_other_name].map(|answer| answer.to_vec().expect("an answer"));
            forged = vec![other, of_other_name, b"no answer at all".to_vec()];
            response.add_answers(of_type(name, addresses));
        }
        Answer::CutOff(first, all) => {
            response.metadata.truncation = !over_tcp;
            response.add_answers(of_type(name, if over_tcp { all } else { first }));
        }
    }
    forged.push(response.to_vec().expect("an answer"));
    forged
}
