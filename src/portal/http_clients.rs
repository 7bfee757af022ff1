//! HTTP clients, one for each set of CAs, and the limit of concurrent calls to an address.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use reqwest::{Client, redirect::Policy};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

use crate::{
    portal::{
        Address, Ca,
        ca::CaId,
        connections::Connections,
        guard::Guard,
        names::Names,
        private_trust::Verifier,
        tls::{self, NoTls},
    },
    shares::{Share, Shares},
};

/// The number of private CAs whose connections are kept; the least recently used is dropped first. That costs its next
/// use some milliseconds at most, so it does not matter whose it is.
const MAX_PRIVATE: usize = 32;
/// What stays open for the next calls of a reconcile.
const IDLE_CONNECTIONS: usize = 2;
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Connections that trust only public CAs, and the verifier that all others share.
#[derive(Clone, Debug)]
struct Public {
    connections: Connections,
    verifier: Verifier,
}

/// Creates clients on demand and keeps them.
#[derive(Debug)]
pub struct Clients {
    options: Options,
    names: Names,
    plain: Connections,
    public: Mutex<Option<Public>>,
    /// The most recently used last.
    private: Mutex<Vec<(CaId, Connections)>>,
}

impl Clients {
    /// Creates the clients for http only; the others are created on demand.
    pub fn new(options: Options) -> reqwest::Result<Self> {
        let names = Names::new(Guard {
            allow_loopback: options.allow_loopback,
        });
        let (of_plain, tls) = (names.clone(), tls::unused().ok());
        let plain = Connections::new(move || {
            let builder = builder(options, &of_plain);
            match &tls {
                // Made once: to make one costs as much as several calls.
                Some(tls) => builder.tls_backend_preconfigured(tls.clone()),
                None => builder.tls_certs_only([]),
            }
        })?;
        Ok(Self {
            options,
            names,
            plain,
            public: Mutex::default(),
            private: Mutex::default(),
        })
    }

    /// The connections for this scheme and these certificates.
    pub fn connections(&self, https: bool, ca: Option<&Ca>) -> Result<Connections, NoTls> {
        match ca {
            _ if !https => Ok(self.plain.clone()),
            None => self.public().map(|public| public.connections),
            Some(ca) => self.private(ca),
        }
    }

    fn public(&self) -> Result<Public, NoTls> {
        let mut public = self.public.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(public) = &*public {
            return Ok(public.clone());
        }
        let verifier = tls::public()?;
        let connections = self.over_tls(verifier.clone())?;
        Ok(public
            .insert(Public {
                connections,
                verifier,
            })
            .clone())
    }

    fn private(&self, ca: &Ca) -> Result<Connections, NoTls> {
        if let Some(known) = self.known(ca) {
            return Ok(known);
        }
        // Not under the lock: a large CA takes milliseconds. One works also where there are no public ones.
        let public = self.public().ok().map(|public| public.verifier);
        let connections = self.over_tls(tls::private(ca.pem(), public)?)?;
        let mut private = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        private.retain(|(id, _)| id.is_used());
        if private.len() >= MAX_PRIVATE {
            private.remove(0);
        }
        private.push((ca.id(), connections.clone()));
        Ok(connections)
    }

    /// The connections of this CA, if they are kept.
    fn known(&self, ca: &Ca) -> Option<Connections> {
        let mut private = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        let at = private.iter().position(|(id, _)| id.is(ca))?;
        let used = private.remove(at);
        let connections = used.1.clone();
        private.push(used);
        Some(connections)
    }

    fn over_tls(&self, verifier: Verifier) -> Result<Connections, NoTls> {
        let (config, options, names) = (tls::config(verifier)?, self.options, self.names.clone());
        Connections::new(move || builder(options, &names).tls_backend_preconfigured(config.clone()))
            .map_err(|_| NoTls::NoRoots)
    }
}

fn builder(options: Options, names: &Names) -> reqwest::ClientBuilder {
    let builder = Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .http1_max_headers(MAX_HEADERS)
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .dns_resolver(names.clone());
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
            places: Shares::new(CALLS_PER_ADDRESS, CALLS_OF_ONE),
            gates: Arc::downgrade(&self.0),
        });
        gates.insert(address.clone(), Arc::downgrade(&gate));
        gate
    }
}

/// Limits concurrent calls to one address to [`CALLS_PER_ADDRESS`], in a fair order of namespaces. A call that was given
/// up counts until its time limit, because the portal may still work on it.
#[derive(Debug)]
pub struct Gate {
    address: Address,
    places: Shares,
    gates: Weak<Mutex<HashMap<Address, Weak<Gate>>>>,
}

impl Gate {
    /// Waits for a place for a call of this namespace that takes at most `limit`. Needs no time-out, because the calls
    /// before each have one.
    pub async fn enter(self: &Arc<Self>, namespace: &str, limit: Duration) -> Place {
        let share = self.places.acquire(namespace, 1).await;
        Place {
            held: Some((share, self.clone())),
            until: Instant::now() + limit,
        }
    }
}

/// A call's place at its gate, which stays the gate of the address as long.
#[must_use]
pub struct Place {
    held: Option<(Share, Arc<Gate>)>,
    until: Instant,
}

impl Place {
    /// The call has ended.
    pub fn leave(mut self) {
        self.held = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some(held), Ok(runtime)) = (self.held.take(), Handle::try_current()) {
            let until = self.until;
            runtime.spawn(async move {
                sleep_until(until).await;
                drop(held);
            });
        }
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

/// Most header fields of an answer; DocSpace and a proxy in front of it send some 20.
const MAX_HEADERS: usize = 64;

/// Concurrent calls to one URL and Host. DocSpace's own limit is 15 concurrent writes of a user (trap 16).
pub const CALLS_PER_ADDRESS: usize = 4;
/// As many of one namespace. One place is left for others, because calls that were given up hold theirs for long.
pub const CALLS_OF_ONE: usize = 3;

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
    fn private_cas_share_clients_and_are_few() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Clients::new(Options::default()).expect("a client");
        let mut cas: Vec<_> = (0..=MAX_PRIVATE)
            .map(|_| Ca::from(include_str!("tests/ca.pem")))
            .collect();
        let kept = |cas: &[Ca]| -> Vec<usize> {
            let private = clients.private.lock().expect("unpoisoned");
            let number = |id: &CaId| cas.iter().position(|ca| id.is(ca));
            private.iter().filter_map(|(id, _)| number(id)).collect()
        };
        let use_ca = |ca: &Ca| clients.connections(true, Some(ca)).map(drop);
        for number in (0..MAX_PRIVATE).chain([0, MAX_PRIVATE]) {
            use_ca(&cas[number].clone()).expect("connections");
        }
        // 1 was used before all others that are kept.
        let expected: Vec<_> = (2..MAX_PRIVATE).chain([0, MAX_PRIVATE]).collect();
        assert_eq!(kept(&cas), expected);
        clients
            .connections(false, Some(&"not read for http".into()))
            .expect("connections");
        assert!(use_ca(&"no PEM".into()).is_err());

        // Those that nobody uses go first.
        cas.truncate(4);
        use_ca(&cas[1]).expect("connections");
        assert_eq!(kept(&cas), [2, 3, 0, 1]);
        assert_eq!(clients.private.lock().expect("unpoisoned").len(), 4);
    }
}
