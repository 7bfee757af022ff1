//! Why there is no secure connection, and what to do, in words.

use rustls::{CertificateError, Error};

/// What is wrong with a certificate that becomes acceptable when it is trusted as it is.
const REPLACE_OR_PIN: &str = "replace it, or put the server's own certificate into portal.caSecretRef";

/// The cause of a failed handshake. Names, times and addresses are left out: messages stay constant.
pub fn tls_trouble(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(certificate) => certificate_trouble(certificate),
        Error::NoCertificatesPresented => {
            "the server presents no certificate; configure one for this name".into()
        }
        Error::InvalidMessage(_) => {
            "the port does not speak TLS; correct the port, or use http:// in portal.url".into()
        }
        Error::PeerIncompatible(_) => {
            "the server offers no TLS version or cipher that the operator accepts; let it offer TLS 1.2 or 1.3".into()
        }
        Error::AlertReceived(alert) => {
            format!("the server refused with TLS alert {alert:?}; check its TLS settings")
        }
        _ => "the TLS handshake failed; check the server's TLS settings".into(),
    }
}

#[allow(deprecated, reason = "rustls still returns both forms")]
fn certificate_trouble(error: &CertificateError) -> String {
    use CertificateError::{
        BadEncoding, BadSignature, Expired, ExpiredContext, InvalidPurpose, InvalidPurposeContext,
        NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext, Other, Revoked,
        UnhandledCriticalExtension, UnknownIssuer, UnsupportedSignatureAlgorithm,
        UnsupportedSignatureAlgorithmContext, UnsupportedSignatureAlgorithmForPublicKeyContext,
    };
    let told = match error {
        UnknownIssuer => {
            "the certificate is not signed by a known CA, or the server does not send its intermediate certificate; put \
             a private CA into portal.caSecretRef, or configure the server to send the full chain"
        }
        NotValidForName | NotValidForNameContext { .. } => {
            "the certificate is for another host name; use the name of the certificate in portal.url"
        }
        Expired | ExpiredContext { .. } => "the certificate has expired; renew it",
        NotValidYet | NotValidYetContext { .. } => {
            "the certificate is not valid yet; check it, and the clocks"
        }
        Revoked => "the certificate is revoked; replace it",
        BadSignature => {
            "a signature is wrong: the CA or the server has another key than the certificate says; check \
             portal.caSecretRef, and the server's certificate and key"
        }
        BadEncoding => return malformed(),
        UnhandledCriticalExtension => return critical_extension(),
        UnsupportedSignatureAlgorithm
        | UnsupportedSignatureAlgorithmContext { .. }
        | UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => return algorithm(),
        InvalidPurpose | InvalidPurposeContext { .. } => return purpose(),
        Other(other) => return other_trouble(&other.to_string()),
        _ => "the certificate is not valid; replace it",
    };
    told.into()
}

/// What the library names only in a text of its own: the name of a variant of webpki's error, or the one text of the
/// platform's verifier.
fn other_trouble(named: &str) -> String {
    let variant = named
        .split(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    match variant {
        "CaUsedAsEndEntity" => {
            format!("the server presents the certificate of a CA as its own; {REPLACE_OR_PIN}")
        }
        "UnsupportedCertVersion" => format!("the certificate is not of X.509 version 3; {REPLACE_OR_PIN}"),
        "UnsupportedCriticalExtension" => critical_extension(),
        "SignatureAlgorithmMismatch" => algorithm(),
        "EmptyEkuExtension" => purpose(),
        "certificate" => purpose(),
        "EndEntityUsedAsCa" => {
            "the certificate is signed by one that is not a CA's; correct the certificates that the server sends"
                .into()
        }
        "NameConstraintViolation" | "PathLenConstraintViolated" => {
            "the certificate is beyond what its CA may sign; replace it".into()
        }
        name if name.starts_with("Maximum") => {
            "the chain of certificates is too long; correct the certificates that the server sends".into()
        }
        _ => malformed(),
    }
}

fn critical_extension() -> String {
    format!("the certificate has a critical extension that is not known; {REPLACE_OR_PIN}")
}

fn algorithm() -> String {
    format!(
        "the certificate is signed with an algorithm that is not accepted, such as SHA-1; {REPLACE_OR_PIN}"
    )
}

fn purpose() -> String {
    format!("the certificate is not for servers (its extended key usage); {REPLACE_OR_PIN}")
}

fn malformed() -> String {
    format!("the certificate is malformed; {REPLACE_OR_PIN}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_fault_of_a_certificate_has_its_own_words() {
        let mut told = BTreeSet::new();
        for error in [
            CertificateError::UnknownIssuer,
            CertificateError::NotValidForName,
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::Revoked,
            CertificateError::BadSignature,
            CertificateError::BadEncoding,
            CertificateError::UnhandledCriticalExtension,
            CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: Vec::new(),
                supported_algorithms: Vec::new(),
            },
            CertificateError::InvalidPurpose,
            CertificateError::ApplicationVerificationFailure,
        ] {
            assert!(told.insert(certificate_trouble(&error)), "{error:?}");
        }
        for named in [
            "CaUsedAsEndEntity",
            "UnsupportedCertVersion",
            "EndEntityUsedAsCa",
            "PathLenConstraintViolated",
            "MaximumPathDepthExceeded",
        ] {
            assert!(told.insert(other_trouble(named)), "{named}");
        }
        assert_eq!(other_trouble("TrailingData(Certificate)"), malformed());
        assert!(
            told.iter().all(|told| told.len() < 200 && told.contains("; ")),
            "{told:?}"
        );
    }
}
