//! The log of requests that tests assert on.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::sync::Notify;

use crate::{call::Call, faults::is_endpoint, routes::endpoint_of};

/// A request and its outcome.
#[derive(Clone, Debug)]
pub struct Request {
    /// 1 for the first request; increases in the order of arrival.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The path behind the version, in lower case: `backup/createbackupschedule`.
    pub endpoint: String,
    /// The query, without its question mark.
    pub query: Option<String>,
    /// The Host header.
    pub host: String,
    /// The id of the tenant that it led to.
    pub tenant_id: Option<i32>,
    /// The Authorization header, word for word.
    pub authorization: Option<String>,
    /// The body, where it is JSON.
    pub body: Option<Value>,
    /// The status that the portal returned, or would have returned if the answer had not been lost; none while the
    /// request is in progress.
    pub status: Option<u16>,
    /// The status of the portal's own work, whatever answer was sent; none where a fault came first.
    pub worked: Option<u16>,
    /// When that work was done.
    pub worked_at: Option<Instant>,
    /// Whether an answer was sent: false while in progress, if it was lost, or if the caller had disconnected.
    pub answered: bool,
    /// When it arrived.
    pub started: Instant,
    /// When it ended, for any reason.
    pub ended: Option<Instant>,
    /// Number of requests in progress on the whole server, including this one.
    pub in_flight: usize,
}

impl Request {
    /// The key or token that was used, without `Bearer `.
    pub fn token(&self) -> Option<&str> {
        self.authorization
            .as_deref()
            .map(|text| text.strip_prefix("Bearer ").unwrap_or(text))
    }

    /// Whether it is a write.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }

    /// Whether it concerns the schedule of dumps, by its body or query.
    pub fn is_of_dump(&self) -> bool {
        let body = self.body.as_ref().and_then(|body| body["dump"].as_bool());
        body.unwrap_or_else(|| {
            self.query
                .as_ref()
                .is_some_and(|query| query.to_ascii_lowercase().contains("dump=true"))
        })
    }

    /// Whether it went to an endpoint, named by its last words.
    pub fn is_to(&self, endpoint: &str) -> bool {
        is_endpoint(&self.endpoint, &endpoint.to_ascii_lowercase())
    }
}

/// How much of the log is kept. Counters always continue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Everything.
    #[default]
    All,
    /// This many of the newest requests.
    Last(usize),
    /// Writes only: POSTs and DELETEs of schedules.
    Writes,
    /// Nothing.
    Nothing,
}

/// The log did not fulfil the condition in time. Its text lists the newest requests.
pub struct TimedOut {
    requests: Vec<Request>,
    waited: Duration,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "not within {:?}; the log has {} requests",
            self.waited,
            self.requests.len()
        )?;
        for request in self.requests.iter().rev().take(30).rev() {
            let Request {
                number,
                method,
                path,
                query,
                host,
                status,
                ..
            } = request;
            let query = query.as_ref().map(|text| format!("?{text}")).unwrap_or_default();
            let status = status.map_or_else(|| "under way".to_owned(), |status| status.to_string());
            writeln!(f, "{number} {method} {host}{path}{query}: {status}")?;
        }
        Ok(())
    }
}

/// The same text, so that `unwrap` shows it.
impl fmt::Debug for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for TimedOut {}

/// The log; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    content: Mutex<Content>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Content {
    keep: Keep,
    requests: VecDeque<Request>,
    counts: HashMap<(String, String), u64>,
    total: u64,
    in_flight: usize,
    most_in_flight: usize,
}

