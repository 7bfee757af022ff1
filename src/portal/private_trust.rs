//! The certificates of `portal.caSecretRef`: CAs, or the server's own certificate.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// Decides whether a server's certificate is trusted. Holds some hundred KiB of CAs; shared.
pub type Verifier = Arc<dyn ServerCertVerifier>;

/// Trusts what a list of certificates and the public CAs trust.
#[derive(Debug)]
pub struct PrivateTrust {
    cas: Arc<WebPkiServerVerifier>,
    public: Option<Verifier>,
}

impl PrivateTrust {
    /// `None` if there is no certificate, or one cannot be read.
    pub fn new(
        certificates: &[CertificateDer<'_>],
        public: Option<Verifier>,
        provider: Arc<CryptoProvider>,
    ) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate.clone().into_owned()).ok()?;
        }
        let cas = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .ok()?;
        Some(Self { cas, public })
    }
}

impl ServerCertVerifier for PrivateTrust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .cas
            .verify_server_cert(certificate, intermediates, name, ocsp, now);
        let (Err(error), Some(public)) = (&verified, &self.public) else {
            return verified;
        };
        match public.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The more telling error of the two.
            Err(_) if *error != Error::InvalidCertificate(CertificateError::UnknownIssuer) => verified,
            of_public => of_public,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.cas.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.cas.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.cas.supported_verify_schemes()
    }
}
