//! The DocSpace client: one call, one classified answer.
//!
//! 1. [`Address`] is the address of a portal. [`AllowedOrigin`] says where Secrets may go, `names` looks names up, and
//!    `guard` refuses addresses that are never a portal.
//! 2. [`Portals`] creates a [`Portal`] for an [`Access`], without a call.
//! 3. A call (`client`) waits for its turn (`http_clients`), sends and reads (`transport`) over a connection (`connections`,
//!    `tls`), classifies the answer (`shape`, `answer`), and reads its data (`parse`, `model`).
//! 4. An error is a [`PortalError`] with a [`Failure`] from a closed set.
//!
//! This module follows no redirects, and repeats a call only if a kept connection turns out to be closed.

mod access;
mod address;
mod answer;
mod body;
mod ca;
mod call;
mod client;
mod connections;
mod failure;
mod guard;
mod http_clients;
mod json;
mod metrics;
mod model;
mod names;
mod origin;
mod parse;
mod pin;
mod portals;
mod private_trust;
mod redact;
mod search;
mod shape;
#[cfg(test)]
mod tests;
mod tls;
mod tls_trouble;
mod transport;

pub use crate::portal::{
    access::Access,
    address::{Address, InvalidAddress},
    ca::{Ca, Cas, MOST_CAS_OF_NAMESPACE},
    call::{READ_TIMEOUT, WRITE_TIMEOUT},
    client::Portal,
    failure::{Failure, PortalError},
    http_clients::{CALLS_PER_ADDRESS, CONNECT_TIMEOUT, Options},
    metrics::CallResult,
    model::{
        Answer, Archive, AuditAction, AuditEvent, Credential, Expiry, KeyInfo, PLAUSIBLE, PortalSettings,
        Progress,
    },
    origin::{AllowedOrigin, InvalidOrigin},
    portals::Portals,
    redact::{Redactor, Secrets, Unread},
};
