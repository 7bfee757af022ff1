//! The DocSpace client: one call, one classified answer.
//!
//! 1. [`Address`] says where a portal is; `guard` keeps addresses out that are never one.
//! 2. [`Portals`] gives a [`Portal`] for an address, a key and a CA, without a call.
//! 3. A call waits for its place (`clients`), sends and reads (`transport`), tells DocSpace's answers from others
//!    (`answer`), and reads what it asked for (`parse`).
//! 4. What went wrong is a [`PortalError`] with a [`Failure`] out of a closed set.
//!
//! Nothing is retried here, and no redirect is followed.

mod address;
mod answer;
mod call;
mod clients;
mod failure;
mod guard;
mod parse;
#[cfg(test)]
mod tests;
mod text;
mod transport;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use reqwest::{
    Body, Client, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

pub use self::{
    address::{Address, InvalidAddress},
    failure::{Failure, PortalError},
    parse::{Archive, KeyInfo, Progress, Settings},
};
use self::{
    answer::{Content, Refusal, classify},
    call::{Call, create_body},
    clients::{Clients, Gate, Gates, NoClient},
    guard::Guard,
    text::Secrets,
    transport::{Head, exchange},
};
use crate::schedule::{Held, Schedule};

/// A host that does not answer a connection request within this time will hardly do so later; nothing was sent yet.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Reads are repeated anyway, and a database that is down makes them hang for minutes (R 376).
pub const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Longer than for reads, because a write that is given up has an unknown outcome; not DocSpace's 327 s (R 376) nor
/// its router's 60 s (trap 17), because the slot stays locked meanwhile.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Calls that go to one URL and Host at a time; DocSpace's own limit is 15 writes at once for a user (trap 16).
pub const CALLS_PER_ADDRESS: usize = 4;

/// How portals may be reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Allow 127.0.0.0/8 and ::1, for tests and demos. Default: refused.
    pub allow_loopback: bool,
    /// Use the proxies that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name. Default: these are ignored. A proxy
    /// resolves names itself, so behind one only literal addresses are checked. The proxy's own name is checked, too:
    /// one at loopback must be written as 127.0.0.1, or `allow_loopback` be set.
    pub proxy_from_env: bool,
}

/// Gives portals; one for the process, cheap to clone.
#[derive(Clone, Debug)]
pub struct Portals(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    clients: Clients,
    gates: Gates,
}

impl Portals {
    /// Sets up the client. TLS uses ring, installed for the process unless another provider is.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(options: Options) -> reqwest::Result<Self> {
        // An error means that one is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Clients::new(options)?;
        Ok(Self(Arc::new(Inner {
            options,
            clients,
            gates: Gates::default(),
        })))
    }

    /// A portal to call; makes no call itself. For https, the platform's CAs are trusted, and those of `ca` (PEM).
    ///
    /// # Errors
    /// [`Failure::AddressNotAllowed`] for an address that is never a portal; [`Failure::SecretInvalid`] for a key that
    /// no header can carry, or a `ca` without readable certificates; [`Failure::Tls`] when the system has no CAs.
    pub fn portal(
        &self,
        address: &Address,
        key: &SecretString,
        ca: Option<&str>,
    ) -> Result<Portal, PortalError> {
        let refuse = |failure, text: &str| {
            let message = format!("{address}: {text}");
            Err(PortalError {
                failure,
                status: None,
                message,
                date: None,
                retry_after: None,
            })
        };
        let guard = Guard {
            allow_loopback: self.0.options.allow_loopback,
        };
        if !guard.allows_host(address.host()) {
            return refuse(Failure::AddressNotAllowed, transport::NOT_ALLOWED);
        }
        let Some(authorization) = authorization(key) else {
            return refuse(
                Failure::SecretInvalid,
                "the API key is empty, or holds characters that cannot be sent (line ends, others than ASCII)",
            );
        };
        let client = match self.0.clients.client(address.url().scheme() == "https", ca) {
            Ok(client) => client,
            Err(NoClient::BadPem) => {
                return refuse(
                    Failure::SecretInvalid,
                    "the CA is not a list of PEM certificates of up to 256 KiB",
                );
            }
            Err(NoClient::NoRoots) => {
                return refuse(
                    Failure::Tls,
                    "no secure connection: the operator's system has no CA certificates",
                );
            }
        };
        let gate = self.0.gates.gate(address);
        let secrets = Secrets::of_key(key);
        Ok(Portal {
            address: address.clone(),
            authorization,
            client,
            gate,
            secrets,
            time_limit: None,
        })
    }
}

