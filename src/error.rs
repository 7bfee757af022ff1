//! An error with its causes, for logs and messages.

use std::{io, path::Path};

/// Any error, for what ends a command.
pub type BoxError = Box<dyn std::error::Error>;

/// The message that a file cannot be read, with its name.
pub fn cannot_read(file: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("cannot read {}: {error}", file.display())
}

/// Where a text is no YAML. The error itself repeats lines around it, which may hold a secret.
pub fn place(error: &serde_saphyr::Error) -> String {
    error.location().map_or_else(
        || "its end is missing".into(),
        |at| format!("see line {}, column {}", at.line(), at.column()),
    )
}

/// An error with all its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
