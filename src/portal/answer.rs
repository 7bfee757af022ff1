//! Tells DocSpace's answers apart: what a status and the shape of its body mean (traps 10 to 12, 16 and 17).
//!
//! 1. A success is status 200 and `{status: 0, count, response?}`; what `response` must be depends on the call.
//! 2. A refusal of DocSpace's has one of its own shapes, or is empty where DocSpace's is.
//! 3. Anything else comes from something else. Only the HTTP status counts, never the body's statusCode (R 141).

use serde_json::Value;

use crate::portal::{
    Failure,
    call::Call,
    redact::Redactor,
    shape::{Shape, integer},
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

const UNAUTHORIZED: &str = "the portal does not know this API key or token (mistyped, expired, disabled, or of \
                            another portal), or does not know itself by this host name";
const KEY_NOT_ALLOWED: &str =
    "the API key may not do this; give it all permissions (DocSpace has none for backups alone)";
const NO_SETTINGS: &str = "the API key may not read the portal's settings; give it all permissions";
const USER_NOT_ALLOWED: &str = "the owner of the API key must be allowed to edit the portal's settings (and to write \
                                to the folder, if one is named); a dump needs a standalone server without limited \
                                access space";
const UNAVAILABLE: &str = "the portal is being transferred, restored or encrypted";
const DATABASE_DOWN: &str = "DocSpace's database does not answer";
const GONE: &str = "the portal is suspended or removed";
const NO_ROUTE: &str = "DocSpace's API is not there; the URL must be the portal's own address, or the service router \
                        of DocSpace's Helm chart";
const RATE_LIMITED: &str = "too many requests by the user of this API key or token";
const CHECK_ADDRESS: &str = "check the portal's URL and Host header";

/// What the answer carries, or why it carries nothing. What DocSpace says is repeated without the secrets.
pub fn classify(call: Call, reply: &Reply, redactor: &Redactor) -> Result<Content, Refusal> {
    let status = reply.status;
    let shape = Shape::of(&reply.body, redactor);
    let (failure, what) = match status {
        200 => return success(shape),
        300..=399 => (Failure::Redirected, redirected(reply, redactor)),
        400 => bad_request(call, &shape),
        401 => (Failure::Unauthorized, UNAUTHORIZED.into()),
        402 => (Failure::PlanNotAllowed, said(&shape)),
        403 => forbidden(call, &shape),
        404 => not_found(&shape),
        429 => (Failure::RateLimited, RATE_LIMITED.into()),
        500 if call == Call::Key && is_no_key(&shape) => return Ok(Content::Nothing),
        500..=599 => return Err(server_error(call, status, &shape)),
        _ => match shape.said() {
            Some(said) => (Failure::ServerError, said),
            None => (Failure::NotDocSpace, not_docspace(&shape)),
        },
    };
    Err(refusal(failure, status, &what))
}

fn refusal(failure: Failure, status: u16, what: &str) -> Refusal {
    let text = format!("HTTP {status}: {what}");
    Refusal { failure, text }
}

/// An answer with status 200 that is not what the call gives.
pub fn unexpected(what: &str) -> Refusal {
    let what = format!("the answer is not DocSpace's: {what}; {CHECK_ADDRESS}");
    refusal(Failure::NotDocSpace, 200, &what)
}

fn success(shape: Shape) -> Result<Content, Refusal> {
    let Shape::Envelope(mut envelope) = shape else {
        return Err(unexpected(shape.describe()));
    };
    if integer(envelope.get("status")) != Some(0) {
        return Err(unexpected("its status is not 0"));
    }
    let count = integer(envelope.get("count"));
    match (envelope.remove("response"), count) {
        (Some(response), Some(_)) => Ok(Content::Response(response)),
        (None, Some(0)) => Ok(Content::Nothing),
        _ => Err(unexpected("it has neither a response nor a count of 0")),
    }
}

fn redirected(reply: &Reply, redactor: &Redactor) -> String {
    match reply.redirect.as_deref().map(|target| redactor.clean(target)) {
        Some(target) => format!(
            "a redirect to {target}, which is not followed; if that is the portal, write its address into the URL"
        ),
        None => "a redirect, which is not followed; write the portal's own address into the URL".into(),
    }
}

/// nginx answers 400 with a page of its own to http on its https port; a write is refused by it all the same.
fn bad_request(call: Call, shape: &Shape) -> (Failure, String) {
    if shape.said().is_some() || call.is_write() || matches!(shape, Shape::Empty) {
        (Failure::Rejected, said(shape))
    } else {
        (Failure::NotDocSpace, not_docspace(shape))
    }
}

fn forbidden(call: Call, shape: &Shape) -> (Failure, String) {
    match shape {
        Shape::Empty => (Failure::KeyNotAllowed, KEY_NOT_ALLOWED.into()),
        // Says nothing about the portal here, but that the key may not read its settings (R 814, 823, 825).
        Shape::Problem { bare: true, .. } if call == Call::Settings => {
            (Failure::KeyNotAllowed, NO_SETTINGS.into())
        }
        Shape::Problem { bare: true, .. } => (Failure::PortalUnavailable, UNAVAILABLE.into()),
        Shape::AppError(error)
            if error.kind == "System.InvalidOperationException" || error.is_of_database() =>
        {
            (Failure::DatabaseDown, DATABASE_DOWN.into())
        }
        Shape::AppError(_) => (
            Failure::UserNotAllowed,
            format!("{}; {USER_NOT_ALLOWED}", said(shape)),
        ),
        _ => (Failure::NotDocSpace, not_docspace(shape)),
    }
}

fn not_found(shape: &Shape) -> (Failure, String) {
    match shape {
        Shape::Problem { bare: true, .. } => (Failure::PortalGone, GONE.into()),
        Shape::AppError(_) => (
            Failure::FolderNotFound,
            format!("{}; check folderId", said(shape)),
        ),
        _ => (Failure::RouteNotFound, NO_ROUTE.into()),
    }
}

/// What `keys/@self` says of a session token (R 429, 430, 453).
fn is_no_key(shape: &Shape) -> bool {
    matches!(shape, Shape::AppError(error) if error.kind == "System.NullReferenceException")
}

fn server_error(call: Call, status: u16, shape: &Shape) -> Refusal {
    let failure = match shape {
        Shape::AppError(error) if error.is_of_database() => {
            return refusal(Failure::DatabaseDown, status, DATABASE_DOWN);
        }
        Shape::AppError(error) if status == 500 && call == Call::Create && error.names_a_bad_value() => {
            Failure::Rejected
        }
        Shape::AppError(_) | Shape::Problem { .. } => Failure::ServerError,
        // DocSpace itself gives no page, but nginx has one for 500, too.
        Shape::Empty | Shape::Envelope(_) | Shape::OtherJson if status == 500 => Failure::ServerError,
        _ => {
            let text = format!("HTTP {status} from a proxy in front of DocSpace");
            return Refusal {
                failure: Failure::Proxy,
                text,
            };
        }
    };
    refusal(failure, status, &said(shape))
}

fn said(shape: &Shape) -> String {
    shape.said().unwrap_or_else(|| "no reason was given".into())
}

fn not_docspace(shape: &Shape) -> String {
    format!(
        "the answer is not DocSpace's: {}; {CHECK_ADDRESS}",
        shape.describe()
    )
}

/// What a call gives, or why the answer cannot be DocSpace's.
pub type Read<T> = Result<T, Refusal>;
