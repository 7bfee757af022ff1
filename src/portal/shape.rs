//! The shape of an answer's body, independent of its status.

use serde_json::{Map, Value};

use crate::portal::{redact::Redactor, text::clean};

/// The shape of a body. Its texts are cleaned for display.
#[derive(Debug, PartialEq)]
pub enum Shape {
    /// No body: 401, missing routes, a key without permission, 429.
    Empty,
    /// A JSON object with a status: `{response?, count, links, status, statusCode}` when it is DocSpace's.
    Envelope(Map<String, Value>),
    /// `{status: 1, statusCode, error: {message, type, stack, hresult}}`
    AppError(AppError),
    /// ProblemDetails: of a validation (under `response`), or of a portal's state (bare).
    Problem {
        /// The errors, if it names any.
        texts: Vec<String>,
        /// Not under `response`.
        bare: bool,
    },
    /// Other JSON, not from DocSpace.
    OtherJson,
    /// A web page or plain text, not from DocSpace.
    NotJson,
}

/// An error of DocSpace.
#[derive(Debug, PartialEq)]
pub struct AppError {
    /// The .NET type of the exception.
    pub kind: String,
    /// Its message; may be empty.
    pub message: String,
    /// Its message is exactly "Access denied". Stored, because a secret may be a part of that and hidden in the
    /// message.
    pub denies_access: bool,
}

impl AppError {
    /// Whether the database or its driver failed (R 375, 376). `DbUpdateException` (R 908) does not count, because it
    /// also reports values that the database refuses.
    pub fn is_of_database(&self) -> bool {
        const DRIVERS: [&str; 3] = [
            "Microsoft.EntityFrameworkCore.Storage.",
            "MySqlConnector.",
            "Npgsql.",
        ];
        DRIVERS.iter().any(|driver| self.kind.starts_with(driver))
    }

    /// Whether a sent value is at fault, found before anything was written: a storage key is missing (R 30, 33), a
    /// value cannot be read or makes no cron expression (R 66–107), or the server does not offer the storage (R 357).
    /// `NullReferenceException` (R 130, 183) names no value: DocSpace gives it for values that the operator never
    /// sends, so it counts as the server's fault. .NET gives `OverflowException` for a number that is too large (not
    /// recorded).
    pub fn names_a_bad_value(&self) -> bool {
        match self.kind.as_str() {
            "System.Collections.Generic.KeyNotFoundException"
            | "System.FormatException"
            | "System.OverflowException" => true,
            "System.Exception" => self.denies_access,
            _ => false,
        }
    }
}

impl Shape {
    /// The shape of this body, with secrets removed from its texts.
    pub fn of(body: &[u8], redactor: &Redactor) -> Self {
        if body.trim_ascii().is_empty() {
            return Self::Empty;
        }
        let json = match serde_json::from_slice(body) {
            Ok(Value::Object(json)) => json,
            Ok(_) => return Self::OtherJson,
            Err(_) => return Self::NotJson,
        };
        if let Some(error) = app_error(&json, redactor) {
            return Self::AppError(error);
        }
        if is_problem(&json) {
            return Self::Problem {
                texts: problem_texts(&json, redactor),
                bare: true,
            };
        }
        match json.get("response") {
            Some(Value::Object(problem)) if is_problem(problem) => Self::Problem {
                texts: problem_texts(problem, redactor),
                bare: false,
            },
            _ if json.contains_key("status") => Self::Envelope(json),
            _ => Self::OtherJson,
        }
    }

    /// DocSpace's own message, if there is one.
    pub fn said(&self) -> Option<String> {
        let text = match self {
            Self::AppError(error) => error.message.clone(),
            Self::Problem { texts, .. } => clean(&texts.join("; ")),
            _ => String::new(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// A description of an answer that is not DocSpace's.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Empty => "it is empty",
            Self::NotJson => "it is a web page or plain text",
            Self::Envelope(_) | Self::OtherJson => "it is JSON of another kind",
            Self::AppError(_) | Self::Problem { .. } => "it is an error with another status",
        }
    }
}

/// Other software has `error` objects, too, but without DocSpace's status.
fn app_error(json: &Map<String, Value>, redactor: &Redactor) -> Option<AppError> {
    let error = json.get("error")?.as_object()?;
    let kind = error.get("type")?.as_str()?.to_owned();
    let said = error.get("message").and_then(Value::as_str).unwrap_or_default();
    (integer(json.get("status")) == Some(1)).then(|| AppError {
        kind,
        message: redactor.clean(said),
        denies_access: said == "Access denied",
    })
}

/// ProblemDetails of ASP.NET.
fn is_problem(json: &Map<String, Value>) -> bool {
    json.get("title").is_some_and(Value::is_string)
        && json.get("status").is_some_and(Value::is_number)
        && json.get("type").is_some_and(Value::is_string)
}

/// `field: text` for each error, without its position in the sent body; else the title (R 141).
fn problem_texts(problem: &Map<String, Value>, redactor: &Redactor) -> Vec<String> {
    let Some(Value::Object(errors)) = problem.get("errors") else {
        let title = problem.get("title").and_then(Value::as_str).unwrap_or_default();
        return vec![redactor.clean(title)];
    };
    let mut texts = Vec::new();
    for (field, errors) in errors {
        let field = redactor.clean(field.trim_start_matches("$."));
        for error in errors.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let error = error.split(" Path: ").next().unwrap_or_default();
            texts.push(format!("{field}: {}", redactor.clean(error)));
        }
    }
    texts
}

/// A whole number, also as text.
pub fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
