//! TLS to portals: which server certificates are trusted.

use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier,
    client::WebPkiServerVerifier,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::portal::private_trust::{PrivateTrust, Verifier};

/// The largest accepted PEM text, in bytes; all public CAs together have about 220 KiB.
const MAX_PEM: usize = 256 * 1024;

/// Why TLS cannot be set up.
#[derive(Debug, PartialEq, Eq)]
pub enum NoTls {
    /// The PEM text has no certificate, or an unreadable one.
    BadPem,
    /// SSL_CERT_FILE or SSL_CERT_DIR yields no CA certificates, or TLS cannot be set up.
    NoRoots,
}

/// Trusts the platform's CAs, or the program's own if the platform has none.
pub fn public() -> Result<Verifier, NoTls> {
    let of_system = rustls_platform_verifier::Verifier::new(provider());
    chosen(
        of_system.map(|verifier| Arc::new(verifier) as Verifier),
        roots_are_named(),
    )
}

/// Trusts the certificates of this PEM text, and what `public` trusts.
pub fn private(pem: &str, public: Option<Verifier>) -> Result<Verifier, NoTls> {
    if pem.len() > MAX_PEM {
        return Err(NoTls::BadPem);
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let trust = certificates
        .ok()
        .and_then(|certificates| PrivateTrust::new(&certificates, public, provider()));
    Ok(Arc::new(trust.ok_or(NoTls::BadPem)?))
}

/// The configuration of connections; cheap to clone.
pub fn config(verifier: Verifier) -> Result<ClientConfig, NoTls> {
    let mut config = versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The configuration of connections without TLS, which trust nobody: roots cost memory, a slim image may have none.
pub fn unused() -> Result<ClientConfig, NoTls> {
    let roots = RootCertStore::empty();
    Ok(versions()?.with_root_certificates(roots).with_no_client_auth())
}

fn versions() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, NoTls> {
    let builder = ClientConfig::builder_with_provider(provider());
    let versions = builder.with_protocol_versions(rustls::ALL_VERSIONS);
    versions.map_err(|_| NoTls::NoRoots)
}

/// The system's CAs, else those of the program. If the environment names a CA store, there is no fallback, because the
/// user wants that store only.
fn chosen(of_system: Result<Verifier, rustls::Error>, named: bool) -> Result<Verifier, NoTls> {
    match of_system {
        Ok(verifier) => Ok(verifier),
        Err(_) if named => Err(NoTls::NoRoots),
        Err(_) => match WebPkiServerVerifier::builder_with_provider(bundled().into(), provider()).build() {
            Ok(verifier) => Ok(verifier),
            Err(_) => Err(NoTls::NoRoots),
        },
    }
}

/// Whether the environment names a CA store.
fn roots_are_named() -> bool {
    ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// Mozilla's list of public CAs at build time, for images without CAs.
fn bundled() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    roots
}

/// The process's provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    match CryptoProvider::get_default() {
        Some(provider) => provider.clone(),
        None => Arc::new(ring::default_provider()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_own_cas_stand_in_where_the_system_has_none_and_none_were_asked_for() {
        let none = || Err(rustls::Error::General("no roots".into()));
        assert!(chosen(none(), false).is_ok());
        assert!(matches!(chosen(none(), true), Err(NoTls::NoRoots)));
        let of_system: Verifier = WebPkiServerVerifier::builder_with_provider(bundled().into(), provider())
            .build()
            .expect("a verifier");
        for named in [false, true] {
            let used = chosen(Ok(of_system.clone()), named).expect("a verifier");
            assert!(Arc::ptr_eq(&used, &of_system));
        }
        // Each of them can be read: what cannot would be left out without a word.
        assert_eq!(bundled().len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        assert!(bundled().len() > 100);
    }

    #[test]
    fn a_text_without_certificates_or_a_large_one_is_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let open = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for pem in ["", "no certificate", broken, open, &"x".repeat(MAX_PEM + 1)] {
            assert!(matches!(private(pem, None), Err(NoTls::BadPem)), "{pem:.40}");
        }
        assert!(private(include_str!("tests/ca.pem"), None).is_ok());
    }
}