/// `Bearer`, one blank, and the key or token (trap 13).
fn authorization(key: &SecretString) -> Option<HeaderValue> {
    let key = key.expose_secret();
    if key.is_empty() {
        return None;
    }
    let text = Zeroizing::new(format!("Bearer {key}"));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A portal, spoken to with one key; cheap to clone. At most [`CALLS_PER_ADDRESS`] calls to its address go at a time.
#[derive(Clone, Debug)]
pub struct Portal {
    address: Address,
    authorization: HeaderValue,
    client: Client,
    gate: Arc<Gate>,
    secrets: Secrets,
    /// In place of a call's own.
    time_limit: Option<Duration>,
}

/// What a portal answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// The portal's clock: its Date header.
    pub date: Option<Timestamp>,
}

/// A call that failed fails with a [`PortalError`]; the failures are listed at [`Failure`].
impl Portal {
    /// The schedule that the portal holds for this dump value; `None` when DocSpace itself says that there is none.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn schedule(&self, dump: bool) -> Result<Answer<Option<Held>>, PortalError> {
        self.get(Call::Schedule, Some(dump), parse::schedule).await
    }

    /// Writes the schedule, in place of one that the portal holds for its dump value.
    ///
    /// # Errors
    /// See [`Failure::is_definite_for_a_write`].
    pub async fn create_schedule(&self, schedule: &Schedule) -> Result<Answer<()>, PortalError> {
        let secrets = self.secrets.and_of(schedule);
        let body = Some(create_body(schedule));
        self.call(Call::Create, None, body, &secrets, parse::done).await
    }

    /// Deletes the schedule for this dump value; succeeds also when there is none (R 215).
    ///
    /// # Errors
    /// See [`Failure::is_definite_for_a_write`].
    pub async fn delete_schedule(&self, dump: bool) -> Result<Answer<()>, PortalError> {
        self.get(Call::Delete, Some(dump), parse::done).await
    }

    /// The archives that the portal lists, in no order. Asking strikes those from its books whose file it cannot see.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn history(&self, dump: bool) -> Result<Answer<Vec<Archive>>, PortalError> {
        self.get(Call::History, Some(dump), parse::history).await
    }

    /// The running or last run; `None` when the portal knows of none since its restart.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn progress(&self, dump: bool) -> Result<Answer<Option<Progress>>, PortalError> {
        self.get(Call::Progress, Some(dump), |content| {
            parse::progress(content, &self.secrets)
        })
        .await
    }

    /// The portal's settings. An answer says nothing about the key: without a good one, there are fewer settings.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::KeyNotAllowed`] says nothing about the portal's state either (R 814).
    pub async fn settings(&self) -> Result<Answer<Settings>, PortalError> {
        self.get(Call::Settings, None, parse::settings).await
    }

    /// What the portal says of the key; `None` when it is a session token, which fails as no other call does (R 429).
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn key(&self) -> Result<Answer<Option<KeyInfo>>, PortalError> {
        self.get(Call::Key, None, parse::key).await
    }

    async fn get<T>(
        &self,
        call: Call,
        dump: Option<bool>,
        read: impl FnOnce(Content) -> Result<T, Refusal>,
    ) -> Result<Answer<T>, PortalError> {
        self.call(call, dump, None, &self.secrets, read).await
    }

    async fn call<T>(
        &self,
        call: Call,
        dump: Option<bool>,
        body: Option<Vec<u8>>,
        secrets: &Secrets,
        read: impl FnOnce(Content) -> Result<T, Refusal>,
    ) -> Result<Answer<T>, PortalError> {
        let request = self.request(call, dump, body);
        let _place = self.gate.enter().await;
        let (head, reply) = exchange(&self.client, request, call.max_body()).await;
        let value = reply
            .and_then(|reply| classify(call, &reply, secrets))
            .and_then(read);
        match value {
            Ok(value) => Ok(Answer {
                value,
                date: head.date,
            }),
            Err(refusal) => Err(self.error(head, &refusal, secrets)),
        }
    }

    fn request(&self, call: Call, dump: Option<bool>, body: Option<Vec<u8>>) -> Request {
        let mut request = Request::new(call.method(), self.address.call(call.path(), dump));
        *request.timeout_mut() = Some(self.time_limit.unwrap_or(call.timeout()));
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // An address holds none that is no header value.
        if let Some(host) = self
            .address
            .host_header()
            .and_then(|host| HeaderValue::from_str(host).ok())
        {
            headers.insert(HOST, host);
        }
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Body::from(body));
        }
        request
    }

    fn error(&self, head: Head, refusal: &Refusal, secrets: &Secrets) -> PortalError {
        PortalError {
            failure: refusal.failure,
            status: head.status,
            message: format!("{}: {}", self.address, secrets.hide(&refusal.text)),
            date: head.date,
            retry_after: head.retry_after,
        }
    }
}
