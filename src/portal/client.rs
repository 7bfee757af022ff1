//! A portal and its calls.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reqwest::{
    Body, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};

use crate::{
    lease::Leadership,
    portal::{
        Address, Answer, Credential, Failure, PortalError,
        answer::{Content, Refusal, Reply, classify},
        body::Room,
        call::{Call, create_body},
        connections::Connections,
        http_clients::Gate,
        metrics::{CallResult, Metrics},
        model::{Archive, AuditAction, AuditEvent, PortalSettings, Progress},
        names::on_behalf_of,
        parse,
        redact::{Redactor, Secrets},
        transport::{Head, exchange},
    },
    schedule::{Held, Schedule},
    shares::Share,
};

/// Names and values of a query, not yet encoded.
type Query<'a> = &'a [(&'a str, &'a str)];

/// The query of a call for the schedule with this dump value.
fn of(dump: bool) -> [(&'static str, &'static str); 1] {
    [("dump", if dump { "true" } else { "false" })]
}

/// A portal, called with one key; cheap to clone. At most
/// [`CALLS_PER_ADDRESS`](super::CALLS_PER_ADDRESS) calls to its address run at a time.
#[derive(Clone, Debug)]
pub struct Portal {
    /// On whose behalf it is called.
    pub(super) namespace: Arc<str>,
    pub(super) address: Address,
    pub(super) authorization: HeaderValue,
    pub(super) connections: Connections,
    pub(super) gate: Arc<Gate>,
    pub(super) room: Room,
    pub(super) leadership: Leadership,
    pub(super) secrets: Secrets,
    pub(super) metrics: Metrics,
    /// Replaces a call's own limit, in tests.
    pub(super) time_limit: Option<Duration>,
}

/// A failed call returns a [`PortalError`]; [`Failure`](super::Failure) lists the failures.
impl Portal {
    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The same portal; it also hides the values that this schedule takes from Secrets.
    pub fn without_secrets_of(mut self, schedule: &Schedule) -> Self {
        self.secrets = self.secrets.and_of(schedule);
        self
    }

    /// The schedule that the portal holds for this dump value; `None` when DocSpace itself reports none.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn schedule(&self, dump: bool) -> Result<Answer<Option<Held>>, PortalError> {
        self.ask(Call::Schedule, &of(dump), parse::schedule).await
    }

    /// Writes the schedule; it replaces the one that the portal holds for its dump value.
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

    /// The archives that the portal lists, in no order. The call makes DocSpace remove records whose file it cannot
    /// see.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn history(&self, dump: bool) -> Result<Answer<Vec<Archive>>, PortalError> {
        self.ask(Call::History, &of(dump), parse::history).await
    }

    /// The running or last run; `None` when there was none since the portal's restart.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn progress(&self, dump: bool) -> Result<Answer<Option<Progress>>, PortalError> {
        self.ask(Call::Progress, &of(dump), parse::progress).await
    }

    /// The portal's settings. An answer does not prove the key: with a bad one, DocSpace returns fewer settings.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure); here `KeyNotAllowed` does not show the portal's state either (R 814).
    pub async fn settings(&self) -> Result<Answer<PortalSettings>, PortalError> {
        self.ask(Call::Settings, &[], parse::settings).await
    }

    /// The portal's description of the key. A session token is recognized by its own failure (R 429).
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn key(&self) -> Result<Answer<Credential>, PortalError> {
        self.ask(Call::Key, &[], parse::key).await
    }

    /// The newest events of this kind since this time (cut to whole seconds), at most 100, in no fixed order. `None`
    /// when the trail is not available: without it in the plan, DocSpace answers with the 20 newest events of any kind
    /// (R 590), recognized by their kinds and times. So an empty list does not prove that nothing happened.
    ///
    /// Events are written with a short delay, and kept for 180 days by default.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn events(
        &self,
        action: AuditAction,
        from: Timestamp,
    ) -> Result<Answer<Option<Vec<AuditEvent>>>, PortalError> {
        // Cannot fail: whole seconds of a valid time are valid.
        let from = Timestamp::from_second(from.as_second()).unwrap_or(from);
        // In UTC, always with its Z: DocSpace refuses a time without an offset (R 539).
        let text = from.to_string();
        let count = parse::MOST_EVENTS.to_string();
        let query = [
            ("action", action.name()),
            ("from", text.as_str()),
            ("count", count.as_str()),
        ];
        self.ask(Call::Events, &query, |content, _| {
            parse::events(content, action, from)
        })
        .await
    }

    /// The number of unpaid backups in the current calendar month (UTC), scheduled and manual.
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

    /// Whether the portal makes paid backups beyond the free ones. The answer is not recorded.
    ///
    /// # Errors
    /// See [`Failure`](super::Failure).
    pub async fn paid_backup_is_on(&self) -> Result<Answer<bool>, PortalError> {
        self.ask(Call::ServiceState, &[], |content, _| {
            parse::service_is_on(content)
        })
        .await
    }

    /// The portal's own domain. `None` when it has none, or when the key's owner is not an administrator and gets
    /// mostly defaults (R 817). No recorded answer has one.
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
        let place = self.gate.enter(&self.namespace, self.limit(call)).await;
        let began = Instant::now();
        let (head, reply) = self.exchange(call, request).await;
        place.leave();
        let value = reply.and_then(|reply| self.read(call, reply, read));
        let failure = value.as_ref().err().map(|refusal| refusal.failure);
        self.metrics
            .count(call, CallResult::new(head.status, failure), began.elapsed());
        match value {
            Ok((value, room)) => Ok(Answer {
                value,
                date: head.date,
                room,
            }),
            Err(refusal) => Err(self.error(head, &refusal)),
        }
    }

    /// The value of an answer, with the room that it takes itself.
    fn read<T>(
        &self,
        call: Call,
        reply: Reply,
        read: impl FnOnce(Content, &Redactor) -> Result<T, Refusal>,
    ) -> Result<(T, Option<Arc<Share>>), Refusal> {
        let kept = reply.share.as_ref().map_or(0, |_| call.kept(reply.body.len()));
        let room = match kept {
            0 => None,
            kept => Some(
                self.room
                    .keep(&self.namespace, kept)
                    .ok_or_else(|| Refusal::new(Failure::TimedOut, Room::none()))?,
            ),
        };
        let redactor = Redactor::of(&self.secrets);
        let value = read(classify(call, &reply, &redactor)?, &redactor)?;
        Ok((value, room.map(Arc::new)))
    }

    /// Sends and awaits a call only while this process leads; a write begins only if it fits into the lease.
    async fn exchange(&self, call: Call, request: Request) -> (Head, Result<Reply, Refusal>) {
        let room = (&self.room, &*self.namespace);
        let exchange = exchange(&self.connections, request, call.max_body(), room);
        // In a box, because every future around it would have room for it, most of them twice.
        let exchange = on_behalf_of(self.namespace.clone(), Box::pin(exchange));
        let reply = if call.is_write() {
            self.leadership.portal_write(self.limit(call), exchange).await
        } else {
            self.leadership.while_held(exchange).await
        };
        reply.unwrap_or_else(|| {
            let text =
                "the operator lost its lease before the portal answered; the next leader reads the outcome";
            let refusal = Refusal::new(Failure::TimedOut, text.into());
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
        // Always valid: `Address` checked it.
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
            date: head.date.filter(|_| refusal.is_docspaces),
            retry_after: head.retry_after,
        }
    }
}
