//! HTTP clients, one for each set of CAs, and the limit of concurrent calls to an address.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use reqwest::{Certificate, Client, redirect::Policy};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::portal::{Address, guard::Guard};

/// The number of clients with private CAs; the least recently used is dropped first. Each also holds the platform's
/// roots, some hundred KiB.
const MAX_PRIVATE: usize = 32;
/// The largest accepted PEM text, in bytes; all public CAs together have about 220 KiB.
const MAX_PEM: usize = 256 * 1024;
/// Connections stay open only for the next calls of the same reconcile, because there may be 10,000 portals.
const IDLE_CONNECTIONS: usize = 2;
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no client.
#[derive(Debug)]
pub enum NoClient {
    /// The PEM text has no certificate, or an unreadable one.
    BadPem,
    /// SSL_CERT_FILE or SSL_CERT_DIR yields no CA certificates, or TLS cannot be set up.
    NoRoots,
}

/// The client that trusts only public CAs.
#[derive(Clone, Debug)]
struct Public {
    client: Client,
    /// The system has no CAs, so the client uses those of the program.
    bundled: bool,
}

/// Creates clients on demand and keeps them.
#[derive(Debug)]
pub struct Clients {
    options: Options,
    plain: Client,
    public: Mutex<Option<Public>>,
    /// By PEM text, the most recently used last.
    private: Mutex<Vec<(String, Client)>>,
}

impl Clients {
    /// Creates the client for http only; the others are created on demand.
    pub fn new(options: Options) -> reqwest::Result<Self> {
        // Without roots: they cost memory, a slim image may have none, and http does not need them.
        let plain = builder(options).tls_certs_only([]).build()?;
        Ok(Self {
            options,
            plain,
            public: Mutex::default(),
            private: Mutex::default(),
        })
    }

    /// The client for this scheme and these certificates.
    pub fn client(&self, https: bool, ca: Option<&str>) -> Result<Client, NoClient> {
        match ca {
            _ if !https => Ok(self.plain.clone()),
            None => self.public().map(|public| public.client),
            Some(pem) => self.private(pem),
        }
    }

    fn public(&self) -> Result<Public, NoClient> {
        let mut public = self.public.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(public) = &*public {
            return Ok(public.clone());
        }
        let of_system = builder(self.options).build();
        let made = Public::new(self.options, of_system, roots_are_named())?;
        Ok(public.insert(made).clone())
    }

    fn private(&self, pem: &str) -> Result<Client, NoClient> {
        let mut private = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = private.iter().position(|(known, _)| known == pem) {
            let used = private.remove(at);
            let client = used.1.clone();
            private.push(used);
            return Ok(client);
        }
        if pem.len() > MAX_PEM {
            return Err(NoClient::BadPem);
        }
        let certificates = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| NoClient::BadPem)?;
        if certificates.is_empty() {
            return Err(NoClient::BadPem);
        }
        let mut builder = builder(self.options).tls_certs_merge(certificates);
        // The other trusted CAs must not depend on the image.
        if self.public().is_ok_and(|public| public.bundled) {
            builder = builder.tls_certs_merge(bundled());
        }
        // Fails only for a bad certificate: with a certificate, missing roots of the platform are no error.
        let client = builder.build().map_err(|_| NoClient::BadPem)?;
        if private.len() >= MAX_PRIVATE {
            private.remove(0);
        }
        private.push((pem.to_owned(), client.clone()));
        Ok(client)
    }
}

impl Public {
    /// The client with the system's CAs, else with those of the program. If the environment names a CA store, there is
    /// no fallback, because the user wants that store only.
    fn new(options: Options, of_system: reqwest::Result<Client>, named: bool) -> Result<Self, NoClient> {
        match of_system {
            Ok(client) => Ok(Self {
                client,
                bundled: false,
            }),
            Err(_) if named => Err(NoClient::NoRoots),
            Err(_) => match builder(options).tls_certs_only(bundled()).build() {
                Ok(client) => Ok(Self {
                    client,
                    bundled: true,
                }),
                Err(_) => Err(NoClient::NoRoots),
            },
        }
    }
}

/// Whether the environment names a CA store.
fn roots_are_named() -> bool {
    ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// Mozilla's list of public CAs at build time, for images without CAs.
fn bundled() -> impl Iterator<Item = Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
}

