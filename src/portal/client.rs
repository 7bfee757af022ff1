//! A portal and its calls.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reqwest::{
    Body, Client, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};

use crate::{
    lease::Leadership,
    portal::{
        Address, Answer, Failure, PortalError,
        answer::{Content, Refusal, Reply, classify},
        call::{Call, create_body},
        http_clients::Gate,
        metrics::{Outcome, Tally},
        model::{Action, Archive, AuditEvent, KeyInfo, Progress, Settings},
        parse,
        redact::{Redactor, Secrets},
        transport::{Head, exchange},
    },
    schedule::{Held, Schedule},
};

/// Names and values of a query, not yet encoded.
type Query<'a> = &'a [(&'a str, &'a str)];

/// The query of a call that is about the schedule for this dump value.
fn of(dump: bool) -> [(&'static str, &'static str); 1] {
    [("dump", if dump { "true" } else { "false" })]
}

/// A portal, spoken to with one key; cheap to clone. At most
/// [`CALLS_PER_ADDRESS`](super::CALLS_PER_ADDRESS) calls to its address go at a time.
#[derive(Clone, Debug)]
pub struct Portal {
    pub(super) address: Address,
    pub(super) authorization: HeaderValue,
    pub(super) client: Client,
    pub(super) gate: Arc<Gate>,
    pub(super) leadership: Leadership,
    pub(super) secrets: Secrets,
    pub(super) tally: Tally,
    /// In place of a call's own, for tests.
    pub(super) time_limit: Option<Duration>,
}

/// A call that failed fails with a [`PortalError`]; the failures are listed at [`Failure`](super::Failure).
impl Portal {
    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The same portal, whose answers come without the values, too, that this schedule takes from Secrets.
    pub fn without_secrets_of(mut self, schedule: &Schedule) -> Self {
        self.secrets = self.secrets.and_of(schedule);
        self
    }

