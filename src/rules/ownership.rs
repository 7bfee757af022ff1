//! What makes the portal's schedule an object's own.

use crate::{
    api::{Applied, DocSpaceBackupSchedule, DocSpaceBackupScheduleSpec, FINALIZER, ManagementPolicy, Status},
    portal::Address,
};

/// `status.applied`, where it makes the slot that the spec names this object's own: finalizer, uid and address.
pub fn owned(object: &DocSpaceBackupSchedule) -> Option<&Applied> {
    own_applied(object, object.status.as_ref()?).filter(|applied| {
        has_finalizer(object.metadata.finalizers.as_ref()) && same_address(applied, &object.spec)
    })
}

/// `status.applied`, where this very object wrote it; a restored or copied object carries another's uid.
pub fn own_applied<'a>(object: &DocSpaceBackupSchedule, status: &'a Status) -> Option<&'a Applied> {
    let applied = status.applied.as_ref()?;
    (object.metadata.uid.as_ref() == Some(&applied.uid)).then_some(applied)
}

/// Whether what was applied was applied to the portal that the spec names now.
pub fn same_address(applied: &Applied, spec: &DocSpaceBackupScheduleSpec) -> bool {
    leads_to(&applied.url, applied.host_header.as_deref(), spec)
}

/// Whether a URL and Host header are the address that the spec names now, however it is spelt.
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
