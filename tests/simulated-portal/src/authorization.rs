//! Authentication and authorization of callers (authorization.json).

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    call::Call,
    credentials::Holder,
    exception::{Exception, Refusal},
    state::State,
};

/// The caller of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// No authorization, or a session token that is unknown here.
    Nobody,
    /// A user with a session token.
    Session(Holder),
    /// A valid key of this portal.
    Key {
        holder: Holder,
        token: String,
        covered: bool,
    },
    /// An API key that is unknown here, expired or switched off.
    BadKey,
    /// A name and password, well formed or not.
    Basic { well_formed: bool },
}

/// Finds the caller. A key is `Bearer sk-…` with exactly that blank and capital (R 410–413); anything else in
/// the header is a session token, bare or behind `Bearer ` (R 401, 402), and the cookie goes before it (R 479)
/// but not before a key (R 480).
pub(crate) fn caller(state: &mut State, tenant: usize, call: &Call, now: Timestamp) -> Caller {
    let header = call.header("authorization").unwrap_or_default();
    if let Some(token) = header
        .strip_prefix("Bearer ")
        .filter(|token| token.starts_with("sk-"))
    {
        return key(state, tenant, token, call.method == "GET", now);
    }
    if let Some(password) = header.strip_prefix("Basic ") {
        return Caller::Basic {
            well_formed: BASE64_STANDARD.decode(password).is_ok(),
        };
    }
    let cookie = call.header("cookie").and_then(|cookies| {
        cookies
            .split(';')
            .find_map(|cookie| cookie.trim().strip_prefix("asc_auth_key="))
    });
    let token = cookie.unwrap_or(header);
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let holder = state
        .session(tenant, token)
        .or_else(|| unsigned(state, tenant, header));
    holder.map_or(Caller::Nobody, Caller::Session)
}

fn key(state: &mut State, tenant: usize, token: &str, reading: bool, now: Timestamp) -> Caller {
    match state.key(tenant, token).filter(|key| key.is_good(now)) {
        None => Caller::BadKey,
        Some(key) => {
            key.last_used = Some(now);
            Caller::Key {
                holder: key.key.holder,
                token: token.to_owned(),
                covered: key.covers(reading),
            }
        }
    }
}

/// An unsigned token that names its own user: the server accepts it as shipped (R 425).
fn unsigned(state: &State, tenant: usize, header: &str) -> Option<Holder> {
    let claims = header.strip_prefix("Bearer ")?.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let subject = claims["sub"].as_str()?;
    let tenant = &state.tenants[tenant];
    [Holder::Owner, Holder::PlainUser]
        .into_iter()
        .find(|holder| tenant.user(*holder).id == subject)
}

impl Caller {
    /// For endpoints that need a user: returns the user, or 401 or 403 with an empty body, or 500 for a malformed Basic
    /// header (R 427).
    pub(crate) fn somebody(&self) -> Result<Holder, Refusal> {
        match self {
            Self::Session(holder)
            | Self::Key {
                holder,
                covered: true,
                ..
            } => Ok(*holder),
            Self::Key { .. } => Err(Refusal::Status(403)),
            Self::Basic { well_formed: false } => Err(bad_base64()),
            Self::Nobody | Self::BadKey | Self::Basic { .. } => Err(Refusal::Status(401)),
        }
    }

    /// For the key's own endpoint, which any permission opens (R 449).
    pub(crate) fn somebody_whatever_the_permissions(&self) -> Result<Holder, Refusal> {
        match self {
            Self::Key { holder, .. } => Ok(*holder),
            _ => self.somebody(),
        }
    }

    /// For endpoints without authentication: an invalid key, or one without permission, still gets 403 as ProblemDetails
    /// (R 814, 823, 825).
    pub(crate) fn anybody(&self) -> Result<Option<Holder>, Refusal> {
        match self {
            Self::BadKey | Self::Key { covered: false, .. } => Err(Refusal::Problem(403)),
            Self::Basic { well_formed: false } => Err(bad_base64()),
            Self::Nobody | Self::Basic { .. } => Ok(None),
            Self::Session(holder) | Self::Key { holder, .. } => Ok(Some(*holder)),
        }
    }
}

fn bad_base64() -> Refusal {
    let message = "The input is not a valid Base-64 string as it contains a non-base 64 character, more than two \
                   padding characters, or an illegal character among the padding characters.";
    Exception::format(message).into()
}

/// Rights to edit the portal's settings (R 195–197).
pub(crate) fn demand_settings_right(holder: Holder) -> Result<(), Exception> {
    match holder {
        Holder::Owner => Ok(()),
        Holder::PlainUser => Err(Exception::authorizing()),
    }
}

/// Rights to the space of all portals, which dumps need: standalone (R 3, 21, 223) and no limit (R 206).
pub(crate) fn demand_access_space(state: &State, tenant: usize) -> Result<(), Exception> {
    if state.installation.standalone() && !state.tenants[tenant].tenant.limited_access_space {
        Ok(())
    } else {
        Err(Exception::security())
    }
}
