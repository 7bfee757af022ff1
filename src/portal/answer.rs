//! Tells DocSpace's answers apart: what a status and the shape of its body mean (traps 10 to 12, 16 and 17).
//!
//! 1. A success is status 200 and `{status: 0, count, response?}`; what `response` must be depends on the call.
//! 2. An application error is `{status: 1, error: {message, type, …}}`; ProblemDetails come from validation (under
//!    `response`) and from a portal's state (bare); 401, missing routes, a key without permission and 429 are empty.
//! 3. Anything else comes from something else. Only the HTTP status counts, never the body's statusCode (R 141).

use serde_json::{Map, Value};

use super::{
    Failure,
    call::Call,
    text::{Secrets, clean},
};

/// An answer as it came in.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Origin of a redirect's target, if it is another one than the portal's.
    pub redirect: Option<String>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Why an answer is none: the failure and what to say of it, without the portal's address.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of failure.
    pub failure: Failure,
    /// What happened, and what to do.
    pub text: String,
}

/// What a successful answer carries.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// `response`.
    Response(Value),
    /// No `response`, and a count of 0: DocSpace's way to say that there is none. Also how `keys/@self` is read for a
    /// token that is no API key.
    Nothing,
}

/// DocSpace's way to say no.
struct AppError {
    kind: String,
    message: String,
}

/// What a body looks like.
enum Shape {
    Empty,
    Envelope(Map<String, Value>),
    AppError(AppError),
    /// Validation's texts, where there are any; `bare` when it is not under `response`.
    Problem {
        texts: Vec<String>,
        bare: bool,
    },
    OtherJson,
    NotJson,
}

/// What the answer carries, or why it carries nothing. What DocSpace says is repeated without the secrets.
pub fn classify(call: Call, reply: &Reply, secrets: &Secrets) -> Result<Content, Refusal> {
    let shape = shape(&reply.body, secrets);
    let status = reply.status;
    let refuse = |failure, what: &str| {
        Err(Refusal {
            failure,
            text: format!("HTTP {status}{what}"),
        })
    };
    let (failure, what) = match status {
        200 => return success(shape),
        300..=399 => (Failure::Redirected, redirected(reply)),
        400 => bad_request(call, &shape),
        401 => (Failure::Unauthorized, UNAUTHORIZED.into()),
        402 => (
            Failure::PlanNotAllowed,
            said(&shape).unwrap_or_else(|| ": the portal's plan does not allow it".into()),
        ),
        403 => forbidden(call, &shape),
        404 => not_found(&shape),
        429 => (
            Failure::RateLimited,
            ": too many requests by the user of this API key or token".into(),
        ),
        500 if call == Call::Key && is_no_key(&shape) => return Ok(Content::Nothing),
        500..=599 => server_error(call, status, &shape),
        _ => match said(&shape) {
            Some(said) => (Failure::ServerError, said),
            None => (Failure::NotDocSpace, not_docspace(&shape)),
        },
    };
    refuse(failure, &what)
}

const UNAUTHORIZED: &str = ": the portal does not know this API key or token (mistyped, expired, disabled, or of \
                            another portal), or does not know itself by this host name";
const UNAVAILABLE: &str = ": the portal is being transferred, restored or encrypted";
const DATABASE_DOWN: &str = ": DocSpace cannot reach its database";

/// An answer with status 200 that is not what the call gives.
pub fn unexpected(what: &str) -> Refusal {
    Refusal {
        failure: Failure::NotDocSpace,
        text: format!(
            "HTTP 200, but the answer is not DocSpace's: {what}; check the portal's URL and Host header"
        ),
    }
}

fn success(shape: Shape) -> Result<Content, Refusal> {
    let Shape::Envelope(mut envelope) = shape else {
        return Err(unexpected(describe(&shape)));
    };
    if integer(envelope.get("status")) != Some(0) {
        return Err(unexpected("its status is not 0"));
    }
    let count = integer(envelope.get("count"));
    match (envelope.remove("response"), count) {
        (Some(response), Some(_)) => Ok(Content::Response(response)),
        (None, Some(0)) => Ok(Content::Nothing),
        _ => Err(unexpected("it has no count")),
    }
}

