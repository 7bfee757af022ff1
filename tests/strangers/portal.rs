//! A portal that answers as a script says: on loopback, with one task for each connection.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::body::Bytes;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

/// No connection lives longer.
const LONGEST: Duration = Duration::from_secs(90);
/// The longest head of a request.
const LONGEST_HEAD: usize = 64 * 1024;

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The last word of its path: `getbackupschedule`, `settings`, `@self`.
    pub call: String,
    /// Its query.
    pub query: String,
    /// Its Host header.
    pub host: String,
}

/// What follows a request.
pub enum Deed {
    /// The answer of a DocSpace that holds the schedule of [`harness::nightly`] and has no archives.
    Honest,
    /// The answer of a DocSpace that has nothing of what is asked for.
    Nothing,
    /// These bytes.
    Answer(Bytes),
    /// These bytes, and then nothing more.
    Stall(Bytes),
}

/// The portal; it ends when this is dropped.
pub struct Portal {
    address: SocketAddr,
    asked: watch::Receiver<HashMap<String, usize>>,
    _task: AbortOnDropHandle<()>,
}

impl Portal {
    /// Starts a portal with this script.
    pub async fn start(script: impl Fn(&Ask) -> Deed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (count, asked) = watch::channel(HashMap::new());
        let shared = Arc::new((script, count));
        let task = tokio::spawn(async move {
            // They end with the task.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        let shared = shared.clone();
                        connections.spawn(timeout(LONGEST, async move {
                            let (script, count) = &*shared;
                            serve(stream, script, count).await;
                        }));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self {
            address,
            asked,
            _task: AbortOnDropHandle::new(task),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often it was asked for this.
    pub fn count(&self, call: &str) -> usize {
        self.asked.borrow().get(call).copied().unwrap_or_default()
    }

    /// Waits until it was asked for this that many times.
    pub async fn asked(&self, call: &str, times: usize) {
        let mut asked = self.asked.clone();
        let enough = |asked: &HashMap<String, usize>| asked.get(call).is_some_and(|count| *count >= times);
        // It ends with this.
        let _ = asked.wait_for(enough).await;
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &(impl Fn(&Ask) -> Deed + Send + Sync),
    count: &watch::Sender<HashMap<String, usize>>,
) {
    let _ = stream.set_nodelay(true);
    let mut head = Vec::new();
    while let Some(ask) = read(&mut stream, &mut head).await {
        count.send_modify(|asked| *asked.entry(ask.call.clone()).or_default() += 1);
        let answer = match script(&ask) {
            Deed::Honest => honest(&ask),
            Deed::Nothing => nothing(),
            Deed::Answer(answer) => answer,
            Deed::Stall(begun) => {
                let _ = stream.write_all(&begun).await;
                // Until the other side closes.
                let _ = stream.read(&mut [0]).await;
                return;
            }
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The next request, which has no body.
async fn read(stream: &mut TcpStream, head: &mut Vec<u8>) -> Option<Ask> {
    head.clear();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > LONGEST_HEAD || stream.read_buf(head).await.ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8_lossy(head);
    let target = text.split(' ').nth(1)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| {
        let value = text.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        });
        value.unwrap_or_default().to_owned()
    };
    Some(Ask {
        call: path.rsplit('/').next().unwrap_or_default().to_owned(),
        query: query.to_owned(),
        host: header("host"),
    })
}

/// What DocSpace would answer.
fn honest(ask: &Ask) -> Bytes {
    let response = match ask.call.as_str() {
        "getbackupschedule" => schedule(),
        "settings" => json!({
            "timezone": "UTC", "version": "3.1.0", "standalone": true, "tenantAlias": "localhost",
            "baseDomain": "localhost",
        }),
        "@self" => json!({
            "id": format!("id of {}", ask.host), "name": "key", "permissions": ["*"], "isActive": true,
        }),
        "getbackuphistory" | "filter" => json!([]),
        _ => return nothing(),
    };
    success(&response.to_string())
}

fn nothing() -> Bytes {
    body(r#"{"count":0,"links":[],"status":0,"statusCode":200}"#)
}

/// The schedule of [`harness::nightly`].
pub fn schedule() -> Value {
    json!({
        "storageType": 5, "storageParams": {"module": "s3", "bucket": "backups"},
        "cronParams": {"period": 0, "hour": 3, "day": 0}, "backupsStored": 7, "lastBackupTime": null, "dump": false,
    })
}

/// A successful answer with this response.
pub fn success(response: &str) -> Bytes {
    body(&format!(
        r#"{{"count":1,"links":[],"status":0,"statusCode":200,"response":{response}}}"#
    ))
}

/// Status 200 and this body.
pub fn body(body: &str) -> Bytes {
    format!("{}{body}", head(body.len())).into()
}

/// The head of an answer with status 200 and a body of this length.
pub fn head(length: usize) -> String {
    let date = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&Timestamp::now())
        .expect("this year has four digits");
    format!(
        "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\r\n"
    )
}
