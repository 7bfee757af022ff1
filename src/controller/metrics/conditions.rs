//! What the metrics show of the conditions of an object, in few bytes: there may be ten thousand objects.

use std::sync::LazyLock;

use strum::IntoEnumIterator;

use crate::{
    api::{Status, condition},
    rules::{backup::reason::Freshness, credentials, reason::Reason},
};

/// The conditions that the operator sets.
const KINDS: [&str; 7] = [
    "Ready",
    "Reconciling",
    "Stalled",
    "Synced",
    "CredentialsValid",
    "BackupFresh",
    "Suspended",
];
/// The states of a condition; the last one if it is missing.
pub const STATES: [&str; 3] = ["True", "False", "Unknown"];
/// Shown instead of a reason that this operator does not know: another version, or somebody else, wrote it. So nobody
/// can make the number of series grow.
const OTHER: &str = "Other";

/// Every reason; the first one stands for all others.
static REASONS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let ready = Reason::iter().map(Into::into);
    let fresh = Freshness::iter().map(Into::into);
    let mut reasons = vec![OTHER, "Pending"];
    reasons.extend(ready.chain(fresh).chain(credentials::REASONS));
    reasons
});

/// Status and reason of each condition of an object, as numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions([Option<(u8, u8)>; KINDS.len()]);

impl Conditions {
    /// Those of a status.
    pub fn of(status: &Status) -> Self {
        Self(KINDS.map(|kind| {
            let condition = condition(Some(status), kind)?;
            let state = STATES.iter().position(|known| *known == condition.status)?;
            let reason = REASONS.iter().position(|known| *known == condition.reason);
            Some((
                u8::try_from(state).ok()?,
                u8::try_from(reason.unwrap_or_default()).ok()?,
            ))
        }))
    }

    /// The status of the condition of this type, if it is set.
    pub fn state(&self, kind: &str) -> Option<&'static str> {
        let mut set = self.shown();
        set.find_map(|[known, state, _]| (known == kind).then_some(state))
    }

    /// Type, status and reason of each condition that is set.
    pub fn shown(&self) -> impl Iterator<Item = [&'static str; 3]> {
        let set = KINDS.into_iter().zip(self.0);
        set.filter_map(|(kind, is)| {
            let (state, reason) = is?;
            Some([
                kind,
                STATES.get(usize::from(state))?,
                REASONS.get(usize::from(reason)).copied().unwrap_or(OTHER),
            ])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::reason::Credentials;

    #[test]
    fn every_reason_is_known_and_has_a_number() {
        let at_fault = Reason::iter().filter_map(|reason| match reason.rule().credentials {
            Credentials::AtFault(reason) => Some(reason),
            Credentials::Missing | Credentials::Nothing => None,
        });
        for reason in at_fault {
            assert!(REASONS.contains(&reason), "{reason}");
        }
        assert!(REASONS.len() <= usize::from(u8::MAX));
    }

    #[test]
    fn what_somebody_else_wrote_is_other() {
        let condition = |kind, status, reason| {
            serde_json::json!({
                "type": kind, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": "2026-11-23T00:00:00Z",
            })
        };
        let status = serde_json::json!({"conditions": [
            condition("Ready", "True", "InSync"),
            condition("BackupFresh", "False", "Overdue"),
            condition("Synced", "Unknown", "x"),
            condition("Stalled", "Perhaps", "x"),
            condition("Mine", "True", "x"),
        ]});
        let status: Status = serde_json::from_value(status).expect("a status");
        let shown: Vec<_> = Conditions::of(&status).shown().collect();
        assert_eq!(
            shown,
            [
                ["Ready", "True", "InSync"],
                ["Synced", "Unknown", "Other"],
                ["BackupFresh", "False", "Overdue"],
            ]
        );
    }
}
