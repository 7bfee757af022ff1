//! Who answers, and as whom we speak: what portal and key say of themselves, and the condition CredentialsValid. Pure.

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

/// A key that expires within this time is told.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The alias of every fresh standalone installation (R 801); it names no portal.
const NO_ALIAS: &str = "localhost";

/// The portal as it describes itself, and the key as the portal describes it; what could not be read is absent.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Of the portal.
    pub settings: Option<PortalSettings>,
    /// Of the key.
    pub credential: Option<Credential>,
    /// Settings or key could not be read for now, and are to be read again at the next look.
    pub is_to_be_repeated: bool,
    /// A domain that leads to the portal; asked for only where its other names do not fit.
    pub mapped_domain: Option<String>,
}

impl Identity {
    /// What to tell where a standalone server answers for a Host that none of its portals is known by: it answers as
    /// its first portal (trap 14).
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
                "No portal of the server is known as {host}: the portal {full} has answered in its place, and it is its \
                 schedule that is looked after. If another is meant, set portal.hostHeader to a name that is its own"
            )
        })
    }
}

/// What to say of the key after a look; `None` to leave it as it is.
pub struct Judge<'a> {
    /// What Ready's reason says of it.
    pub credentials: Credentials,
    /// What happened.
    pub verdict: &'a Verdict,
    /// The portal has answered a look.
    pub accepted: bool,
    /// What the portal says of the key, where that was read in this look.
    pub credential: Option<&'a Credential>,
    /// It is another one than the portal accepted last, of which the status tells.
    pub exchanged: bool,
    /// The condition as it was.
    pub before: Option<&'a Condition>,
    /// The status, with the key that is in use now.
    pub status: &'a Status,
    /// The operator writes with it.
    pub writes: bool,
    /// The portal's clock.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// The condition.
    pub fn valid(&self) -> Option<ConditionState> {
        match self.credentials {
            Credentials::Missing => Some(ConditionState::of("Unknown", self.verdict)),
            Credentials::AtFault(_) if self.verdict.reason == Reason::Unauthorized && self.has_expired() => {
                let message =
                    "The API key has expired (status.apiKey.expiresAt); put a new one into the Secret";
                Some(state("False", "Expired", message))
            }
            Credentials::AtFault(reason) => Some(state("False", reason, &self.verdict.message)),
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
            return state("True", "ExpiresSoon", message);
        }
        valid
    }

    fn described(&self, credential: &Credential) -> ConditionState {
        match credential {
            Credential::SessionToken => accepted(
                "The portal accepts the token; it is no API key but a session token, so when it expires \
                              cannot be known",
            ),
            Credential::ApiKey(key) if self.writes && !may_write(&key.permissions) => state(
                "False",
                "MissingPermission",
                "The API key may not write, so a change of the manifest could not be carried out; give it all permissions \
                 (DocSpace has none for backups alone)",
            ),
            Credential::ApiKey(_) => accepted("The portal accepts the key"),
        }
    }

    /// What a look without a description of the key leaves as it is.
    fn as_before(&self) -> ConditionState {
        let lasting = |before: &&Condition| match before.reason.as_str() {
            "MissingPermission" => self.writes && before.status == "False",
            reason => reason == "Accepted" && before.status == "True",
        };
        match self.before.filter(lasting) {
            Some(before) if before.status == "False" => state("False", &before.reason, &before.message),
            Some(before) => accepted(&before.message),
            None => accepted("The portal accepts the key"),
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
    state("True", "Accepted", message)
}

fn state(status: &'static str, reason: &str, message: &str) -> ConditionState {
    ConditionState {
        status,
        reason: reason.into(),
        message: message.into(),
    }
}

/// No list is every permission (R 438).
fn may_write(permissions: &[String]) -> bool {
    permissions.is_empty() || permissions.iter().any(|name| name == "*" || name == "*:write")
}

#[cfg(test)]
mod tests;
