//! What it takes to speak to a portal.

use secrecy::SecretString;

use crate::portal::Address;

/// What is needed to speak to a portal.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where it is.
    pub address: Address,
    /// As whom to speak.
    pub key: SecretString,
    /// Certificates (PEM) of a private CA.
    pub ca: Option<String>,
}
