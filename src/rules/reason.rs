//! The one table: every reason that Ready can have, and what follows from it.

use crate::portal::{Failure, PortalError};

/// Why Ready is what it is. A closed list; docs/conditions.md says what to do about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is explained by its row in `Reason::rule`")]
pub enum Reason {
    InSync,
    Suspended,
    OutOfSync,
    SecretMissing,
    OutcomeUnknown,
    BackupRunning,
    Unreachable,
    TlsFailed,
    TimedOut,
    RateLimited,
    PortalUnavailable,
    DatabaseDown,
    ServerError,
    ProxyError,
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

/// How a situation stands in terms of kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Ready=True.
    Ready,
    /// Ready=False, Reconciling=True: it goes on by itself, soon.
    Retrying,
    /// Ready=False, Stalled=True: somebody must decide or mend something.
    Stalled,
    /// Ready=False, neither reconciling nor stalled: nothing is to be done about it here.
    Reported,
    /// As it was while the schedule is as applied, else Unknown.
    Suspended,
}

/// What the reason says of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// It is at fault, for this reason.
    AtFault(&'static str),
    /// There is none to judge.
    Missing,
    /// Nothing: it is good when the portal has answered a look, else as before.
    Nothing,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How it stands.
    pub class: Class,
    /// What it says of the key.
    pub credentials: Credentials,
    /// A failure of the portal or of the way to it, which must not turn a verified object at once.
    pub passing: bool,
}

impl Rule {
    /// How it stands: a failure that passes by itself is retried where the portal was seen to hold what is wanted.
    pub fn class_of(self, verified: bool) -> Class {
        if self.passing && verified {
            Class::Retrying
        } else {
            self.class
        }
    }
}

impl Reason {
    /// Whether the operator tries again by itself, soon.
    pub fn is_retried(self) -> bool {
        self.rule().class == Class::Retrying
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
            }
        }
        const fn passing(class: Class) -> Rule {
            Rule {
                class,
                credentials: Nothing,
                passing: true,
            }
        }
        match self {
            // The portal holds what the manifest says.
            Self::InSync => row(Ready, Nothing),
            // spec.suspend: no call is made.
            Self::Suspended => row(Class::Suspended, Nothing),
            // managementPolicy Observe, and the portal differs.
            Self::OutOfSync => row(Reported, Nothing),

            // A Secret or its key is not there; stalled after five minutes.
            Self::SecretMissing => row(Retrying, Missing),
            // A write whose answer does not tell what became of it; settled by looking.
            Self::OutcomeUnknown => row(Retrying, Nothing),
            // A correction waits for a running backup to end.
            Self::BackupRunning => row(Retrying, Nothing),

            // The portal or the way to it fails for now.
            Self::Unreachable | Self::TlsFailed | Self::TimedOut | Self::RateLimited => passing(Retrying),
            Self::PortalUnavailable | Self::DatabaseDown => passing(Retrying),
            Self::ServerError | Self::ProxyError => passing(Retrying),
            // Something else answers there; passing where DocSpace has answered before.
            Self::NotDocSpace | Self::RouteNotFound => passing(Stalled),

            // The portal refuses the key, its user, or the plan (trap 11).
            Self::Unauthorized => row(Stalled, AtFault("Invalid")),
            Self::KeyNotAllowed => row(Stalled, AtFault("MissingPermission")),
            Self::UserNotAllowed => row(Stalled, AtFault("UserMayNot")),
            Self::PlanNotAllowed | Self::PortalGone => row(Stalled, Nothing),
            // The portal refuses the schedule.
            Self::FolderNotFound | Self::Rejected => row(Stalled, Nothing),
            Self::Redirected => row(Stalled, Nothing),

            // The operator refuses, before any call.
            Self::InvalidObject | Self::InvalidAddress => row(Stalled, Nothing),
            Self::OriginNotAllowed | Self::AddressNotAllowed => row(Stalled, Nothing),
            Self::SecretInvalid => row(Stalled, AtFault("Invalid")),
            Self::Conflict => row(Stalled, Nothing),

            // The operator refuses to write, and says what to decide.
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

/// What to say of a situation, and when to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The row of the table.
    pub reason: Reason,
    /// What happened, where, and what to do.
    pub message: String,
    /// When the portal wants to be asked again at the earliest.
    pub retry_after: Option<std::time::Duration>,
    /// HTTP status of the answer that led here.
    pub status: Option<u16>,
}

impl Verdict {
    /// A verdict of the operator's own.
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