fn builder(options: Options) -> reqwest::ClientBuilder {
    let builder = Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .dns_resolver(Guard {
            allow_loopback: options.allow_loopback,
        });
    if options.proxy_from_env {
        builder
    } else {
        builder.no_proxy()
    }
}

/// The gates of all addresses in use.
#[derive(Debug, Default)]
pub struct Gates(Arc<Mutex<HashMap<Address, Weak<Gate>>>>);

impl Gates {
    /// The shared gate of this address.
    pub fn gate(&self, address: &Address) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(address).and_then(Weak::upgrade) {
            return gate;
        }
        let gate = Arc::new(Gate {
            address: address.clone(),
            permits: Semaphore::new(CALLS_PER_ADDRESS),
            gates: Arc::downgrade(&self.0),
        });
        gates.insert(address.clone(), Arc::downgrade(&gate));
        gate
    }
}

/// Limits concurrent calls to one address to [`CALLS_PER_ADDRESS`].
#[derive(Debug)]
pub struct Gate {
    address: Address,
    permits: Semaphore,
    gates: Weak<Mutex<HashMap<Address, Weak<Gate>>>>,
}

impl Gate {
    /// Waits for a place. Needs no time-out, because the calls before each have one.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.permits.acquire().await.ok()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let Some(gates) = self.gates.upgrade() else { return };
        let mut gates = gates.lock().unwrap_or_else(PoisonError::into_inner);
        // A new gate may have replaced this one meanwhile.
        if gates
            .get(&self.address)
            .is_some_and(|gate| gate.strong_count() == 0)
        {
            gates.remove(&self.address);
        }
    }
}

/// A host that does not accept a connection within this time will hardly do so later; nothing was sent yet.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Concurrent calls to one URL and Host. DocSpace's own limit is 15 concurrent writes of a user (trap 16).
pub const CALLS_PER_ADDRESS: usize = 4;

/// How portals may be reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Allow 127.0.0.0/8 and ::1, for tests and demos. Default: refused.
    pub allow_loopback: bool,
    /// Use the proxies in HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY. Default: ignored. A proxy resolves names
    /// itself, so only literal addresses are checked then. The proxy's own name is checked, too: write a loopback proxy
    /// as 127.0.0.1, or set `allow_loopback`.
    pub proxy_from_env: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_shared_while_it_is_used_and_forgotten_after() {
        let gates = Gates::default();
        let address = |url| Address::parse(url, None).expect("an address");
        let one = gates.gate(&address("https://one"));
        assert!(Arc::ptr_eq(&one, &gates.gate(&address("https://one/"))));
        assert!(!Arc::ptr_eq(&one, &gates.gate(&address("https://two"))));
        let known = || gates.0.lock().expect("unpoisoned").len();
        assert_eq!(known(), 1);
        drop(one);
        assert_eq!(known(), 0);
    }

    #[test]
    fn the_programs_own_cas_stand_in_where_the_system_has_none_and_none_were_asked_for() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = Options::default();
        let made = |of_system, named| Public::new(options, of_system, named).map(|public| public.bundled);
        let no_store = || Client::builder().user_agent("no\nheader").build();
        assert!(matches!(made(no_store(), false), Ok(true)));
        assert!(matches!(made(no_store(), true), Err(NoClient::NoRoots)));
        assert!(matches!(made(builder(options).build(), false), Ok(false)));
        // Each of them can be read: what cannot would be left out without a word.
        assert_eq!(bundled().count(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        assert!(bundled().count() > 100);
    }

    #[test]
    fn private_cas_share_clients_and_are_few() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Clients::new(Options::default()).expect("a client");
        let kept = || -> Vec<String> {
            let private = clients.private.lock().expect("unpoisoned");
            private.iter().map(|(pem, _)| pem.clone()).collect()
        };
        let pem = |number: usize| format!("CA {number}\n{}", include_str!("tests/ca.pem"));
        for number in (0..MAX_PRIVATE).chain([0, MAX_PRIVATE]) {
            clients.client(true, Some(&pem(number))).expect("a client");
        }
        // 1 was used before all others that are kept.
        let expected: Vec<_> = (2..MAX_PRIVATE).chain([0, MAX_PRIVATE]).map(pem).collect();
        assert_eq!(kept(), expected);
        clients
            .client(false, Some("not read for http"))
            .expect("a client");
        assert!(clients.client(true, Some(&"x".repeat(MAX_PEM + 1))).is_err());
    }
}
