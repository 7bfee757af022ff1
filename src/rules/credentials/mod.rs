//! The identity of portal and key, and the condition CredentialsValid. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::Status,
    portal::{Address, Credential, PortalSettings},
    rules::{
        reason::{Credentials, Reason, Verdict},
        status::conditions::ConditionState,
    },
};

/// The reasons of CredentialsValid.
pub const REASONS: [&str; 7] = [
    "Accepted",
    "ExpiresSoon",
    "Expired",
    "MissingPermission",
    "UserMayNot",
    "Invalid",
    "SecretMissing",
];
/// CredentialsValid warns about keys that expire within this time.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The alias of every fresh standalone installation (R 801); it does not identify a portal.
const NO_ALIAS: &str = "localhost";

/// The portal's settings and its description of the key; absent if they could not be read.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Settings of the portal.
    pub settings: Option<PortalSettings>,
    /// The key or token.
    pub credential: Option<Credential>,
    /// A passing failure prevented reading settings or key; they must be read again at the next check.
    pub is_to_be_repeated: bool,
    /// The portal's own domain; read only if its other names do not match.
    pub mapped_domain: Option<String>,
}

impl Identity {
    /// The warning if a standalone server does not know the Host: it then answers as its first portal (trap 14).
    pub fn wrong_portal(&self, address: &Address) -> Option<String> {
        let settings = self
            .settings
            .as_ref()
            .filter(|settings| settings.standalone == Some(true))?;
        let alias = settings.alias.as_deref().filter(|alias| *alias != NO_ALIAS)?;
        let base = settings.base_domain.as_deref().unwrap_or_default();
        let full = format!("{alias}.{base}");
        let host = address.host_name();
        let names = [
            alias,
            base,
            &full,
            self.mapped_domain.as_deref().unwrap_or_default(),
        ];
        let known = names.iter().any(|name| name.eq_ignore_ascii_case(&host));
        (!known).then(|| {
            format!(
                "No portal of the server is known as {host}: the portal {full} answered instead, and the operator manages \
                 its schedule. If you mean another portal, set portal.hostHeader to that portal's name"
            )
        })
    }
}

/// The inputs of CredentialsValid.
pub struct Judge<'a> {
    /// What Ready's reason means for the key.
    pub credentials: Credentials,
    /// The verdict of the reconcile.
    pub verdict: &'a Verdict,
    /// The portal answered a read of the schedule.
    pub accepted: bool,
    /// The portal's description of the key, if this reconcile read it.
    pub credential: Option<&'a Credential>,
    /// The key differs from the one that the portal accepted last and that the status describes.
    pub exchanged: bool,
    /// The condition before.
    pub before: Option<&'a Condition>,
    /// The status, with the current key.
    pub status: &'a Status,
    /// The operator writes with it.
    pub writes: bool,
    /// The portal's clock.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// The new condition; `None` to leave it unchanged.
    pub fn valid(&self) -> Option<ConditionState> {
        match self.credentials {
            Credentials::Missing => Some(ConditionState::of("Unknown", self.verdict)),
            Credentials::AtFault(_) if self.verdict.reason == Reason::Unauthorized && self.has_expired() => {
                let message =
                    "The API key has expired (status.apiKey.expiresAt); put a new one into the Secret";
                Some(ConditionState::new("False", "Expired", message))
            }
            Credentials::AtFault(reason) => Some(ConditionState::new("False", reason, &self.verdict.message)),
            Credentials::Nothing if self.accepted => Some(self.accepted()),
            Credentials::Nothing => None,
        }
    }

    fn accepted(&self) -> ConditionState {
        let valid = match self.credential {
            Some(credential) => self.described(credential),
            None => self.as_before(),
        };
        if valid.status == "True" && self.expires_soon() {
            let message =
                "The API key expires within 14 days (status.apiKey.expiresAt); put a new one into the Secret";
            return ConditionState::new("True", "ExpiresSoon", message);
        }
        valid
    }

    fn described(&self, credential: &Credential) -> ConditionState {
        match credential {
            Credential::SessionToken => accepted(
                "The portal accepts the token; it is a session token and not an API key, so its expiry is unknown",
            ),
            Credential::ApiKey(key) if self.writes && !key.may_write => ConditionState::new(
                "False",
                "MissingPermission",
                "The API key may not write, so the operator could not apply a change of the manifest; use a key with all \
                 permissions (DocSpace has none for backups alone)",
            ),
            Credential::ApiKey(_) => accepted("The portal accepts the key"),
        }
    }

    /// The condition when this reconcile did not read the description of the key.
    fn as_before(&self) -> ConditionState {
        match self.before {
            Some(before) if before.reason == "MissingPermission" && self.writes => {
                ConditionState::new("False", &before.reason, &before.message)
            }
            Some(before) if before.reason == "Accepted" => accepted(&before.message),
            _ => accepted("The portal accepts the key"),
        }
    }

    fn expires_at(&self) -> Option<Timestamp> {
        let key = self.status.api_key.as_ref()?;
        key.expires_at.as_ref().map(|time| time.0)
    }

    fn has_expired(&self) -> bool {
        !self.exchanged && self.expires_at().is_some_and(|end| end <= self.now)
    }

    fn expires_soon(&self) -> bool {
        self.expires_at()
            .is_some_and(|end| end.duration_since(self.now) <= SOON)
    }
}

fn accepted(message: &str) -> ConditionState {
    ConditionState::new("True", "Accepted", message)
}

#[cfg(test)]
mod tests;
