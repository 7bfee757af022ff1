//! Faults that tests inject on the way to the server and back.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    answer::Answer, call::Call, change::Change, clock::http_date, portal::Portal, routes::BAD_GATEWAY,
};

/// The body of an injected answer.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultBody {
    /// None.
    Empty,
    /// `{}`.
    EmptyObject,
    /// nginx's page for a service that does not answer (R 970).
    Html,
    /// Any JSON, for example the answer of a server that is not DocSpace.
    Json(Value),
    /// Any text with the JSON content type.
    Text(String),
    /// A JSON text of this many bytes.
    Huge(usize),
    /// These bytes with this content type.
    Raw(&'static str, Vec<u8>),
}

/// A fault: the requests that it affects, and its effect. Without a limit it lasts until it is cleared.
#[derive(Clone, Debug)]
pub struct Fault {
    endpoint: Option<String>,
    method: Option<String>,
    query: Option<&'static str>,
    portal: Option<usize>,
    skips: u64,
    times: Option<u64>,
    pub(crate) after_work: bool,
    /// The Host and the authorization that the request gets instead of its own.
    pub(crate) disguise: Option<(String, Option<String>)>,
    pub(crate) wait: Wait,
    pub(crate) end: End,
}

/// How long a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    For(Duration),
    UntilCleared,
}

/// How a request ends.
#[derive(Clone, Debug)]
pub(crate) enum End {
    AsEver,
    With(Answer),
    Reset,
    Truncated,
    /// With the answer to the last request of the same kind.
    Stale,
    Changed(Change),
}

impl Fault {
    fn of_kind(wait: Wait, end: End) -> Self {
        Self {
            endpoint: None,
            method: None,
            query: None,
            portal: None,
            skips: 0,
            times: None,
            after_work: false,
            disguise: None,
            wait,
            end,
        }
    }

    /// Answers with a status and a body instead of doing the work.
    pub fn answer(status: u16, body: FaultBody) -> Self {
        let json = |text: String| Answer::of_type(status, "application/json; charset=utf-8", text);
        let answer = match body {
            FaultBody::Empty => Answer::empty(status),
            FaultBody::EmptyObject => json("{}".to_owned()),
            FaultBody::Html => Answer::of_type(status, "text/html", BAD_GATEWAY),
            FaultBody::Json(value) => json(value.to_string()),
            FaultBody::Text(text) => json(text),
            FaultBody::Raw(content_type, bytes) => Answer::of_type(status, content_type, bytes),
            FaultBody::Huge(bytes) => json(format!("{{\"response\":\"{}\"}}", "x".repeat(bytes))),
        };
        Self::of_kind(Wait::No, End::With(answer))
    }

    /// The router's 502, in HTML whatever was asked for (R 970–972).
    pub fn bad_gateway() -> Self {
        Self::answer(502, FaultBody::Html)
    }

    /// 429 with an empty body, with the time to wait only where one is given, as by the daily limit (R 902,
    /// 921).
    pub fn too_many_requests(retry_after_seconds: Option<u64>) -> Self {
        let mut answer = Answer::empty(429)
            .with("X-RateLimit-Limit", "1500")
            .with("X-RateLimit-Remaining", "0");
        if let Some(seconds) = retry_after_seconds {
            answer = answer.with("Retry-After", &seconds.to_string());
        }
        Self::of_kind(Wait::No, End::With(answer))
    }

    /// Redirects the caller.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::of_kind(
            Wait::No,
            End::With(Answer::empty(status).with("Location", location)),
        )
    }

    /// Holds the request, then continues normally; the work is done even if the caller has disconnected.
    pub fn delay(time: Duration) -> Self {
        Self::of_kind(Wait::For(time), End::AsEver)
    }

    /// Holds the request until the fault is cleared, then continues normally; the work is done even if the caller has
    /// disconnected, as can happen when the database is down.
    pub fn hang() -> Self {
        Self::of_kind(Wait::UntilCleared, End::AsEver)
    }

    /// Asks for another login, as a proxy does.
    pub fn challenge(scheme: &str) -> Self {
        Self::of_kind(
            Wait::No,
            End::With(Answer::empty(401).with("WWW-Authenticate", scheme)),
        )
    }

    /// Holds the request until the fault is cleared, and then resets the connection; nothing is done.
    pub fn black_hole() -> Self {
        Self::of_kind(Wait::UntilCleared, End::Reset)
    }

    /// Resets the connection instead of doing the work.
    pub fn reset() -> Self {
        Self::of_kind(Wait::No, End::Reset)
    }

    /// Does the work and loses the answer: the connection is reset.
    pub fn lost_answer() -> Self {
        Self::reset().after_work()
    }

    /// Does the work and closes the connection in the middle of the answer's body.
    pub fn truncated() -> Self {
        Self::of_kind(Wait::No, End::Truncated).after_work()
    }

    /// Does the work, and changes the answer.
    pub fn changed(change: Change) -> Self {
        Self::of_kind(Wait::No, End::Changed(change)).after_work()
    }

    /// Repeats the answer to the last request for the same path and query, as a cache would; without one, continues
    /// normally.
    pub fn stale() -> Self {
        Self::of_kind(Wait::No, End::Stale)
    }

    /// Does the work as if this other Host had been named, and with this authorization if there is one.
    pub fn of_another_host(host: &str, authorization: Option<&str>) -> Self {
        Self {
            disguise: Some((host.to_owned(), authorization.map(str::to_owned))),
            ..Self::of_kind(Wait::No, End::AsEver)
        }
    }

    /// Does the work first, so that this fault affects the answer instead of the request.
    pub fn after_work(self) -> Self {
        Self {
            after_work: true,
            ..self
        }
    }

    /// The same, but it holds each request until it is cleared.
    pub fn until_cleared(self) -> Self {
        Self {
            wait: Wait::UntilCleared,
            ..self
        }
    }

    /// With this Date header instead of the clock's, as a proxy with a wrong clock sends it.
    pub fn dated(mut self, date: Timestamp) -> Self {
        if let End::With(answer) = self.end {
            self.end = End::With(answer.with("Date", &http_date(date)));
        }
        self
    }

    /// Only requests to an endpoint, named by its last words: `createbackupschedule`, `settings`, `keys/@self`.
    pub fn to(self, endpoint: &str) -> Self {
        Self {
            endpoint: Some(endpoint.to_ascii_lowercase()),
            ..self
        }
    }

    /// Only requests with this method.
    pub fn method(self, method: &str) -> Self {
        Self {
            method: Some(method.to_ascii_uppercase()),
            ..self
        }
    }

    /// Only requests whose query contains this text, in lower case.
    pub fn query(self, text: &'static str) -> Self {
        Self {
            query: Some(text),
            ..self
        }
    }

    /// Only requests to this portal.
    pub fn of(self, portal: &Portal) -> Self {
        Self {
            portal: Some(portal.index),
            ..self
        }
    }

    /// Not the next requests, this number of them.
    pub fn after(self, skips: u64) -> Self {
        Self { skips, ..self }
    }

    /// Only the next requests, up to this number.
    pub fn times(self, times: u64) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    fn meets(&self, endpoint: &str, method: &str, query: Option<&str>) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self
                .query
                .is_none_or(|wanted| query.is_some_and(|query| query.to_ascii_lowercase().contains(wanted)))
            && self
                .endpoint
                .as_ref()
                .is_none_or(|wanted| is_endpoint(endpoint, wanted))
    }
}

