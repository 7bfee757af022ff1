//! The certificates of `portal.caSecretRef`: CAs, or the server's own certificate.
//!
//! A server that presents one of them, byte for byte, and holds its key, is trusted whatever names it has: whoever put
//! it there means that server. Only its time must be right. All others must be issued by one of them, or by a public CA.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::portal::pin::Pin;

/// Decides whether a server's certificate is trusted. Holds some hundred KiB of CAs; shared.
pub type Verifier = Arc<dyn ServerCertVerifier>;

/// Trusts what a list of certificates and the public CAs trust.
#[derive(Debug)]
pub struct PrivateTrust {
    pins: Vec<Pin>,
    cas: Arc<WebPkiServerVerifier>,
    public: Option<Verifier>,
    known: WebPkiSupportedAlgorithms,
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
        let known = provider.signature_verification_algorithms;
        let cas = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .ok()?;
        Some(Self {
            pins: certificates.iter().filter_map(Pin::of).collect(),
            cas,
            public,
            known,
        })
    }

    fn pin(&self, certificate: &CertificateDer<'_>) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.is(certificate))
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
        if let Some(pin) = self.pin(certificate) {
            pin.check_time(now)?;
            return Ok(ServerCertVerified::assertion());
        }
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
        match self.pin(certificate) {
            Some(pin) => pin.verify_tls12(message, signed, &self.known),
            None => self.cas.verify_tls12_signature(message, certificate, signed),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.pin(certificate) {
            Some(pin) => pin.verify_tls13(message, signed, &self.known),
            None => self.cas.verify_tls13_signature(message, certificate, signed),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.cas.supported_verify_schemes()
    }
}
