//! A server's own certificate, trusted as it is: self-signed, of X.509 version 1, for another name.
//!
//! What is needed of it is read here, because the TLS library reads no certificate of version 1.

use jiff::{Timestamp, civil, tz::TimeZone};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime},
};

/// A certificate of which a server must hold the key.
#[derive(Debug)]
pub struct Pin {
    certificate: CertificateDer<'static>,
    key: SubjectPublicKeyInfoDer<'static>,
    /// From and until; `None` if it cannot be read.
    validity: Option<(Timestamp, Timestamp)>,
}

impl Pin {
    /// `None` if the certificate's key cannot be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let mut tbs = Der(Der(Der(certificate).content(SEQUENCE)?).content(SEQUENCE)?);
        // Absent in version 1.
        if tbs.0.first() == Some(&VERSION) {
            tbs.next(VERSION)?;
        }
        tbs.next(INTEGER)?;
        let (_signature, _issuer) = (tbs.next(SEQUENCE)?, tbs.next(SEQUENCE)?);
        let mut validity = Der(tbs.content(SEQUENCE)?);
        let _subject = tbs.next(SEQUENCE)?;
        let key = tbs.next(SEQUENCE)?;
        Some(Self {
            certificate: certificate.clone().into_owned(),
            key: key.whole.to_vec().into(),
            validity: validity.time().zip(validity.time()),
        })
    }

    /// Whether it is this certificate, byte for byte.
    pub fn is(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificate == *certificate
    }

    /// Refuses it before and after its time.
    pub fn check_time(&self, now: UnixTime) -> Result<(), CertificateError> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        match self.validity {
            Some((from, _)) if now < from.as_second() => Err(CertificateError::NotValidYet),
            Some((_, until)) if now > until.as_second() => Err(CertificateError::Expired),
            _ => Ok(()),
        }
    }

    /// Verifies in TLS 1.3 that the server holds the key.
    pub fn verify_tls13(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        known: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(message, &self.key, signed, known)
    }

    /// Verifies in TLS 1.2 that the server holds the key.
    pub fn verify_tls12(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        known: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = known
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == signed.scheme)
            .map(|(_, algorithms)| *algorithms)
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let (kind, key) = self.key_parts().ok_or(CertificateError::BadEncoding)?;
        let verified = algorithms
            .iter()
            .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == kind)
            .any(|algorithm| {
                algorithm
                    .verify_signature(key, message, signed.signature())
                    .is_ok()
            });
        if verified {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    /// The identifier of the key's algorithm, and the key.
    fn key_parts(&self) -> Option<(&[u8], &[u8])> {
        let mut parts = Der(Der(&self.key).content(SEQUENCE)?);
        let kind = parts.content(SEQUENCE)?;
        // The first byte counts unused bits at the end: there are none.
        let key = parts.content(BIT_STRING)?.strip_prefix(&[0])?;
        Some((kind, key))
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The rest of a DER text: elements of tag, length and content.
struct Der<'a>(&'a [u8]);

/// An element, and its content.
struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Der<'a> {
    /// The next element, if it has this tag.
    fn next(&mut self, tag: u8) -> Option<Element<'a>> {
        let (&[found, short], mut rest) = self.0.split_first_chunk()?;
        let mut length = usize::from(short);
        if short >= 0x80 {
            // The number of bytes of the length follows from the lower bits; none is larger than 256 KiB.
            let (bytes, after) = rest.split_at_checked(usize::from(short & 0x7f))?;
            if bytes.is_empty() || bytes.len() > 3 {
                return None;
            }
            length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - after.len()];
        self.0 = after;
        (found == tag).then_some(Element { whole, content })
    }

    fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next(tag).map(|element| element.content)
    }

    /// `YYMMDDhhmmssZ`, or with four digits of the year.
    fn time(&mut self) -> Option<Timestamp> {
        let generalized = self.0.first() == Some(&GENERALIZED_TIME);
        let tag = if generalized { GENERALIZED_TIME } else { UTC_TIME };
        let text = std::str::from_utf8(self.content(tag)?).ok()?.strip_suffix('Z')?;
        let digits = if generalized { 4 } else { 2 };
        let (year, rest) = text.split_at_checked(digits)?;
        let mut year: i16 = year.parse().ok()?;
        if !generalized {
            year += if year < 50 { 2000 } else { 1900 };
        }
        let pair = |at: usize| -> Option<i8> { rest.get(2 * at..2 * at + 2)?.parse().ok() };
        let time = civil::DateTime::new(year, pair(0)?, pair(1)?, pair(2)?, pair(3)?, pair(4)?, 0).ok()?;
        TimeZone::UTC.to_timestamp(time).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn ca() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(include_bytes!("tests/ca.pem")).expect("a certificate")
    }

    #[test]
    fn the_time_of_a_certificate_is_kept() {
        let pin = Pin::of(&ca()).expect("readable");
        assert!(pin.is(&ca()));
        let (from, until) = pin.validity.expect("a validity");
        let check = |at: Timestamp| {
            let seconds = at.as_second().try_into().expect("after 1970");
            pin.check_time(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
        };
        assert_eq!((check(from), check(until)), (Ok(()), Ok(())));
        let second = jiff::SignedDuration::from_secs(1);
        assert_eq!(check(from - second), Err(CertificateError::NotValidYet));
        assert_eq!(check(until + second), Err(CertificateError::Expired));
    }

    #[test]
    fn times_have_two_forms() {
        let time = |tag: u8, text: &str| {
            let mut der = vec![tag, text.len().try_into().expect("short")];
            der.extend(text.as_bytes());
            Der(&der).time().map(|time| time.to_string())
        };
        let utc = |text| time(UTC_TIME, text);
        assert_eq!(utc("491231235959Z").as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(utc("500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(
            time(GENERALIZED_TIME, "21200101000000Z").as_deref(),
            Some("2120-01-01T00:00:00Z")
        );
        for odd in [
            "",
            "Z",
            "4912312359Z",
            "491331235959Z",
            "491231235959",
            "ää1231235959Z",
        ] {
            assert_eq!(utc(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_is_cut_off_or_changed_is_no_pin_and_no_panic() {
        let whole = ca();
        for end in 0..whole.len() {
            assert!(Pin::of(&whole[..end].into()).is_none(), "{end}");
        }
        for at in 0..whole.len() {
            for byte in [0, 0x80, 0x84, 0xff] {
                let mut changed = whole.to_vec();
                changed[at] = byte;
                if let Some(pin) = Pin::of(&changed.into()) {
                    let _ = (pin.key_parts(), pin.check_time(UnixTime::now()));
                }
            }
        }
    }
}