/// Whether an endpoint is the one that is named by its last words.
pub(crate) fn is_endpoint(endpoint: &str, name: &str) -> bool {
    endpoint
        .strip_suffix(name)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

/// The id of a fault, for clearing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(u64);

/// An injected fault.
#[derive(Debug)]
pub(crate) struct Ordered {
    id: FaultId,
    pub(crate) fault: Fault,
    skips: AtomicU64,
    left: AtomicU64,
    hits: AtomicU64,
    cleared: watch::Sender<bool>,
}

impl Ordered {
    /// Counts a request that it meets; whether it affects this one.
    fn takes(&self) -> bool {
        !count_down(&self.skips) && count_down(&self.left)
    }

    /// Holds a request for as long as the fault says.
    pub(crate) async fn hold(&self) {
        match self.fault.wait {
            Wait::No => {}
            Wait::For(time) => tokio::time::sleep(time).await,
            Wait::UntilCleared => {
                let _ = self.cleared.subscribe().wait_for(|cleared| *cleared).await;
            }
        }
    }
}

/// The active faults, by portal.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    orders: Mutex<HashMap<Option<usize>, Vec<Arc<Ordered>>>>,
    next: AtomicU64,
}

impl Faults {
    pub(crate) fn order(&self, fault: Fault) -> FaultId {
        let id = FaultId(self.next.fetch_add(1, Ordering::Relaxed));
        let skips = AtomicU64::new(fault.skips);
        let left = AtomicU64::new(fault.times.unwrap_or(u64::MAX));
        let portal = fault.portal;
        let ordered = Arc::new(Ordered {
            id,
            fault,
            skips,
            left,
            hits: AtomicU64::new(0),
            cleared: watch::Sender::new(false),
        });
        self.orders
            .lock()
            .unwrap()
            .entry(portal)
            .or_default()
            .push(ordered);
        id
    }

    /// The first fault that applies to a request; the request counts against its limit.
    pub(crate) fn take(&self, portal: Option<usize>, endpoint: &str, call: &Call) -> Option<Arc<Ordered>> {
        let (method, query) = (call.method.as_str(), call.query_text.as_deref());
        let orders = self.orders.lock().unwrap();
        let own = portal.and_then(|_| orders.get(&portal)).into_iter().flatten();
        let mut found = own.chain(orders.get(&None).into_iter().flatten());
        let found = found.find(|ordered| ordered.fault.meets(endpoint, method, query) && ordered.takes())?;
        found.hits.fetch_add(1, Ordering::Relaxed);
        Some(found.clone())
    }

    pub(crate) fn hits(&self, fault: FaultId) -> u64 {
        let orders = self.orders.lock().unwrap();
        let mut all = orders.values().flatten();
        let found = all.find(|ordered| ordered.id == fault);
        found.map_or(0, |ordered| ordered.hits.load(Ordering::Relaxed))
    }

    pub(crate) fn clear(&self, wanted: impl Fn(FaultId) -> bool) {
        for orders in self.orders.lock().unwrap().values_mut() {
            orders.retain(|ordered| {
                let clear = wanted(ordered.id);
                if clear {
                    ordered.cleared.send_replace(true);
                }
                !clear
            });
        }
    }
}

fn count_down(left: &AtomicU64) -> bool {
    let down = |left: u64| match left {
        0 => None,
        u64::MAX => Some(u64::MAX),
        some => Some(some - 1),
    };
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, down)
        .is_ok()
}
