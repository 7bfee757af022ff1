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
            let lost = status.lost_request()?;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::sample;

    fn object(status: serde_json::Value) -> DocSpaceBackupSchedule {
        sample::object(&json!({"name": "nightly", "uid": "me"}), &status)
    }

    fn applied(uid: &str, url: &str) -> DocSpaceBackupSchedule {
        let schedule = json!({
            "storageType": "DataStore", "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
            "backupsStored": 7, "dump": false,
        });
        object(json!({"applied": {
            "time": "2026-11-24T10:00:00Z", "reason": "Created", "generation": 1, "uid": uid, "url": url,
            "schedule": schedule,
        }}))
    }

    #[test]
    fn the_owner_has_its_own_uid_and_address_in_the_status() {
        for (object, owns, at) in [
            (applied("me", "https://p.test"), true, Some("https://p.test")),
            (
                applied("me", "https://P.test:443/"),
                true,
                Some("https://P.test:443/"),
            ),
            (applied("me", "https://q.test"), false, Some("https://q.test")),
            (applied("another", "https://p.test"), false, None),
            (object(json!({})), false, None),
            (object(json!(null)), false, None),
        ] {
            assert_eq!(is_owner(&object), owns, "{:?}", object.status);
            assert_eq!(may_be_at(&object).as_deref(), at, "{:?}", object.status);
        }
    }

    #[test]
    fn a_lost_write_may_have_left_a_schedule() {
        let lost = |unknown: bool, url: serde_json::Value| {
            let request = json!({
                "operation": "CreateSchedule", "time": "2026-11-24T10:00:00Z", "message": "lost",
                "outcomeUnknown": unknown, "url": url,
            });
            may_be_at(&object(json!({"lastRequest": request})))
        };
        assert_eq!(
            lost(true, json!("https://q.test")).as_deref(),
            Some("https://q.test")
        );
        assert_eq!(lost(true, json!(null)).as_deref(), Some("https://p.test"));
        assert_eq!(lost(false, json!("https://q.test")), None);
    }

    #[test]
    fn one_that_observes_or_is_suspended_takes_no_slot() {
        let mut spec = object(json!(null)).spec;
        assert!(enforces(&spec));
        spec.suspend = true;
        assert!(!enforces(&spec));
        spec.suspend = false;
        spec.management_policy = ManagementPolicy::Observe;
        assert!(!enforces(&spec));
    }

    #[test]
    fn the_finalizer_is_the_operators_own() {
        assert!(!has_finalizer(None));
        assert!(!has_finalizer(Some(&vec!["other.example.com/x".into()])));
        assert!(has_finalizer(Some(&vec![
            "other.example.com/x".into(),
            FINALIZER.into()
        ])));
    }
}