impl Log {
    /// The requests that are kept, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.0.content.lock().unwrap().requests.iter().cloned().collect()
    }

    /// The kept requests with a method to an endpoint, named by its last words.
    pub fn to(&self, method: &str, endpoint: &str) -> Vec<Request> {
        let fits = |request: &Request| request.method == method && request.is_to(endpoint);
        self.requests().into_iter().filter(fits).collect()
    }

    /// The kept POSTs of a schedule.
    pub fn posts(&self) -> Vec<Request> {
        self.to("POST", "createbackupschedule")
    }

    /// The kept DELETEs of a schedule.
    pub fn deletes(&self) -> Vec<Request> {
        self.to("DELETE", "deletebackupschedule")
    }

    /// How many requests there were with a method to an endpoint, named by its last words; kept or not.
    pub fn count(&self, method: &str, endpoint: &str) -> u64 {
        let endpoint = endpoint.to_ascii_lowercase();
        let content = self.0.content.lock().unwrap();
        let fits = |known: &(String, String)| known.0 == method && is_endpoint(&known.1, &endpoint);
        content
            .counts
            .iter()
            .filter(|(known, _)| fits(known))
            .map(|(_, count)| count)
            .sum()
    }

    /// How many requests there were, kept or not.
    pub fn total(&self) -> u64 {
        self.0.content.lock().unwrap().total
    }

    /// The kept writes that were carried out, in the order in which they were, also those whose callers had gone.
    pub fn writes_carried_out(&self) -> Vec<Request> {
        let mut writes = self.requests();
        writes.retain(|request| request.is_write() && request.worked == Some(200));
        writes.sort_by_key(|request| request.worked_at);
        writes
    }

    /// How many requests are under way.
    pub fn in_flight(&self) -> usize {
        self.0.content.lock().unwrap().in_flight
    }

    /// The most requests that were ever under way at once on the whole server.
    pub fn most_in_flight(&self) -> usize {
        self.0.content.lock().unwrap().most_in_flight
    }

    /// The most of the kept requests of a kind, such as those to one portal, that were under way at once.
    pub fn most_at_once(&self, of_a_kind: impl Fn(&Request) -> bool) -> usize {
        let requests: Vec<_> = self.requests().into_iter().filter(of_a_kind).collect();
        let under_way = |at: Instant| {
            let fits = |other: &&Request| other.started <= at && other.ended.is_none_or(|end| end > at);
            requests.iter().filter(fits).count()
        };
        requests
            .iter()
            .map(|request| under_way(request.started))
            .max()
            .unwrap_or(0)
    }

    /// Chooses how much is kept.
    pub fn keep(&self, keep: Keep) {
        let mut content = self.0.content.lock().unwrap();
        content.keep = keep;
        content.trim();
    }

    /// Forgets the kept requests and the counters; numbers go on.
    pub fn clear(&self) {
        let mut content = self.0.content.lock().unwrap();
        content.requests.clear();
        content.counts.clear();
        content.most_in_flight = content.in_flight;
    }

    /// Waits until the kept requests fulfil a condition, and returns them.
    pub async fn wait_until(
        &self,
        deadline: Duration,
        mut wanted: impl FnMut(&[Request]) -> bool,
    ) -> Result<Vec<Request>, TimedOut> {
        let seen = || {
            let mut content = self.0.content.lock().unwrap();
            let requests = content.requests.make_contiguous();
            wanted(requests).then(|| requests.to_vec())
        };
        let waited = tokio::time::timeout(deadline, self.until(seen)).await;
        waited.map_err(|_| TimedOut {
            requests: self.requests(),
            waited: deadline,
        })
    }

    /// Waits until there were this many requests with a method to an endpoint, kept or not.
    pub async fn wait_for_count(
        &self,
        deadline: Duration,
        method: &str,
        endpoint: &str,
        count: u64,
    ) -> Result<(), TimedOut> {
        let seen = || (self.count(method, endpoint) >= count).then_some(());
        let waited = tokio::time::timeout(deadline, self.until(seen)).await;
        waited.map_err(|_| TimedOut {
            requests: self.requests(),
            waited: deadline,
        })
    }

    async fn until<T>(&self, mut seen: impl FnMut() -> Option<T>) -> T {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = seen() {
                return found;
            }
            changed.await;
        }
    }

    pub(crate) fn begin(&self, call: &Call, tenant_id: Option<i32>) -> Entry {
        let endpoint = endpoint_of(&call.path);
        let mut content = self.0.content.lock().unwrap();
        content.total += 1;
        content.in_flight += 1;
        content.most_in_flight = content.most_in_flight.max(content.in_flight);
        let number = content.total;
        let is_kept = match content.keep {
            Keep::Nothing => false,
            Keep::Writes => call.method != "GET",
            Keep::All | Keep::Last(_) => true,
        };
        if is_kept {
            let request = Request {
                number,
                method: call.method.clone(),
                path: call.path.clone(),
                endpoint: endpoint.clone(),
                query: call.query_text.clone(),
                host: call.host().to_owned(),
                tenant_id,
                authorization: call.header("authorization").map(str::to_owned),
                body: serde_json::from_slice(&call.body).ok(),
                status: None,
                worked: None,
                worked_at: None,
                answered: false,
                started: Instant::now(),
                ended: None,
                in_flight: content.in_flight,
            };
            content.requests.push_back(request);
            content.trim();
        }
        *content.counts.entry((call.method.clone(), endpoint)).or_default() += 1;
        drop(content);
        self.0.changed.notify_waiters();
        Entry {
            log: self.clone(),
            number,
            status: None,
            answered: false,
        }
    }

    pub(crate) fn worked(&self, number: u64, status: u16) {
        if let Some(request) = self.0.content.lock().unwrap().request(number) {
            request.worked = Some(status);
            request.worked_at = Some(Instant::now());
        }
    }
}

impl Content {
    fn trim(&mut self) {
        let most = match self.keep {
            Keep::All | Keep::Writes => return,
            Keep::Last(most) => most,
            Keep::Nothing => 0,
        };
        while self.requests.len() > most {
            self.requests.pop_front();
        }
    }

    fn request(&mut self, number: u64) -> Option<&mut Request> {
        let at = self
            .requests
            .binary_search_by_key(&number, |request| request.number);
        self.requests.get_mut(at.ok()?)
    }
}

/// A request in progress; dropping it marks the request as ended.
pub(crate) struct Entry {
    log: Log,
    pub(crate) number: u64,
    pub(crate) status: Option<u16>,
    pub(crate) answered: bool,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut content = self.log.0.content.lock().unwrap();
        content.in_flight -= 1;
        let (status, answered) = (self.status, self.answered);
        if let Some(request) = content.request(self.number) {
            request.status = status;
            request.answered = answered;
            request.ended = Some(Instant::now());
        }
        drop(content);
        self.log.0.changed.notify_waiters();
    }
}
