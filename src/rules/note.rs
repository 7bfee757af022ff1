//! An Event before it is published.

/// An Event to publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// Whether its type is Warning.
    pub warning: bool,
    /// In CamelCase; docs/conditions.md lists them.
    pub reason: String,
    /// For people.
    pub text: String,
}

impl Note {
    /// An Event of type Normal.
    pub fn normal(reason: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            warning: false,
            reason: reason.into(),
            text: text.into(),
        }
    }

    /// An Event of type Warning: a person should look at it.
    pub fn warning(reason: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::normal(reason, text)
        }
    }
}
