//! The requests of the operator to the Kubernetes API, by kind.

use std::fmt;

use http::Method;

/// A kind of request that `docspace-backup-operator run` sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KubeCall {
    /// The resources of the CRD's group: at the start, and before a deletion.
    Discovery,
    /// The list of objects as a stream (`sendInitialEvents`).
    ListObjects,
    /// A page of that list, where the API server does not stream.
    PageObjects,
    /// The changes of objects after a list.
    WatchObjects,
    /// One object, after a patch was refused.
    GetObject,
    /// The finalizer.
    PatchObject,
    /// The status.
    PatchStatus,
    /// The list of Secrets as a stream.
    ListSecrets,
    /// The first page of it.
    PageSecrets,
    /// Another page of it.
    NextSecrets,
    /// The changes of Secrets after a list.
    WatchSecrets,
    /// One Secret with its values.
    GetSecret,
    /// An Event.
    CreateEvent,
    /// The Lease of the leader election.
    GetLease,
    /// The Lease, when there is none.
    CreateLease,
    /// The Lease: taking, renewing, giving up.
    ReplaceLease,
}

impl KubeCall {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Discovery,
        Self::ListObjects,
        Self::PageObjects,
        Self::WatchObjects,
        Self::GetObject,
        Self::PatchObject,
        Self::PatchStatus,
        Self::ListSecrets,
        Self::PageSecrets,
        Self::NextSecrets,
        Self::WatchSecrets,
        Self::GetSecret,
        Self::CreateEvent,
        Self::GetLease,
        Self::CreateLease,
        Self::ReplaceLease,
    ];

    /// The kind of a request; none if it is of another program, or unknown.
    pub fn of(method: &Method, path: &str, query: &str) -> Option<Self> {
        let objects = "/apis/docspace.onlyoffice.com/v1alpha1";
        if path == objects {
            return (method == Method::GET).then_some(Self::Discovery);
        }
        let has = |name: &str| query.split('&').any(|pair| pair.starts_with(name));
        let of_collection = |[list, page, watch]: [Self; 3]| match (has("sendInitialEvents="), has("watch="))
        {
            (true, _) => list,
            (false, true) => watch,
            (false, false) => page,
        };
        // `namespaces/NAME/RESOURCE`, then the object's name and its subresource.
        let (group, rest) = path.split_once("/namespaces/")?;
        let mut rest = rest.split('/').skip(1);
        match (method.as_str(), group, rest.next()?, rest.next(), rest.next()) {
            ("GET", _, "docspacebackupschedules", None, None) if group == objects => Some(of_collection([
                Self::ListObjects,
                Self::PageObjects,
                Self::WatchObjects,
            ])),
            ("GET", _, "docspacebackupschedules", Some(_), None) => Some(Self::GetObject),
            ("PATCH", _, "docspacebackupschedules", Some(_), None) => Some(Self::PatchObject),
            ("PATCH", _, "docspacebackupschedules", Some(_), Some("status")) => Some(Self::PatchStatus),
            ("GET", "/api/v1", "secrets", None, None) if has("continue=") => Some(Self::NextSecrets),
            ("GET", "/api/v1", "secrets", None, None) => Some(of_collection([
                Self::ListSecrets,
                Self::PageSecrets,
                Self::WatchSecrets,
            ])),
            ("GET", "/api/v1", "secrets", Some(_), None) => Some(Self::GetSecret),
            ("POST", "/apis/events.k8s.io/v1", "events", None, None) => Some(Self::CreateEvent),
            ("GET", "/apis/coordination.k8s.io/v1", "leases", Some(_), None) => Some(Self::GetLease),
            ("POST", "/apis/coordination.k8s.io/v1", "leases", None, None) => Some(Self::CreateLease),
            ("PUT", "/apis/coordination.k8s.io/v1", "leases", Some(_), None) => Some(Self::ReplaceLease),
            _ => None,
        }
    }

    /// Whether its answer goes on: lines, each with one change.
    pub fn is_stream(self) -> bool {
        matches!(
            self,
            Self::ListObjects | Self::WatchObjects | Self::ListSecrets | Self::WatchSecrets
        )
    }

    /// Whether it follows changes after a list.
    pub fn is_watch(self) -> bool {
        matches!(self, Self::WatchObjects | Self::WatchSecrets)
    }

    /// Whether it concerns the Lease.
    pub fn is_of_lease(self) -> bool {
        matches!(self, Self::GetLease | Self::CreateLease | Self::ReplaceLease)
    }

    /// Whether it changes an object or tells an Event.
    pub fn is_write(self) -> bool {
        matches!(self, Self::PatchObject | Self::PatchStatus | Self::CreateEvent)
    }
}

impl fmt::Display for KubeCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovery => "discovery",
            Self::ListObjects => "list objects",
            Self::PageObjects => "page of objects",
            Self::WatchObjects => "watch objects",
            Self::GetObject => "get object",
            Self::PatchObject => "patch finalizer",
            Self::PatchStatus => "patch status",
            Self::ListSecrets => "list Secrets",
            Self::PageSecrets => "page of Secrets",
            Self::NextSecrets => "next page of Secrets",
            Self::WatchSecrets => "watch Secrets",
            Self::GetSecret => "get Secret",
            Self::CreateEvent => "create Event",
            Self::GetLease => "get Lease",
            Self::CreateLease => "create Lease",
            Self::ReplaceLease => "replace Lease",
        })
    }
}
