//! Classifies DocSpace's answers by status and shape of the body (traps 10 to 12, 16 and 17).
//!
//! 1. A success is status 200 and `{status: 0, count, response?}`. The call determines what `response` must be.
//! 2. A refusal by DocSpace has one of its own shapes, or is empty where DocSpace's is.
//! 3. Any other answer is not DocSpace's. Only the HTTP status counts, never the body's statusCode (R 141).

use serde_json::value::RawValue;

use crate::{
    portal::{
        Failure,
        call::Call,
        redact::Redactor,
        shape::{Envelope, Shape},
    },
    shares::Share,
};

/// An answer as received.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Origin of a redirect's target, if it differs from the portal's.
    pub redirect: Option<String>,
    /// It challenges with a login that DocSpace does not ask of a Bearer key: Basic, Digest, Negotiate, …
    pub asks_for_login: bool,
    /// The whole body.
    pub body: Vec<u8>,
    /// The room for it, if it is large.
    pub share: Option<Share>,
}

/// Why an answer is not a success: the failure and its text, without the portal's address.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of failure.
    pub failure: Failure,
    /// What happened, and what to do.
    pub text: String,
    /// Whether the answer has one of DocSpace's own shapes. An empty one may be a proxy's.
    pub is_docspaces: bool,
}

impl Refusal {
    /// A refusal by something else than DocSpace, or by something that cannot be told from it.
    pub fn new(failure: Failure, text: String) -> Self {
        Self {
            failure,
            text,
            is_docspaces: false,
        }
    }
}

/// What a successful answer carries.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// `response`.
    Response(&'a RawValue),
    /// No `response`, and a count of 0: DocSpace has none. Also used when `keys/@self` is called with a token that is
    /// not an API key.
    Nothing,
}

const UNAUTHORIZED: &str = "the portal does not accept the API key or token (mistyped, expired, disabled, or of \
                            another portal), or does not know this host name; put a valid key into the Secret of \
                            portal.apiKeySecretRef, or correct portal.url and portal.hostHeader";
const BASE_PATH: &str = "StorageBasePath is the value of filePath or folderId, counted in UTF-16 units";
const OTHER_LOGIN: &str = "something in front of DocSpace, not DocSpace, asks for a login of its own; let /api/2.0 \
                           pass without that login, or set portal.url to an address behind it";
const PROXY_LOGIN: &str = "the proxy asks for a login; put user and password into the operator's HTTP_PROXY, or except \
                           the portal's host in NO_PROXY";
const KEY_NOT_ALLOWED: &str = "the API key lacks the permission for this call; use a key with all permissions \
                               (DocSpace has none for backups alone)";
const NO_SETTINGS: &str =
    "the API key lacks the permission to read the portal's settings; use a key with all permissions";
const USER_NOT_ALLOWED: &str = "the owner of the API key must be allowed to edit the portal's settings (and to write \
                                to the folder of folderId, if one is named); a dump needs a standalone server without limited \
                                access space";
const PLAN_NOT_ALLOWED: &str =
    "the plan has no automatic backup, or a payment is due; see the portal's payments page";
const UNAVAILABLE: &str = "the portal is being transferred, restored or encrypted; wait until that has ended";
const DATABASE_DOWN: &str = "DocSpace cannot reach its database; check the database, and the logs of DocSpace's \
                             services backup and api";
const GONE: &str = "the portal is suspended or removed; restore the portal, or delete this object";
const NO_ROUTE: &str = "DocSpace's API is not at this URL; set portal.url to the portal's own address, or to the \
                        service router of DocSpace's Helm chart";
const RATE_LIMITED: &str = "too many requests by the user of this API key or token; use this user's keys for fewer \
                            objects, or set a longer interval";
const FROM_PROXY: &str =
    "from a proxy in front of DocSpace; check the proxy, and that DocSpace runs behind it";
const NO_REASON: &str = "DocSpace gives no reason";
const CHECK_SCHEDULE: &str = "check storageType, storageParams and cronParams";
const CHECK_LOGS: &str = "see the logs of DocSpace's services backup and api";
const CHECK_ADDRESS: &str = "check portal.url and portal.hostHeader";

/// The content of an answer, or the refusal. DocSpace's words are repeated without secrets.
pub fn classify<'a>(call: Call, reply: &'a Reply, redactor: &Redactor) -> Result<Content<'a>, Refusal> {
    let status = reply.status;
    let shape = Shape::of(&reply.body);
    let said = shape.said(redactor);
    let said = said.as_deref();
    let (failure, what) = match status {
        200 => return success(shape),
        300..=399 => (Failure::Redirected, redirected(reply, redactor)),
        400 => bad_request(call, &shape, said),
        401 => unauthorized(reply, &shape),
        402 => (Failure::PlanNotAllowed, with_advice(said, PLAN_NOT_ALLOWED)),
        403 => forbidden(call, &shape, said),
        404 => not_found(&shape, said),
        407 => (Failure::NotDocSpace, PROXY_LOGIN.into()),
        429 => (Failure::RateLimited, RATE_LIMITED.into()),
        500 if call == Call::Key && is_no_key(&shape) => return Ok(Content::Nothing),
        500..=599 => server_error(call, status, &shape, said),
        _ => match said {
            Some(_) => (Failure::ServerError, with_advice(said, CHECK_LOGS)),
            None => (Failure::NotDocSpace, not_docspace(&shape)),
        },
    };
    Err(Refusal {
        is_docspaces: is_docspaces(failure, &shape),
        ..refusal(failure, status, &what)
    })
}

fn refusal(failure: Failure, status: u16, what: &str) -> Refusal {
    let colon = if failure == Failure::Proxy { "" } else { ":" };
    Refusal::new(failure, format!("HTTP {status}{colon} {what}"))
}

