//! Certificates of servers: which are trusted, and what is said of the others.

use simulated_portal::{ApiKey, Certificate, Installation, SimulatedPortal};

use super::*;

/// A server that presents this certificate.
async fn server(certificate: Certificate, names: &[&str], only_tls12: bool) -> SimulatedPortal {
    let installation = Installation {
        certificate,
        only_tls12,
        ..Installation::default().with_tls(names)
    };
    SimulatedPortal::start(installation).await
}

/// What the server tells those who trust this certificate.
async fn told(server: &SimulatedPortal, ca: Option<&str>) -> Result<(), PortalError> {
    let key = server.first().issue_key(ApiKey::named("operator"));
    let access = Access {
        namespace: "docspace".into(),
        address: Address::parse(&server.url(), None).expect("an address"),
        key: key.into(),
        ca: ca.map(Into::into),
    };
    let portal = portals().portal(&access).expect("a portal");
    // The second goes over a connection of its own.
    portal.schedule(false).await?;
    portal.delete_schedule(false).await?;
    Ok(())
}

#[tokio::test]
async fn a_servers_own_certificate_is_trusted_as_it_is() {
    use Certificate::{OfAuthority, SelfSigned, VersionOne};
    for (certificate, names) in [
        (OfAuthority, "127.0.0.1"),
        (SelfSigned, "127.0.0.1"),
        // Whoever names this certificate means this server.
        (SelfSigned, "other.example.com"),
        (VersionOne, ""),
    ] {
        for only_tls12 in [false, true] {
            let server = server(certificate, &[names], only_tls12).await;
            let result = told(&server, server.ca_pem()).await;
            assert!(result.is_ok(), "{certificate:?} {only_tls12}: {result:?}");
            // Among others, too.
            let list = format!(
                "{}{}",
                include_str!("ca.pem"),
                server.ca_pem().unwrap_or_default()
            );
            assert!(told(&server, Some(&list)).await.is_ok(), "{certificate:?}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said() {
    use Certificate::{
        Expired, Future, OfAuthority, OfClient, OfHiddenIntermediate, SelfSigned, Stolen, VersionOne,
    };
    let unknown = "the certificate is not signed by a known CA, or the server does not send its intermediate \
                   certificate; put a private CA into portal.caSecretRef, or configure the server to send the full chain";
    let stolen = "a signature is wrong: ";
    // The server's own certificate, or its CA, is trusted.
    for (certificate, name, expected) in [
        (OfHiddenIntermediate, "127.0.0.1", unknown),
        (
            OfAuthority,
            "x.test",
            "the certificate is for another host name; ",
        ),
        (OfClient, "127.0.0.1", "the certificate is not for servers "),
        (Expired, "127.0.0.1", "the certificate has expired; renew it"),
        (Future, "127.0.0.1", "the certificate is not valid yet; "),
        (Stolen, "127.0.0.1", stolen),
    ] {
        for only_tls12 in [false, true] {
            let server = server(certificate, &[name], only_tls12).await;
            expect_tls(&server, server.ca_pem(), expected).await;
        }
    }
    // Something else is trusted.
    let other = include_str!("ca.pem");
    for (certificate, expected) in [
        (OfAuthority, unknown),
        (
            SelfSigned,
            "the server presents the certificate of a CA as its own; replace it, or put the server's own certificate into \
             portal.caSecretRef",
        ),
        (VersionOne, "the certificate is not of X.509 version 3; "),
        (Expired, "the certificate has expired; renew it"),
    ] {
        let server = server(certificate, &["127.0.0.1"], false).await;
        expect_tls(&server, Some(other), expected).await;
        expect_tls(&server, None, expected).await;
    }
}

async fn expect_tls(server: &SimulatedPortal, ca: Option<&str>, expected: &str) {
    let error = told(server, ca).await.expect_err(expected);
    assert_eq!(error.failure, Failure::Tls, "{error}");
    let start = format!("{}: no secure connection: {expected}", server.url());
    assert!(error.message.starts_with(&start), "{error}\n{start}");
    assert!(server.log().requests().is_empty(), "nothing was sent");
}
