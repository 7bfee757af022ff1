//! The table of reasons: every reason of Ready, and what follows from it.

use jiff::SignedDuration;
use strum::{EnumIter, IntoStaticStr};

use crate::portal::{Failure, PortalError};

/// A failure that may end by itself stalls an object after this time.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// The reasons of Ready. A closed list; docs/conditions.md explains each.
#[derive(Clone, Copy, Debug, EnumIter, IntoStaticStr, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is explained by its row in `Reason::rule`")]
pub enum Reason {
    InSync,
    Suspended,
    OutOfSync,
    SecretMissing,
    OutcomeUnknown,
    Verifying,
    BackupRunning,
    Unreachable,
    TlsFailed,
    TimedOut,
    RateLimited,
    PortalUnavailable,
    DatabaseDown,
    ServerError,
    ProxyError,
    OperatorFault,
    NotDocSpace,
    Unauthorized,
    KeyNotAllowed,
    UserNotAllowed,
    PlanNotAllowed,
    PortalGone,
    FolderNotFound,
    RouteNotFound,
    Rejected,
    Redirected,
    InvalidObject,
    InvalidAddress,
    OriginNotAllowed,
    AddressNotAllowed,
    SecretInvalid,
    Conflict,
    AdoptionRefused,
    WouldDeleteArchives,
    Contested,
    NotConverging,
    RemovedByPortal,
}

/// The kstatus class of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Ready=True.
    Ready,
    /// Ready=False, Reconciling=True: the operator retries automatically.
    Retrying,
    /// Ready=False, Stalled=True: the object needs the user's action.
    Stalled,
    /// Ready=False, neither reconciling nor stalled: the operator only reports.
    Reported,
    /// Ready is unchanged while the manifest is as applied, else Unknown.
    Suspended,
}

/// What a reason means for CredentialsValid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The key is at fault, for this reason.
    AtFault(&'static str),
    /// There is no key.
    Missing,
    /// Nothing: the key is valid if the portal answered, else as before.
    Nothing,
}

/// Which failures in a row count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Missing Secrets.
    Secrets,
    /// Answers that are not DocSpace's.
    NoDocSpace,
    /// Everything else that the operator retries.
    Portal,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The kstatus class.
    pub class: Class,
    /// What it means for CredentialsValid.
    pub credentials: Credentials,
    /// A passing failure of the portal or the network: a verified object stays Ready for a while.
    pub passing: bool,
    /// How its failures are counted; `None` for what is no failure, or needs the user at once.
    pub row: Option<Row>,
}

impl Rule {
    /// The class, given whether DocSpace has answered at the address before, and since when such failures follow each
    /// other.
    pub fn class_of(self, answered_before: bool, lasts: SignedDuration) -> Class {
        let passes = self.passing && answered_before;
        let may_end = matches!(self.row, Some(Row::Secrets | Row::NoDocSpace)) && lasts < PATIENCE;
        if self.class == Class::Stalled && (passes || may_end) {
            Class::Retrying
        } else {
            self.class
        }
    }
}

impl Reason {
    /// Whether a further check must confirm it.
    pub fn is_unproven(self) -> bool {
        self == Self::Verifying
    }

    /// What follows from the reason.
    pub const fn rule(self) -> Rule {
        use Class::{Ready, Reported, Retrying, Stalled};
        use Credentials::{AtFault, Missing, Nothing};

        const fn row(class: Class, credentials: Credentials) -> Rule {
            Rule {
                class,
                credentials,
                passing: false,
                row: match class {
                    Retrying => Some(Row::Portal),
                    _ => None,
                },
            }
        }
        const PASSING: Rule = Rule {
            passing: true,
            ..row(Retrying, Nothing)
        };
        match self {
            // The portal holds the schedule of the manifest.
            Self::InSync => row(Ready, Nothing),
            // spec.suspend: the operator makes no call.
            Self::Suspended => row(Class::Suspended, Nothing),
            // managementPolicy Observe, and the portal differs.
            Self::OutOfSync => row(Reported, Nothing),

            // A Secret or its key is missing; retried for five minutes.
            Self::SecretMissing => Rule {
                row: Some(Row::Secrets),
                ..row(Stalled, Missing)
            },
            // A write with an unknown outcome; reads of the portal settle it.
            Self::OutcomeUnknown => row(Retrying, Nothing),
            // One check alone is no proof: the next ones confirm what it showed.
            Self::Verifying => Rule { row: None, ..PASSING },
            // A correction waits for a running backup to end.
            Self::BackupRunning => row(Retrying, Nothing),

            // Passing failures of the portal or the network.
            Self::Unreachable | Self::TlsFailed | Self::TimedOut | Self::RateLimited => PASSING,
            Self::PortalUnavailable | Self::DatabaseDown => PASSING,
            Self::ServerError | Self::ProxyError => PASSING,
            // The operator panicked at this object.
            Self::OperatorFault => row(Retrying, Nothing),
            // Something else answers at the URL. Retried for five minutes, and always if DocSpace has answered there.
            Self::NotDocSpace | Self::RouteNotFound | Self::Redirected => Rule {
                class: Stalled,
                row: Some(Row::NoDocSpace),
                ..PASSING
            },

            // The portal refuses the key, its user, or the plan (trap 11).
            Self::Unauthorized => row(Stalled, AtFault("Invalid")),
            Self::KeyNotAllowed => row(Stalled, AtFault("MissingPermission")),
            Self::UserNotAllowed => row(Stalled, AtFault("UserMayNot")),
            Self::PlanNotAllowed | Self::PortalGone => row(Stalled, Nothing),
            // The portal refuses the schedule.
            Self::FolderNotFound | Self::Rejected => row(Stalled, Nothing),

            // The operator refuses before any call.
            Self::InvalidObject | Self::InvalidAddress => row(Stalled, Nothing),
            Self::OriginNotAllowed | Self::AddressNotAllowed => row(Stalled, Nothing),
            Self::SecretInvalid => row(Stalled, AtFault("Invalid")),
            Self::Conflict => row(Stalled, Nothing),

            // The operator refuses to write; the message says what to decide.
            Self::AdoptionRefused | Self::WouldDeleteArchives => row(Stalled, Nothing),
            Self::Contested | Self::NotConverging => row(Stalled, Nothing),
            // The portal removed the schedule again after it was restored (trap 6).
            Self::RemovedByPortal => row(Stalled, Nothing),
        }
    }
}

