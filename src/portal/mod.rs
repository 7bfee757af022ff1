//! The DocSpace client: one call, one classified answer.
//!
//! 1. [`Address`] says where a portal is; `guard` keeps addresses out that are never one.
//! 2. [`Portals`] gives a [`Portal`] for an address, a key and a CA, without a call.
//! 3. A call (`session`) waits for its place (`clients`), sends and reads (`transport`), tells DocSpace's answers from
//!    others (`shape`, `answer`), and reads what it asked for (`parse`).
//! 4. What went wrong is a [`PortalError`] with a [`Failure`] out of a closed set.
//!
//! Nothing is retried here, and no redirect is followed.

mod access;
mod address;
mod answer;
mod call;
mod client;
mod failure;
mod guard;
mod http_clients;
mod metrics;
mod model;
mod parse;
mod portals;
mod redact;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod transport;

pub use crate::portal::{
    access::Access,
    address::{Address, InvalidAddress},
    call::{READ_TIMEOUT, WRITE_TIMEOUT},
    client::Portal,
    failure::{Failure, PortalError},
    http_clients::{CALLS_PER_ADDRESS, CONNECT_TIMEOUT, Options},
    metrics::Outcome,
    model::{Action, Answer, Archive, AuditEvent, Expiry, KeyInfo, Progress, Settings},
    portals::Portals,
    text::prefix,
};