/// Only an error of DocSpace tells it from a proxy, whose answers may be empty, too.
fn is_docspaces(failure: Failure, shape: &Shape) -> bool {
    use Failure::{NotDocSpace, Proxy, Redirected, RouteNotFound};
    let of_others = matches!(failure, NotDocSpace | Proxy | Redirected | RouteNotFound);
    !of_others && matches!(shape, Shape::AppError(_) | Shape::Problem { .. })
}

/// An answer with status 200 whose content does not fit the call.
pub fn unexpected(what: &str) -> Refusal {
    let what = format!("the answer is not DocSpace's: {what}; {CHECK_ADDRESS}");
    refusal(Failure::NotDocSpace, 200, &what)
}

fn success(shape: Shape<'_>) -> Result<Content<'_>, Refusal> {
    let Shape::Envelope(Envelope {
        status,
        count,
        response,
    }) = shape
    else {
        return Err(unexpected(shape.describe()));
    };
    if status != Some(0) {
        return Err(unexpected("its status is not 0"));
    }
    match (response, count) {
        (Some(response), Some(_)) => Ok(Content::Response(response)),
        (None, Some(0)) => Ok(Content::Nothing),
        _ => Err(unexpected("it has neither a response nor a count of 0")),
    }
}

fn redirected(reply: &Reply, redactor: &Redactor) -> String {
    match reply.redirect.as_deref().map(|target| redactor.clean(target)) {
        Some(target) => format!(
            "a redirect to {target}, which the operator does not follow; if that is the portal, set portal.url to it"
        ),
        None => "a redirect, which the operator does not follow; set portal.url to the portal's own address"
            .into(),
    }
}

/// nginx answers 400 with its own page to http on its https port. Even then, a write was refused.
fn bad_request(call: Call, shape: &Shape, said: Option<&str>) -> (Failure, String) {
    if said.is_some() || call.is_write() || matches!(shape, Shape::Empty) {
        (Failure::Rejected, rejected(said))
    } else {
        (Failure::NotDocSpace, not_docspace(shape))
    }
}

/// DocSpace's own 401 is empty and challenges nobody who sends a Bearer key.
fn unauthorized(reply: &Reply, shape: &Shape) -> (Failure, String) {
    if reply.asks_for_login || matches!(shape, Shape::NotJson | Shape::OtherJson) {
        (Failure::NotDocSpace, OTHER_LOGIN.into())
    } else {
        (Failure::Unauthorized, UNAUTHORIZED.into())
    }
}

fn forbidden(call: Call, shape: &Shape, said: Option<&str>) -> (Failure, String) {
    match shape {
        Shape::Empty => (Failure::KeyNotAllowed, KEY_NOT_ALLOWED.into()),
        // For this call it only means that the key may not read the settings (R 814, 823, 825).
        Shape::Problem { bare: true, .. } if call == Call::Settings => {
            (Failure::KeyNotAllowed, NO_SETTINGS.into())
        }
        Shape::Problem { bare: true, .. } => (Failure::PortalUnavailable, UNAVAILABLE.into()),
        Shape::AppError(error) if error.is("System.InvalidOperationException") || error.is_of_database() => {
            (Failure::DatabaseDown, DATABASE_DOWN.into())
        }
        Shape::AppError(_) => (Failure::UserNotAllowed, with_advice(said, USER_NOT_ALLOWED)),
        _ => (Failure::NotDocSpace, not_docspace(shape)),
    }
}

fn not_found(shape: &Shape, said: Option<&str>) -> (Failure, String) {
    match shape {
        Shape::Problem { bare: true, .. } => (Failure::PortalGone, GONE.into()),
        Shape::AppError(_) => (Failure::FolderNotFound, with_advice(said, "check folderId")),
        _ => (Failure::RouteNotFound, NO_ROUTE.into()),
    }
}

/// The answer of `keys/@self` to a session token (R 429, 430, 453).
fn is_no_key(shape: &Shape) -> bool {
    matches!(shape, Shape::AppError(error) if error.is("System.NullReferenceException"))
}

fn server_error(call: Call, status: u16, shape: &Shape, said: Option<&str>) -> (Failure, String) {
    let failure = match shape {
        Shape::AppError(error) if error.is_of_database() => {
            return (Failure::DatabaseDown, DATABASE_DOWN.into());
        }
        Shape::AppError(error) if status == 500 && call == Call::Create && error.names_a_bad_value() => {
            return (Failure::Rejected, rejected(said));
        }
        Shape::AppError(_) | Shape::Problem { .. } => Failure::ServerError,
        // A page is nginx's: DocSpace itself sends none.
        Shape::Empty | Shape::Envelope(_) | Shape::OtherJson if status == 500 => Failure::ServerError,
        _ => return (Failure::Proxy, FROM_PROXY.into()),
    };
    (failure, with_advice(said, CHECK_LOGS))
}

/// DocSpace's reason for refusing the schedule usually names the field; without one, the user must look.
fn rejected(said: Option<&str>) -> String {
    match said {
        Some(said) if said.contains("StorageBasePath") => with_advice(Some(said), BASE_PATH),
        Some(said) => said.into(),
        None => format!("{NO_REASON}; {CHECK_SCHEDULE}"),
    }
}

fn with_advice(said: Option<&str>, advice: &str) -> String {
    format!("{}; {advice}", said.unwrap_or(NO_REASON))
}

fn not_docspace(shape: &Shape) -> String {
    format!(
        "the answer is not DocSpace's: {}; {CHECK_ADDRESS}",
        shape.describe()
    )
}

/// The result of a call, or why the answer cannot be DocSpace's.
pub type Read<T> = Result<T, Refusal>;
