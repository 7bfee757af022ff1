//! Writes conditions.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{api::to_second, rules::reason::Verdict};

/// The state of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionState {
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// In CamelCase, from a closed list.
    pub reason: String,
    /// For people. Equal situations have equal messages.
    pub message: String,
}

impl ConditionState {
    /// This status, reason and message.
    pub fn new(status: &'static str, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// This status, with the verdict's reason and message.
    pub fn of(status: &'static str, verdict: &Verdict) -> Self {
        Self::new(status, verdict.reason.to_string(), &verdict.message)
    }
}

/// The conditions of a status.
pub struct Conditions<'a> {
    /// The list in the status.
    pub list: &'a mut Vec<Condition>,
    /// The object's generation.
    pub generation: Option<i64>,
    /// The operator's clock.
    pub now: Timestamp,
}

impl Conditions<'_> {
    /// Writes a condition. lastTransitionTime moves only with the status, so equal conditions cause no patch.
    pub fn set(&mut self, kind: &str, state: ConditionState) {
        let before = self.list.iter().position(|condition| condition.type_ == kind);
        // The CRD's default has lastTransitionTime 1970, which is not a real transition.
        let since = before.map(|at| &self.list[at]).filter(|before| {
            before.status == state.status && before.last_transition_time.0 != Timestamp::UNIX_EPOCH
        });
        let condition = Condition {
            type_: kind.into(),
            status: state.status.into(),
            reason: state.reason,
            message: state.message,
            observed_generation: self.generation,
            last_transition_time: since
                .map_or_else(|| to_second(self.now), |since| since.last_transition_time.clone()),
        };
        match before {
            Some(at) => self.list[at] = condition,
            None => self.list.push(condition),
        }
    }

    /// Removes a condition.
    pub fn remove(&mut self, kind: &str) {
        self.list.retain(|condition| condition.type_ != kind);
    }
}