impl From<Failure> for Reason {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::SecretInvalid => Self::SecretInvalid,
            Failure::AddressNotAllowed => Self::AddressNotAllowed,
            Failure::Resolve | Failure::Connect | Failure::Interrupted => Self::Unreachable,
            Failure::Tls => Self::TlsFailed,
            Failure::TimedOut => Self::TimedOut,
            Failure::Unauthorized => Self::Unauthorized,
            Failure::KeyNotAllowed => Self::KeyNotAllowed,
            Failure::UserNotAllowed => Self::UserNotAllowed,
            Failure::PlanNotAllowed => Self::PlanNotAllowed,
            Failure::PortalUnavailable => Self::PortalUnavailable,
            Failure::DatabaseDown => Self::DatabaseDown,
            Failure::PortalGone => Self::PortalGone,
            Failure::FolderNotFound => Self::FolderNotFound,
            Failure::RouteNotFound => Self::RouteNotFound,
            Failure::Rejected => Self::Rejected,
            Failure::RateLimited => Self::RateLimited,
            Failure::ServerError => Self::ServerError,
            Failure::Proxy => Self::ProxyError,
            Failure::NotDocSpace => Self::NotDocSpace,
            Failure::Redirected => Self::Redirected,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// A reason with its message, and when to retry.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The row of the table.
    pub reason: Reason,
    /// What happened, where, and what to do.
    pub message: String,
    /// The portal's Retry-After.
    pub retry_after: Option<std::time::Duration>,
    /// HTTP status of the answer behind it.
    pub status: Option<u16>,
}

impl Verdict {
    /// A verdict without an answer of the portal.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            retry_after: None,
            status: None,
        }
    }
}

impl From<&PortalError> for Verdict {
    fn from(error: &PortalError) -> Self {
        Self {
            reason: error.failure.into(),
            message: error.to_string(),
            retry_after: error.retry_after,
            status: error.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_end_by_itself_stalls_after_five_minutes() {
        let seconds = SignedDuration::from_secs;
        let class =
            |reason: Reason, answered_before, lasts| reason.rule().class_of(answered_before, seconds(lasts));
        for (reason, answered_before, lasts, expected) in [
            (Reason::SecretMissing, false, 299, Class::Retrying),
            (Reason::SecretMissing, true, 300, Class::Stalled),
            (Reason::NotDocSpace, false, 299, Class::Retrying),
            (Reason::NotDocSpace, false, 300, Class::Stalled),
            // DocSpace has answered there, so it passes.
            (Reason::NotDocSpace, true, 3600, Class::Retrying),
            (Reason::Unauthorized, true, 0, Class::Stalled),
            (Reason::Unreachable, false, 3600, Class::Retrying),
            (Reason::InSync, true, 0, Class::Ready),
        ] {
            assert_eq!(
                class(reason, answered_before, lasts),
                expected,
                "{reason} {lasts}"
            );
        }
    }

    #[test]
    fn only_a_check_that_must_be_confirmed_is_unproven() {
        assert!(Reason::Verifying.is_unproven());
        assert!(!Reason::OutcomeUnknown.is_unproven());
        assert_eq!(Reason::Verifying.to_string(), "Verifying");
        // It does not count as a failure.
        for (reason, row) in [
            (Reason::Verifying, None),
            (Reason::OutcomeUnknown, Some(Row::Portal)),
        ] {
            assert_eq!(reason.rule().row, row, "{reason}");
        }
    }
}
