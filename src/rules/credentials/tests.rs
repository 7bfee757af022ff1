//! The tables of CredentialsValid and of the portal's identity.

use serde_json::json;

use crate::{portal::KeyInfo, rules::credentials::*};

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("a time")
}

fn key(may_write: bool) -> Credential {
    Credential::ApiKey(KeyInfo {
        id: "1".into(),
        name: "backups".into(),
        may_write,
        expires_at: None,
    })
}

fn status(expires_at: Option<&str>) -> Status {
    let key = json!({"name": "backups", "expiresAt": expires_at});
    serde_json::from_value(json!({"apiKey": key})).expect("a status")
}

fn before(status: &str, reason: &str) -> Condition {
    let condition = json!({
        "type": "CredentialsValid", "status": status, "reason": reason, "message": "as it was",
        "lastTransitionTime": "2026-11-24T10:00:00Z",
    });
    serde_json::from_value(condition).expect("a condition")
}

#[test]
fn the_key_is_judged_by_what_is_known_of_it() {
    use Reason::{InSync, KeyNotAllowed, SecretMissing, ServerError, Unauthorized, UserNotAllowed};
    let far = Some("2027-11-01T00:00:00Z");
    let soon = Some("2026-12-08T12:00:00Z");
    let past = Some("2026-11-24T11:59:59Z");
    let all = Some(key(true));
    let read = Some(key(false));
    let write = Some(key(true));
    let token = Some(Credential::SessionToken);
    // Ready's reason, answered, the key as described, the condition before, expiry, writes; the condition
    let rows = [
        (
            InSync,
            true,
            all.clone(),
            None,
            None,
            true,
            Some(("True", "Accepted")),
        ),
        (
            InSync,
            true,
            all.clone(),
            None,
            far,
            true,
            Some(("True", "Accepted")),
        ),
        (
            InSync,
            true,
            all.clone(),
            None,
            soon,
            true,
            Some(("True", "ExpiresSoon")),
        ),
        (InSync, true, write, None, None, true, Some(("True", "Accepted"))),
        (
            InSync,
            true,
            read.clone(),
            None,
            None,
            true,
            Some(("False", "MissingPermission")),
        ),
        (
            InSync,
            true,
            read.clone(),
            None,
            None,
            false,
            Some(("True", "Accepted")),
        ),
        (
            InSync,
            true,
            read,
            None,
            soon,
            true,
            Some(("False", "MissingPermission")),
        ),
        (InSync, true, token, None, None, true, Some(("True", "Accepted"))),
        // Between two descriptions of the key, the condition stays.
        (
            InSync,
            true,
            None,
            None,
            soon,
            true,
            Some(("True", "ExpiresSoon")),
        ),
        (
            InSync,
            true,
            None,
            Some(before("True", "ExpiresSoon")),
            far,
            true,
            Some(("True", "Accepted")),
        ),
        (
            InSync,
            true,
            None,
            Some(before("False", "MissingPermission")),
            None,
            true,
            Some(("False", "MissingPermission")),
        ),
        (
            InSync,
            true,
            None,
            Some(before("False", "MissingPermission")),
            None,
            false,
            Some(("True", "Accepted")),
        ),
        (
            InSync,
            true,
            None,
            Some(before("False", "Invalid")),
            None,
            true,
            Some(("True", "Accepted")),
        ),
        (
            InSync,
            true,
            None,
            Some(before("Unknown", "SecretMissing")),
            None,
            true,
            Some(("True", "Accepted")),
        ),
        (
            Unauthorized,
            false,
            None,
            None,
            far,
            true,
            Some(("False", "Invalid")),
        ),
        (
            Unauthorized,
            false,
            None,
            None,
            past,
            true,
            Some(("False", "Expired")),
        ),
        (
            KeyNotAllowed,
            true,
            None,
            None,
            past,
            true,
            Some(("False", "MissingPermission")),
        ),
        (
            UserNotAllowed,
            true,
            None,
            None,
            None,
            true,
            Some(("False", "UserMayNot")),
        ),
        (
            SecretMissing,
            false,
            None,
            None,
            None,
            true,
            Some(("Unknown", "SecretMissing")),
        ),
        (
            ServerError,
            false,
            None,
            Some(before("True", "Accepted")),
            None,
            true,
            None,
        ),
    ];
    for (reason, accepted, key, before, expires, writes, expected) in rows {
        let verdict = Verdict::new(reason, "what happened");
        let judge = Judge {
            credentials: reason.rule().credentials,
            verdict: &verdict,
            accepted,
            credential: key.as_ref(),
            exchanged: false,
            before: before.as_ref(),
            status: &status(expires),
            writes,
            now: now(),
        };
        let valid = judge.valid();
        let short = valid.as_ref().map(|valid| (valid.status, valid.reason.as_str()));
        assert_eq!(
            short, expected,
            "{reason} {key:?} {before:?} {expires:?} {writes}"
        );
    }
}

