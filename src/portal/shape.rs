//! The shape of an answer's body, independent of its status.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    portal::{
        json::{Scalar, entries, fields, values},
        redact::Redactor,
    },
    text::{MAX_CHARS, cut},
};

/// Further fields and errors of a validation are not told.
const MOST_ERRORS: usize = 16;

/// The shape of a body. Its texts come out through [`Self::said`] only.
#[derive(Debug)]
pub enum Shape<'a> {
    /// No body: 401, missing routes, a key without permission, 429.
    Empty,
    /// A JSON object with a status: `{response?, count, links, status, statusCode}` when it is DocSpace's.
    Envelope(Envelope<'a>),
    /// `{status: 1, statusCode, error: {message, type, stack, hresult}}`
    AppError(AppError<'a>),
    /// ProblemDetails: of a validation (under `response`), or of a portal's state (bare).
    Problem {
        /// What it says.
        problem: Problem<'a>,
        /// Not under `response`.
        bare: bool,
    },
    /// Other JSON, not from DocSpace.
    OtherJson,
    /// A web page or plain text, not from DocSpace.
    NotJson,
}

/// A JSON object with a status.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// Its status, if that is a whole number; 0 for success.
    pub status: Option<i64>,
    /// Its count, if that is a whole number.
    pub count: Option<i64>,
    /// Its response.
    pub response: Option<&'a RawValue>,
}

/// An error of DocSpace.
#[derive(Debug)]
pub struct AppError<'a> {
    /// The .NET type of the exception.
    kind: Cow<'a, str>,
    /// Its message; may be empty.
    message: Cow<'a, str>,
}

impl AppError<'_> {
    /// Whether it is an exception of this .NET type.
    pub fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

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
        match &*self.kind {
            "System.Collections.Generic.KeyNotFoundException"
            | "System.FormatException"
            | "System.OverflowException" => true,
            "System.Exception" => self.message == "Access denied",
            _ => false,
        }
    }
}

/// ProblemDetails as DocSpace gives them.
#[derive(Debug)]
pub struct Problem<'a> {
    title: Cow<'a, str>,
    /// The errors by field, if it names any.
    errors: Option<&'a RawValue>,
}

impl<'a> Shape<'a> {
    /// The shape of this body.
    pub fn of(body: &'a [u8]) -> Self {
        if body.trim_ascii().is_empty() {
            return Self::Empty;
        }
        let Ok(body) = str::from_utf8(body) else {
            return Self::NotJson;
        };
        let names = [
            "status",
            "count",
            "response",
            "statusCode",
            "error",
            "title",
            "type",
            "traceId",
            "errors",
        ];
        let Ok(
            [
                status,
                count,
                response,
                status_code,
                error,
                title,
                kind,
                trace_id,
                errors,
            ],
        ) = fields(body, &names)
        else {
            let is_json = serde_json::from_str::<&RawValue>(body).is_ok();
            return if is_json { Self::OtherJson } else { Self::NotJson };
        };
        let number = status.map(Scalar::of).as_ref().and_then(Scalar::whole);
        if number == Some(1)
            && is_number(status_code)
            && let Some(error) = error.and_then(app_error)
        {
            return Self::AppError(error);
        }
        if let Some(problem) = problem([status, title, kind, trace_id, errors]) {
            return Self::Problem { problem, bare: true };
        }
        let names = ["status", "title", "type", "traceId", "errors"];
        let wrapped = response.and_then(|response| fields(response.get(), &names).ok());
        match (wrapped.and_then(problem), status) {
            (Some(problem), _) => Self::Problem { problem, bare: false },
            (None, Some(_)) => Self::Envelope(Envelope {
                status: number,
                count: count.map(Scalar::of).as_ref().and_then(Scalar::whole),
                response,
            }),
            (None, None) => Self::OtherJson,
        }
    }

    /// DocSpace's own message without secrets, if there is one.
    pub fn said(&self, redactor: &Redactor) -> Option<String> {
        let text = match self {
            Self::AppError(error) => redactor.clean(&error.message),
            Self::Problem { problem, .. } => problem.said(redactor),
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

fn is_number(value: Option<&RawValue>) -> bool {
    matches!(value.map(Scalar::of), Some(Scalar::Number(_)))
}

fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    match Scalar::of(value?) {
        Scalar::Text(text) => Some(text),
        _ => None,
    }
}

/// Other software has `error` objects, too, but not with a .NET stack.
fn app_error(error: &RawValue) -> Option<AppError<'_>> {
    let [kind, message, stack] = fields(error.get(), &["type", "message", "stack"]).ok()?;
    stack.filter(|stack| stack.get().starts_with('"'))?;
    Some(AppError {
        kind: text(kind)?,
        message: text(message).unwrap_or_default(),
    })
}

/// ProblemDetails of ASP.NET, as DocSpace gives them.
fn problem([status, title, kind, trace_id, errors]: [Option<&RawValue>; 5]) -> Option<Problem<'_>> {
    const TYPES: &str = "https://tools.ietf.org/html/rfc9110#section-15.5.";
    let is_docspaces = is_number(status) && text(kind)?.starts_with(TYPES) && text(trace_id).is_some();
    is_docspaces.then_some(Problem {
        title: text(title)?,
        errors: errors.filter(|errors| errors.get().starts_with('{')),
    })
}

impl Problem<'_> {
    /// `field: text` for each error, without its position in the sent body; else the title (R 141).
    fn said(&self, redactor: &Redactor) -> String {
        let Some(errors) = self.errors else {
            return redactor.clean(&self.title);
        };
        let (mut texts, mut left) = (Vec::new(), MOST_ERRORS);
        let _ = entries(errors, |field, errors| {
            let field = redactor.clean(field.trim_start_matches("$."));
            let _ = values(errors, |error| {
                if let Some(error) = text(Some(error)) {
                    let error = redactor.clean(error.split(" Path: ").next().unwrap_or_default());
                    texts.push(format!("{field}: {error}"));
                }
                one_less(&mut left)
            });
            one_less(&mut left)
        });
        cut(&texts.join("; "), MAX_CHARS)
    }
}

/// Ends with an error when nothing is left.
fn one_less(left: &mut usize) -> Result<(), ()> {
    *left = left.saturating_sub(1);
    if *left > 0 { Ok(()) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::portal::redact::Secrets;

    fn said(errors: &Value) -> String {
        let problem = json!({
            "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1", "title": "One or more errors", "status": 400,
            "errors": errors, "traceId": "00-1",
        });
        let (body, secrets) = (problem.to_string(), Secrets::of_key(&"sk-key".into()));
        let said = Shape::of(body.as_bytes()).said(&Redactor::of(&secrets));
        said.expect("it says something")
    }

    #[test]
    fn only_the_first_errors_of_a_validation_are_told() {
        let few = json!({"$.hour": ["too late. Path: $.hour"], "day": ["wrong", 7, "odd"]});
        assert_eq!(said(&few), "hour: too late.; day: wrong; day: odd");
        // A field counts like an error.
        let fields: Value = ('a'..='z')
            .map(|field| (field.to_string(), json!(["no"])))
            .collect();
        assert_eq!(said(&fields).split("; ").count(), MOST_ERRORS / 2);
        let errors = json!({"a": vec!["no"; 100], "b": ["no"]});
        let said = said(&errors);
        assert_eq!(
            (said.split("; ").count(), said.contains("b:")),
            (MOST_ERRORS, false)
        );
    }
}