fn redirected(reply: &Reply) -> String {
    match &reply.redirect {
        Some(target) => format!(
            ": a redirect to {target}, which is not followed; if that is the portal, write its address into the URL"
        ),
        None => ": a redirect, which is not followed; write the portal's own address into the URL".into(),
    }
}

/// nginx answers 400 with a page of its own to http on its https port; a write is refused by it all the same.
fn bad_request(call: Call, shape: &Shape) -> (Failure, String) {
    match said(shape) {
        Some(said) => (Failure::Rejected, said),
        None if call.is_write() || matches!(shape, Shape::Empty) => (
            Failure::Rejected,
            ": the request was refused without a reason".into(),
        ),
        None => (Failure::NotDocSpace, not_docspace(shape)),
    }
}

fn forbidden(call: Call, shape: &Shape) -> (Failure, String) {
    const USER: &str = "; the owner of the API key must be allowed to edit the portal's settings";
    const FOLDER: &str = " and to write to the folder";
    const DUMP: &str = ", and dump needs a standalone server without limited access space";
    match shape {
        Shape::Empty => (
            Failure::KeyNotAllowed,
            ": the API key may not do this; give it all permissions (DocSpace has none for backups alone)"
                .into(),
        ),
        // Says nothing about the portal here, but that the key may not read its settings (R 814, 823, 825).
        Shape::Problem { bare: true, .. } if matches!(call, Call::Settings) => (
            Failure::KeyNotAllowed,
            ": the API key may not read the portal's settings; give it all permissions".into(),
        ),
        Shape::Problem { bare: true, .. } => (Failure::PortalUnavailable, UNAVAILABLE.into()),
        Shape::AppError(error)
            if error.kind == "System.InvalidOperationException" || error.is_of_database() =>
        {
            (Failure::DatabaseDown, DATABASE_DOWN.into())
        }
        Shape::AppError(error) => {
            let folder = if matches!(call, Call::Create) { FOLDER } else { "" };
            (
                Failure::UserNotAllowed,
                format!(": {}{USER}{folder}{DUMP}", error.message),
            )
        }
        _ => (Failure::NotDocSpace, not_docspace(shape)),
    }
}

fn not_found(shape: &Shape) -> (Failure, String) {
    match shape {
        Shape::Problem { bare: true, .. } => (Failure::PortalGone, ": the portal is suspended or removed".into()),
        Shape::AppError(error) => (Failure::FolderNotFound, format!(": {}; check folderId", error.message)),
        _ => (
            Failure::RouteNotFound,
            ": DocSpace's API is not there; the URL must be the portal's own address (or the service `router` beside \
             DocSpace's Helm chart)"
                .into(),
        ),
    }
}

/// What `keys/@self` says of a session token (R 429, 430, 453).
fn is_no_key(shape: &Shape) -> bool {
    matches!(shape, Shape::AppError(error) if error.kind == "System.NullReferenceException")
}

fn server_error(call: Call, status: u16, shape: &Shape) -> (Failure, String) {
    match shape {
        Shape::AppError(error) if error.is_of_database() => (Failure::DatabaseDown, DATABASE_DOWN.into()),
        Shape::AppError(error) if status == 500 && call == Call::Create && error.names_a_bad_value() => {
            (Failure::Rejected, format!(": {}", error.message))
        }
        Shape::AppError(_) | Shape::Problem { .. } => (
            Failure::ServerError,
            said(shape).unwrap_or_else(|| " without a message".into()),
        ),
        // nginx has 500 pages of its own, too.
        Shape::NotJson => (Failure::Proxy, " from a proxy in front of DocSpace".into()),
        _ if status != 500 => (Failure::Proxy, " from a proxy in front of DocSpace".into()),
        _ => (Failure::ServerError, " without a message".into()),
    }
}

