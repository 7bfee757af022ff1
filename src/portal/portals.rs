//! Creates portal clients.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, zeroize::Zeroizing};

use crate::{
    lease::Leadership,
    portal::{
        Access, Failure, Options, Portal, PortalError,
        body::Room,
        guard::Guard,
        http_clients::{Clients, Gates},
        metrics::Metrics,
        redact::Secrets,
        tls::NoTls,
        transport,
    },
    secret::SharedSecret,
};

/// Creates portal clients; one instance for the process, cheap to clone.
#[derive(Clone, Debug)]
pub struct Portals(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    leadership: Leadership,
    clients: Clients,
    gates: Gates,
    room: Room,
    metrics: Metrics,
}

impl Portals {
    /// Sets up the client. TLS uses ring, installed for the process unless another provider is.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(options: Options) -> reqwest::Result<Self> {
        Self::written_by(options, Leadership::always())
    }

    /// The same, with calls only while this process leads.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn written_by(options: Options, leadership: Leadership) -> reqwest::Result<Self> {
        // An error means that a provider is already installed, which is sufficient.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = Clients::new(options)?;
        Ok(Self(Arc::new(Inner {
            options,
            leadership,
            clients,
            gates: Gates::default(),
            room: Room::default(),
            metrics: Metrics::default(),
        })))
    }

    /// Registers the metrics of calls: number, result and duration.
    pub fn register(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }

    /// A portal client; makes no call itself. For https it trusts the platform's CAs (the program's own if there are
    /// none) and those of `ca` (PEM), and a server whose own certificate is in `ca`, whatever names that has.
    ///
    /// # Errors
    /// [`Failure::AddressNotAllowed`] for an address that is never a portal; [`Failure::SecretInvalid`] for a key that
    /// no header can carry, or a `ca` without readable certificates; [`Failure::Tls`] if SSL_CERT_FILE or SSL_CERT_DIR
    /// yields no CAs.
    pub fn portal(&self, access: &Access) -> Result<Portal, PortalError> {
        let Access {
            namespace,
            address,
            key,
            ca,
        } = access;
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
                "the API key is empty or contains characters that cannot be sent (line ends, non-ASCII); write the Secret of \
                 portal.apiKeySecretRef again",
            );
        };
        let connections = match self
            .0
            .clients
            .connections(address.url().scheme() == "https", ca.as_ref())
        {
            Ok(connections) => connections,
            Err(NoTls::BadPem) => {
                return refuse(
                    Failure::SecretInvalid,
                    "the CA is not a list of PEM certificates of at most 256 KiB; correct the Secret of portal.caSecretRef",
                );
            }
            Err(NoTls::NoRoots) => {
                return refuse(
                    Failure::Tls,
                    "no secure connection: the operator's SSL_CERT_FILE or SSL_CERT_DIR yields no CA certificates; correct it",
                );
            }
        };
        let gate = self.0.gates.gate(address);
        let secrets = Secrets::of_key(key);
        Ok(Portal {
            namespace: namespace.clone(),
            address: address.clone(),
            authorization,
            connections: connections.for_one_reconcile(),
            gate,
            room: self.0.room.clone(),
            leadership: self.0.leadership.clone(),
            secrets,
            metrics: self.0.metrics.clone(),
            time_limit: None,
        })
    }
}

/// `Bearer`, one blank, and the key or token (trap 13).
fn authorization(key: &SharedSecret) -> Option<HeaderValue> {
    let key = key.expose_secret();
    if key.is_empty() || !key.is_ascii() {
        return None;
    }
    let text = Zeroizing::new(format!("Bearer {key}"));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
