//! Everything needed to call a portal.

use secrecy::SecretString;

use crate::portal::Address;

/// Everything needed to call a portal.
#[derive(Clone, Debug)]
pub struct Access {
    /// The namespace of the object that calls it, which shares its limits.
    pub namespace: String,
    /// Where it is.
    pub address: Address,
    /// The API key or token.
    pub key: SecretString,
    /// Certificates (PEM) of a private CA, or the server's own.
    pub ca: Option<String>,
}