impl AppError {
    /// The database or its driver failed (R 375, 376, 908).
    fn is_of_database(&self) -> bool {
        [
            "Microsoft.EntityFrameworkCore.",
            "MySqlConnector.",
            "MySql.",
            "Npgsql.",
            "System.Data.",
        ]
        .iter()
        .any(|driver| self.kind.starts_with(driver))
    }

    /// A value that was sent is at fault, found before anything was written: a key that the storage needs is not
    /// there (R 30, 33), a value cannot be read or makes no cron expression (R 66–107), or the storage is not to be
    /// had on this server (R 357). `NullReferenceException` (R 130, 183) names nothing: DocSpace gives it for values
    /// that are never sent here, so it counts as the server's own fault. Overflow is what .NET calls a number that
    /// can be read, and is too large (not recorded).
    fn names_a_bad_value(&self) -> bool {
        match self.kind.as_str() {
            "System.Collections.Generic.KeyNotFoundException"
            | "System.FormatException"
            | "System.OverflowException" => true,
            "System.Exception" => self.message == "Access denied",
            _ => false,
        }
    }
}

/// What DocSpace itself says, if it says something.
fn said(shape: &Shape) -> Option<String> {
    match shape {
        Shape::AppError(error) if !error.message.is_empty() => Some(format!(": {}", error.message)),
        Shape::Problem { texts, .. } if !texts.is_empty() => Some(format!(": {}", clean(&texts.join("; ")))),
        _ => None,
    }
}

fn not_docspace(shape: &Shape) -> String {
    format!(
        ", and the answer is not DocSpace's: {}; check the portal's URL and Host header",
        describe(shape)
    )
}

fn describe(shape: &Shape) -> &'static str {
    match shape {
        Shape::Empty => "it is empty",
        Shape::NotJson => "it is a web page or plain text",
        Shape::Envelope(_) | Shape::OtherJson => "it is JSON of another kind",
        Shape::AppError(_) | Shape::Problem { .. } => "it is an error with another status",
    }
}

fn shape(body: &[u8], secrets: &Secrets) -> Shape {
    if body.trim_ascii().is_empty() {
        return Shape::Empty;
    }
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return Shape::NotJson;
    };
    let Value::Object(json) = json else {
        return Shape::OtherJson;
    };
    if let Some(Value::Object(error)) = json.get("error") {
        let text = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let message = secrets.clean(text("message"));
        return Shape::AppError(AppError {
            kind: text("type").into(),
            message,
        });
    }
    if is_problem(&json) {
        return Shape::Problem {
            texts: problem_texts(&json, secrets),
            bare: true,
        };
    }
    match json.get("response") {
        Some(Value::Object(problem)) if is_problem(problem) => Shape::Problem {
            texts: problem_texts(problem, secrets),
            bare: false,
        },
        _ if json.contains_key("status") => Shape::Envelope(json),
        _ => Shape::OtherJson,
    }
}

/// ProblemDetails as ASP.NET writes them: type, title and status, without a count.
fn is_problem(json: &Map<String, Value>) -> bool {
    json.get("title").is_some_and(Value::is_string)
        && json.get("status").is_some_and(Value::is_number)
        && json.get("type").is_some_and(Value::is_string)
}

/// `field: text` for each error, without the position in the body that was sent; else the title (R 141).
fn problem_texts(problem: &Map<String, Value>, secrets: &Secrets) -> Vec<String> {
    let Some(Value::Object(errors)) = problem.get("errors") else {
        let title = problem
            .get("title")
            .and_then(Value::as_str)
            .map(|title| secrets.clean(title));
        return title.filter(|title| !title.is_empty()).into_iter().collect();
    };
    let mut texts = Vec::new();
    for (field, errors) in errors {
        let field = field.trim_start_matches("$.");
        for error in errors.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let error = error.split(" Path: ").next().unwrap_or_default();
            texts.push(format!("{}: {}", secrets.clean(field), secrets.clean(error)));
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
