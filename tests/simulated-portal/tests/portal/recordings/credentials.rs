//! Placeholders for tokens and keys, filled in with credentials of the simulated portal.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use simulated_portal::{ApiKey, Holder, Portal, SimulatedPortal};

use crate::http::Call;

/// The request with every placeholder of its headers filled in.
pub fn filled_in(mut call: Call, server: &SimulatedPortal) -> Call {
    for (_, value) in &mut call.headers {
        while let Some((before, rest)) = value.split_once('<') {
            let (placeholder, after) = rest.split_once('>').expect("a placeholder's end");
            let (before, credential) = match before.strip_suffix("sk-") {
                Some(before) => (before, key(placeholder, server)),
                None => (before, token(placeholder, server)),
            };
            *value = format!("{before}{credential}{after}");
        }
    }
    call
}

fn portal(description: &str, server: &SimulatedPortal) -> Portal {
    let number = description
        .rsplit_once("tenant")
        .map(|(_, number)| number.trim().parse().expect("a tenant"));
    server.tenants()[number.unwrap_or(1) - 1_usize].clone()
}

fn token(placeholder: &str, server: &SimulatedPortal) -> String {
    if placeholder.starts_with("unsigned JWT") {
        let claims = r#"{"sub":"66faa6e4-f133-11ea-b126-00ffeec8b4ef"}"#;
        let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        return format!(
            "{}.{}.",
            encoded(r#"{"alg":"none","typ":"JWT"}"#),
            encoded(claims)
        );
    }
    let person = placeholder
        .strip_prefix("portal token of ")
        .unwrap_or_else(|| panic!("<{placeholder}>"));
    let holder = if person.contains("plain user") {
        Holder::PlainUser
    } else {
        Holder::Owner
    };
    portal(person, server).issue_session(holder)
}

fn key(placeholder: &str, server: &SimulatedPortal) -> String {
    let Some(name) = placeholder.strip_prefix("key ") else {
        assert_eq!(placeholder, "unknown key");
        return format!("sk-{}", "0123456789abcdef".repeat(4));
    };
    let (name, cut_short) = match name.strip_suffix(", cut short") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let now = server.clock().now();
    let all = ApiKey::named(name);
    let issued = match name {
        "full" => all,
        "expired" => all.expiring(now - SignedDuration::from_hours(1)),
        "inactive" => all.inactive(),
        "of-plain-user" => all.of_plain_user(),
        _ if name.starts_with("of-tenant") => all,
        "star" => all.with_permissions(&["*"]),
        "globalread" => all.with_permissions(&["*:read"]),
        "globalwrite" => all.with_permissions(&["*:write"]),
        _ => {
            let permissions: Vec<String> = name.split('+').map(permission).collect();
            all.with_permissions(&permissions.iter().map(String::as_str).collect::<Vec<_>>())
        }
    };
    let owner = if name.starts_with("of-tenant") {
        portal(name, server)
    } else {
        server.first()
    };
    let mut key = owner.issue_key(issued);
    if cut_short {
        key.truncate(key.len() - 4);
    }
    key
}

/// The permission that the name of a key tells of: `rooms-read`, `files`, `*:read`.
fn permission(name: &str) -> String {
    match name.split_once('-') {
        _ if name.contains(':') => name.to_owned(),
        Some((scope, "self")) => format!("{scope}.self:read"),
        Some((scope, right)) => format!("{scope}:{right}"),
        None => format!("{name}:write"),
    }
}
