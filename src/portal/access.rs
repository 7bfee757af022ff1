//! Everything needed to call a portal.

use std::sync::Arc;

use crate::{
    portal::{Address, Ca},
    secret::SharedSecret,
};

/// Everything needed to call a portal; its clones share the secrets.
#[derive(Clone, Debug)]
pub struct Access {
    /// The namespace of the object that calls it, which shares its limits.
    pub namespace: Arc<str>,
    /// Where it is.
    pub address: Address,
    /// The API key or token.
    pub key: SharedSecret,
    /// Certificates (PEM) of a private CA, or the server's own.
    pub ca: Option<Ca>,
}
