//! A CA created for the test, and a certificate from it, or another one.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
        sign::{CertifiedKey, SingleCertAndKey},
        version::{TLS12, TLS13},
    },
};

/// The kind of certificate that a server over TLS presents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// From a CA created for the test.
    #[default]
    OfAuthority,
    /// From an intermediate CA, which the server does not send.
    OfHiddenIntermediate,
    /// From the CA, for clients only.
    OfClient,
    /// Its own issuer, and marked as a CA, as `openssl req -x509` makes it.
    SelfSigned,
    /// The same, expired.
    Expired,
    /// The same, valid in the far future only.
    Future,
    /// The same, presented by a server that does not have its key.
    Stolen,
    /// Of X.509 version 1, its own issuer, for old.example.com whatever names are wanted.
    VersionOne,
}

/// The server's TLS configuration, and the certificate to trust as PEM.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
}

/// A certificate with its key, and the certificate to trust as PEM.
struct Made {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    trusted: String,
}

impl Tls {
    /// Creates a certificate for these names, and what it needs.
    pub(crate) fn new(names: &[String], kind: Certificate, only_tls12: bool) -> Self {
        let made = match kind {
            Certificate::OfAuthority => of_authority(names, None, false),
            Certificate::OfClient => of_authority(names, Some(ExtendedKeyUsagePurpose::ClientAuth), false),
            Certificate::OfHiddenIntermediate => of_authority(names, None, true),
            Certificate::VersionOne => version_one(),
            of_itself => self_signed(names, of_itself),
        };
        let versions = if only_tls12 {
            &[&TLS12][..]
        } else {
            &[&TLS13, &TLS12]
        };
        let provider = Arc::new(ring::default_provider());
        let key = provider.key_provider.load_private_key(made.key).expect("a key");
        // Without the checks of `with_single_cert`, which also reads the certificate.
        let identity = CertifiedKey::new(vec![made.certificate], key);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("protocol versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            ca_pem: made.trusted,
        }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn serialized(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn authority(name: &str) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, name);
    authority
}

fn of_authority(names: &[String], purpose: Option<ExtendedKeyUsagePurpose>, by_intermediate: bool) -> Made {
    let params = authority("Simulated portal's authority");
    let authority_key = key();
    let trusted = params.self_signed(&authority_key).expect("an authority").pem();
    let issuer = if by_intermediate {
        // Its own certificate is never sent.
        Issuer::new(authority("Simulated portal's intermediate"), key())
    } else {
        Issuer::new(params, authority_key)
    };
    let server_key = key();
    let mut certificate = CertificateParams::new(names).expect("names of hosts");
    certificate.extended_key_usages = purpose.into_iter().collect();
    Made {
        certificate: certificate
            .signed_by(&server_key, &issuer)
            .expect("a certificate")
            .into(),
        key: serialized(&server_key),
        trusted,
    }
}

fn self_signed(names: &[String], kind: Certificate) -> Made {
    let server_key = key();
    let mut certificate = CertificateParams::new(names).expect("names of hosts");
    certificate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    match kind {
        Certificate::Expired => certificate.not_after = date_time_ymd(2020, 1, 1),
        Certificate::Future => certificate.not_before = date_time_ymd(2100, 1, 1),
        _ => {}
    }
    let certificate = certificate.self_signed(&server_key).expect("a certificate");
    let held = if kind == Certificate::Stolen {
        key()
    } else {
        server_key
    };
    Made {
        trusted: certificate.pem(),
        certificate: certificate.into(),
        key: serialized(&held),
    }
}

fn version_one() -> Made {
    let pem = include_str!("version_one.pem");
    let certificate = pem.find("-----BEGIN PRIVATE KEY").map_or(pem, |end| &pem[..end]);
    Made {
        certificate: CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate"),
        key: PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key"),
        trusted: certificate.to_owned(),
    }
}
