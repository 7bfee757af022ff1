//! The figures of a field.

use std::{collections::BTreeMap, fmt};

/// What was done with a field, and how it ended.
#[derive(Clone, Debug, Default)]
pub struct Line {
    field: String,
    pub values: usize,
    pub transitions: usize,
    pub refusals: usize,
    pub posts: u64,
    pub calls: u64,
    /// The most calls to the portal of one step.
    pub most_calls: u64,
    outcomes: BTreeMap<String, usize>,
}

impl Line {
    /// Of this field.
    pub fn of(field: &str) -> Self {
        Self {
            field: field.into(),
            ..Self::default()
        }
    }

    /// A step ended for this reason.
    pub fn counts(&mut self, reason: &str) {
        *self.outcomes.entry(reason.into()).or_default() += 1;
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes: Vec<_> = self
            .outcomes
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        write!(
            f,
            "{}: {} values, {} changes ({}), {} refusals, {} writes, {} calls, at most {} a change",
            self.field,
            self.values,
            self.transitions,
            outcomes.join(", "),
            self.refusals,
            self.posts,
            self.calls,
            self.most_calls
        )
    }
}