#[test]
fn a_session_token_says_that_its_end_is_unknown_until_it_is_described_again() {
    let verdict = Verdict::new(Reason::InSync, "");
    let valid = |credential: Option<&Credential>, before: Option<&Condition>| {
        let judge = Judge {
            credentials: Credentials::Nothing,
            verdict: &verdict,
            accepted: true,
            credential,
            exchanged: false,
            before,
            status: &Status::default(),
            writes: true,
            now: now(),
        };
        judge.valid().expect("a condition").message
    };
    assert!(valid(Some(&Credential::SessionToken), None).contains("session token"));
    assert_eq!(valid(None, Some(&before("True", "Accepted"))), "as it was");
    // The warning that the end is near is not kept.
    assert_eq!(
        valid(None, Some(&before("True", "ExpiresSoon"))),
        "The portal accepts the key"
    );
}

#[test]
fn whoever_answers_in_anothers_place_is_named() {
    let identity = |alias: &str, standalone, mapped: Option<&str>| Identity {
        settings: Some(PortalSettings {
            alias: Some(alias.into()),
            base_domain: Some("example.com".into()),
            standalone: Some(standalone),
            ..PortalSettings::default()
        }),
        mapped_domain: mapped.map(Into::into),
        ..Identity::default()
    };
    // URL, Host header, identity, is it named
    let rows = [
        (
            "https://docs.example.com",
            None,
            identity("docs", true, None),
            false,
        ),
        ("https://example.com", None, identity("docs", true, None), false),
        (
            "http://router:8092",
            Some("Docs.example.com:8443"),
            identity("docs", true, None),
            false,
        ),
        ("http://router:8092", None, identity("docs", true, None), true),
        (
            "https://other.example.com",
            None,
            identity("docs", true, None),
            true,
        ),
        (
            "https://files.test",
            None,
            identity("docs", true, Some("files.test")),
            false,
        ),
        (
            "https://files.test",
            None,
            identity("docs", true, Some("other.test")),
            true,
        ),
        // A fresh installation's alias does not identify a portal, and the cloud answers 401.
        (
            "https://files.test",
            None,
            identity("localhost", true, None),
            false,
        ),
        ("https://files.test", None, identity("docs", false, None), false),
        ("https://files.test", None, Identity::default(), false),
    ];
    for (url, host, identity, named) in rows {
        let address = Address::parse(url, host).expect("an address");
        let told = identity.wrong_portal(&address);
        assert_eq!(told.is_some(), named, "{url} {host:?}: {told:?}");
        assert!(told.is_none_or(|told| told.contains("docs.example.com")));
    }
}

#[test]
fn a_wrong_key_in_place_of_an_expired_one_is_not_called_expired() {
    let verdict = Verdict::new(Reason::Unauthorized, "what happened");
    let judge = Judge {
        credentials: Reason::Unauthorized.rule().credentials,
        verdict: &verdict,
        accepted: false,
        credential: None,
        exchanged: true,
        before: None,
        status: &status(Some("2026-11-24T11:59:59Z")),
        writes: true,
        now: now(),
    };
    let valid = judge.valid().expect("a condition");
    assert_eq!((valid.status, valid.reason.as_str()), ("False", "Invalid"));
}