    /// The schedule that the portal holds for this dump value; `None` when DocSpace itself says that there is none.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn schedule(&self, dump: bool) -> Result<Answer<Option<Held>>, PortalError> {
        self.ask(Call::Schedule, &of(dump), parse::schedule).await
    }

    /// Writes the schedule, in place of one that the portal holds for its dump value.
    ///
    /// # Errors
    /// See [`Failure::is_definite_for_a_write`](super::Failure::is_definite_for_a_write).
    pub async fn create_schedule(&self, schedule: &Schedule) -> Result<Answer<()>, PortalError> {
        let portal = self.clone().without_secrets_of(schedule);
        let body = Some(create_body(schedule));
        portal
            .call(Call::Create, &[], body, |content, _| parse::done(content))
            .await
    }

    /// Deletes the schedule for this dump value; succeeds also when there is none (R 215).
    ///
    /// # Errors
    /// See [`Failure::is_definite_for_a_write`](super::Failure::is_definite_for_a_write).
    pub async fn delete_schedule(&self, dump: bool) -> Result<Answer<()>, PortalError> {
        self.ask(Call::Delete, &of(dump), |content, _| parse::done(content))
            .await
    }

    /// The archives that the portal lists, in no order. Asking strikes those from its books whose file it cannot see.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn history(&self, dump: bool) -> Result<Answer<Vec<Archive>>, PortalError> {
        self.ask(Call::History, &of(dump), parse::history).await
    }

    /// The running or last run; `None` when the portal knows of none since its restart.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn progress(&self, dump: bool) -> Result<Answer<Option<Progress>>, PortalError> {
        self.ask(Call::Progress, &of(dump), parse::progress).await
    }

    /// The portal's settings. An answer says nothing about the key: without a good one, there are fewer settings.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure); here `KeyNotAllowed` says nothing about the portal's state either (R 814).
    pub async fn settings(&self) -> Result<Answer<Settings>, PortalError> {
        self.ask(Call::Settings, &[], parse::settings).await
    }

    /// What the portal says of the key; `None` when it is a session token, which fails as no other call does (R 429).
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn key(&self) -> Result<Answer<Option<KeyInfo>>, PortalError> {
        self.ask(Call::Key, &[], parse::key).await
    }

    /// The newest events of this kind, at most 100, in no fixed order; those from this time on, cut to whole seconds.
    /// `None` when the trail is not to be had: a plan without it is not refused, but given the 20 newest events of any
    /// kind (R 590), and this is told from their kinds and times. So an empty list need not mean that nothing happened.
    ///
    /// Events are written with a short delay, and kept for 180 days by default.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn events(
        &self,
        action: Action,
        from: Timestamp,
    ) -> Result<Answer<Option<Vec<AuditEvent>>>, PortalError> {
        // Every whole second of a time is a time.
        let from = Timestamp::from_second(from.as_second()).unwrap_or(from);
        // In UTC, always with its Z: DocSpace refuses a time without an offset (R 539).
        let text = from.to_string();
        let query = [
            ("action", action.name()),
            ("from", text.as_str()),
            ("count", "100"),
        ];
        self.ask(Call::Events, &query, |content, _| {
            parse::events(content, action, from)
        })
        .await
    }

    /// How many backups were made in the current calendar month (UTC) that nobody paid for, by a schedule or by hand.
    /// The answer is not recorded.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn free_backups_this_month(&self) -> Result<Answer<i64>, PortalError> {
        self.ask(Call::BackupsCount, &[("paid", "false")], |content, _| {
            parse::count(content)
        })
        .await
    }

    /// Whether backups beyond the free ones are made, and paid for. The answer is not recorded.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn paid_backup_is_on(&self) -> Result<Answer<bool>, PortalError> {
        self.ask(Call::ServiceState, &[], |content, _| {
            parse::service_is_on(content)
        })
        .await
    }

    /// The domain that the portal's owner has given it. `None` when there is none, and when the key's owner is no
    /// administrator, who gets mostly defaults (R 817). No recorded answer holds one.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn mapped_domain(&self) -> Result<Answer<Option<String>>, PortalError> {
        self.ask(Call::Portal, &[], parse::mapped_domain).await
    }

    async fn ask<T>(
        &self,
        call: Call,
        query: Query<'_>,
        read: impl FnOnce(Content, &Redactor) -> Result<T, Refusal>,
    ) -> Result<Answer<T>, PortalError> {
        self.call(call, query, None, read).await
    }

    async fn call<T>(
        &self,
        call: Call,
        query: Query<'_>,
        body: Option<Vec<u8>>,
        read: impl FnOnce(Content, &Redactor) -> Result<T, Refusal>,
    ) -> Result<Answer<T>, PortalError> {
        let request = self.request(call, query, body);
        let _place = self.gate.enter().await;
        let began = Instant::now();
        let (head, reply) = self.exchange(call, request).await;
        let redactor = Redactor::of(&self.secrets);
        let value = reply
            .and_then(|reply| classify(call, &reply, &redactor))
            .and_then(|content| read(content, &redactor));
        let failure = value.as_ref().err().map(|refusal| refusal.failure);
        self.tally
            .count(call, Outcome::new(head.status, failure), began.elapsed());
        match value {
            Ok(value) => Ok(Answer {
                value,
                date: head.date,
            }),
            Err(refusal) => Err(self.error(head, &refusal)),
        }
    }

    /// A write is sent, and waited for, only while this process leads.
    async fn exchange(&self, call: Call, request: Request) -> (Head, Result<Reply, Refusal>) {
        let exchange = exchange(&self.client, request, call.max_body());
        if !call.is_write() {
            return exchange.await;
        }
        let written = self.leadership.portal_write(self.limit(call), exchange).await;
        written.unwrap_or_else(|| {
            let refusal = Refusal {
                failure: Failure::TimedOut,
                text: "the operator lost its lease before the portal answered".into(),
            };
            (Head::default(), Err(refusal))
        })
    }

    /// How long a call may take as a whole.
    fn limit(&self, call: Call) -> Duration {
        let limit = self.time_limit.unwrap_or(call.timeout());
        if call.is_write() {
            limit.min(self.leadership.longest_write())
        } else {
            limit
        }
    }

    fn request(&self, call: Call, query: Query<'_>, body: Option<Vec<u8>>) -> Request {
        let mut request = Request::new(call.method(), self.address.call(call.path(), query));
        *request.timeout_mut() = Some(self.limit(call));
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        // An address holds none that is no header value.
        let host = self.address.host_header().map(HeaderValue::from_str);
        headers.extend(host.and_then(Result::ok).map(|host| (HOST, host)));
        if let Some(body) = body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Body::from(body));
        }
        request
    }

    fn error(&self, head: Head, refusal: &Refusal) -> PortalError {
        PortalError {
            failure: refusal.failure,
            status: head.status,
            message: format!("{}: {}", self.address, refusal.text),
            date: head.date,
            retry_after: head.retry_after,
        }
    }
}
