//! What an object ends as, and how that is told.

use docspace_backup_operator::{
    api::DocSpaceBackupSchedule,
    rules::reason::{Class, Reason},
};
use serde_json::{Map, Value, json};
use strum::IntoEnumIterator;

use crate::world::{condition, is_observed, message, reason};

/// Reasons that the next checks settle.
const UNSETTLED: [&str; 3] = ["Pending", "Verifying", "OutcomeUnknown"];

/// Whether the status describes this generation, and no further check is awaited.
pub fn is_settled(object: &DocSpaceBackupSchedule) -> bool {
    let settled = reason(object, "Ready").is_some_and(|reason| !UNSETTLED.contains(&reason));
    is_observed(object) && settled
}

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The reason of Ready.
    pub reason: String,
    pub is_ready: bool,
    /// Everything that a status says of the present, not of how it came about.
    pub status: Value,
}

impl Outcome {
    /// The outcome that a status tells.
    ///
    /// # Errors
    /// Its conditions contradict each other, or the reason is not documented.
    pub fn of(object: &DocSpaceBackupSchedule) -> Result<Self, String> {
        let told = reason(object, "Ready").unwrap_or_default();
        let is_true = |kind| condition(object, kind).is_some_and(|condition| condition.status == "True");
        let known = Reason::iter().find(|reason| reason.to_string() == told);
        let class = known
            .ok_or_else(|| format!("Ready has the unknown reason {told}"))?
            .rule()
            .class;
        let conditions = (is_true("Ready"), is_true("Reconciling"), is_true("Stalled"));
        let fits = match class {
            Class::Ready => conditions == (true, false, false),
            Class::Reported => conditions == (false, false, false),
            Class::Retrying => conditions == (false, true, false),
            // Some may pass at first.
            Class::Stalled => conditions == (false, false, true) || conditions == (false, true, false),
            Class::Suspended => is_true("Suspended"),
        };
        if !fits || message(object, "Ready").is_empty() {
            return Err(format!("{told} is told as {}", json!(object.status)));
        }
        Ok(Self {
            reason: told.into(),
            is_ready: conditions.0,
            status: present(object),
        })
    }

    /// The message of Ready.
    pub fn message(&self) -> &str {
        self.status["Ready"][2].as_str().unwrap_or_default()
    }
}

/// The part of a status that must not depend on what came before.
fn present(object: &DocSpaceBackupSchedule) -> Value {
    let status = json!(object.status);
    let conditions = status["conditions"].as_array().into_iter().flatten();
    // Whether a key is valid is remembered while nobody can be asked.
    let shown = conditions.filter(|condition| condition["type"] != "CredentialsValid");
    let mut present: Map<_, _> = shown
        .map(|condition| {
            let parts = ["status", "reason", "message"].map(|part| condition[part].clone());
            (
                condition["type"].as_str().unwrap_or_default().to_owned(),
                json!(parts),
            )
        })
        .collect();
    if condition(object, "Ready").is_some_and(|ready| ready.status == "True") {
        for field in [
            "schedule",
            "observed",
            "difference",
            "timeZone",
            "apiKey",
            "portal",
        ] {
            present.insert(field.into(), status[field].clone());
        }
    }
    present.into()
}
