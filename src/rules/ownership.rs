//! Which object owns a portal's schedule.

use crate::{
    api::{Applied, DocSpaceBackupSchedule, DocSpaceBackupScheduleSpec, FINALIZER, ManagementPolicy, Status},
    portal::Address,
};

/// Who owns the portal's schedule, according to the status.
#[derive(Clone, Copy, Debug)]
pub enum Ownership<'a> {
    /// This object wrote it, to the portal that the spec names now.
    Ours(&'a Applied),
    /// This object wrote one, to another address.
    Elsewhere(&'a Applied),
    /// This object wrote none. The status of a restored or copied object has another uid.
    None,
}

impl<'a> Ownership<'a> {
    /// The ownership that this status records.
    pub fn of(object: &DocSpaceBackupSchedule, status: &'a Status) -> Self {
        let wrote = |applied: &&Applied| object.metadata.uid.as_ref() == Some(&applied.uid);
        match status.applied.as_ref().filter(wrote) {
            None => Self::None,
            Some(applied) if leads_to(&applied.url, applied.host_header.as_deref(), &object.spec) => {
                Self::Ours(applied)
            }
            Some(applied) => Self::Elsewhere(applied),
        }
    }

    /// The schedule that this object applied to the portal that the spec names now.
    pub fn ours(self) -> Option<&'a Applied> {
        match self {
            Self::Ours(applied) => Some(applied),
            Self::Elsewhere(_) | Self::None => None,
        }
    }
}

/// Whether this object owns the slot that its spec names.
pub fn is_owner(object: &DocSpaceBackupSchedule) -> bool {
    let status = object.status.as_ref();
    status.is_some_and(|status| Ownership::of(object, status).ours().is_some())
}

/// Where a schedule of this object may be, for messages: it wrote one, or a write has an unknown outcome.
pub fn may_be_at(object: &DocSpaceBackupSchedule) -> Option<String> {
    let status = object.status.as_ref()?;
    match Ownership::of(object, status) {
        Ownership::Ours(applied) | Ownership::Elsewhere(applied) => Some(applied.address()),
        Ownership::None => {
            let lost = status
                .last_request
                .as_ref()
                .filter(|request| request.outcome_unknown)?;
            Some(lost.address().unwrap_or_else(|| object.spec.portal.shown()))
        }
    }
}

/// Whether a URL and Host header are the address in the spec, in any spelling.
pub fn leads_to(url: &str, host_header: Option<&str>, spec: &DocSpaceBackupScheduleSpec) -> bool {
    let now = Address::parse(&spec.portal.url, spec.portal.host_header.as_deref());
    Address::parse(url, host_header).is_ok_and(|then| now.is_ok_and(|now| then == now))
}

/// Whether the object carries the operator's finalizer.
pub fn has_finalizer(finalizers: Option<&Vec<String>>) -> bool {
    finalizers.is_some_and(|finalizers| finalizers.iter().any(|name| name == FINALIZER))
}

/// Whether the object may write to its portal, and so take a slot.
pub fn enforces(spec: &DocSpaceBackupScheduleSpec) -> bool {
    spec.management_policy == ManagementPolicy::Enforce && !spec.suspend
}
