//! Whether this process may write, checked immediately before each write.

use std::{pin::pin, task::Poll, time::Duration};

use futures::future::poll_fn;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
    registry::Registry,
};
use tokio::sync::watch;

use crate::lease::{SKEW, clock};

/// The time for which this process may write, by [`clock::now`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Before this, writes of a predecessor may still be running.
    pub begins: Duration,
    /// From then on another process may lead.
    pub ends: Duration,
}

/// Whether this process may write; clones share the state.
#[derive(Clone, Debug)]
pub struct Leadership(Option<Elected>);

#[derive(Clone, Debug)]
struct Elected {
    term: watch::Receiver<Option<Term>>,
    longest_write: Duration,
}

impl Leadership {
    /// Without an election: writes are always allowed.
    pub fn always() -> Self {
        Self(None)
    }

    /// With an election. No write to a portal may take longer than `longest_write`.
    pub(crate) fn elected(term: watch::Receiver<Option<Term>>, longest_write: Duration) -> Self {
        Self(Some(Elected { term, longest_write }))
    }

    /// Whether there is an election.
    pub fn is_elected(&self) -> bool {
        self.0.is_some()
    }

    /// The time limit of a write to a portal.
    pub fn longest_write(&self) -> Duration {
        self.0
            .as_ref()
            .map_or(Duration::MAX, |elected| elected.longest_write)
    }

    /// Registers a metric: whether this process may write at the time of a scrape.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Leads(self.clone())));
    }

    /// Waits until this process leads and its predecessor's writes have ended.
    pub async fn begins(&self) {
        self.room_for(Duration::ZERO).await;
    }

    /// Runs a write to a portal that takes up to `limit`. It begins only if that fits into the rest of the lease, else
    /// it waits for a renewal. `None` if it did not begin or end, because this process no longer leads.
    pub async fn portal_write<T>(&self, limit: Duration, write: impl Future<Output = T>) -> Option<T> {
        self.room_for(limit).await;
        self.while_held(write).await
    }

    /// Continues a call only while the lease holds: after a pause of the process or a suspend of the machine, it
    /// notices a lost lease before it sends anything. `None` if the lease no longer holds.
    pub async fn while_held<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let mut call = pin!(call);
        poll_fn(|task| {
            if self.leaves(Duration::ZERO) {
                call.as_mut().poll(task).map(Some)
            } else {
                Poll::Ready(None)
            }
        })
        .await
    }

    /// Whether this much of the lease is left, including the margin.
    fn leaves(&self, time: Duration) -> bool {
        let Some(elected) = &self.0 else { return true };
        let now = clock::now();
        elected
            .term
            .borrow()
            .is_some_and(|term| term.begins <= now && now + time + SKEW <= term.ends)
    }

    async fn room_for(&self, time: Duration) {
        let Some(elected) = &self.0 else { return };
        let mut term = elected.term.clone();
        while !self.leaves(time) {
            let begins = term.borrow_and_update().map(|term| term.begins);
            let wait = begins.and_then(|begins| begins.checked_sub(clock::now()));
            let begun = async {
                match wait.filter(|wait| !wait.is_zero()) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = begun => {}
                changed = term.changed() => {
                    if changed.is_err() {
                        // The election has ended, and the process ends, too.
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }
}

#[derive(Debug)]
struct Leads(Leadership);

impl Collector for Leads {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let leads = ConstGauge::new(i64::from(self.0.leaves(Duration::ZERO)));
        let help = "Whether this process reconciles the objects: it leads, or there is no election.";
        leads.encode(encoder.encode_descriptor("leads", help, None, leads.metric_type())?)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn term(begins: Duration, left: Duration) -> Option<Term> {
        Some(Term {
            begins,
            ends: clock::now() + left,
        })
    }

    #[tokio::test]
    async fn without_an_election_everything_is_allowed() {
        let leadership = Leadership::always();
        leadership.begins().await;
        assert_eq!(leadership.portal_write(30 * SECOND, ready(1)).await, Some(1));
        assert_eq!(leadership.while_held(ready(2)).await, Some(2));
    }

    #[tokio::test]
    async fn a_write_that_does_not_fit_into_the_lease_waits_for_a_renewal() {
        let (renew, term_seen) = watch::channel(term(Duration::ZERO, 10 * SECOND));
        let leadership = Leadership::elected(term_seen, 10 * SECOND);
        assert_eq!(leadership.portal_write(5 * SECOND, ready(1)).await, Some(1));
        let mut write = pin!(leadership.portal_write(10 * SECOND, ready(2)));
        assert!(futures::poll!(&mut write).is_pending());
        renew.send_replace(term(Duration::ZERO, 11 * SECOND));
        assert!(futures::poll!(&mut write).is_pending(), "not the skew");
        renew.send_replace(term(Duration::ZERO, 15 * SECOND));
        assert_eq!(write.await, Some(2));
    }

    #[test]
    fn whether_it_leads_is_told_as_of_each_scrape() {
        let (renew, term_seen) = watch::channel(None);
        let mut registry = Registry::default();
        Leadership::elected(term_seen, 10 * SECOND).register(&mut registry);
        let told = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
            text.lines()
                .find(|line| line.starts_with("leads "))
                .map(ToOwned::to_owned)
        };
        assert_eq!(told().as_deref(), Some("leads 0"));
        renew.send_replace(term(Duration::ZERO, 15 * SECOND));
        assert_eq!(told().as_deref(), Some("leads 1"));
        renew.send_replace(term(Duration::ZERO, Duration::ZERO));
        assert_eq!(told().as_deref(), Some("leads 0"));
    }

    #[tokio::test]
    async fn a_write_under_way_ends_with_the_lease() {
        let (end, term_seen) = watch::channel(term(Duration::ZERO, 15 * SECOND));
        let leadership = Leadership::elected(term_seen, 10 * SECOND);
        let mut write = pin!(leadership.while_held(pending::<()>()));
        assert!(futures::poll!(&mut write).is_pending());
        end.send_replace(term(Duration::ZERO, SECOND));
        assert_eq!(futures::poll!(&mut write), Poll::Ready(None));
        assert_eq!(leadership.while_held(ready(1)).await, None);
    }

    #[tokio::test]
    async fn nothing_begins_before_the_predecessors_writes_have_ended() {
        let begins = clock::now() + Duration::from_millis(50);
        let (_renew, term_seen) = watch::channel(term(begins, 15 * SECOND));
        let leadership = Leadership::elected(term_seen, 10 * SECOND);
        assert_eq!(leadership.while_held(ready(1)).await, None);
        leadership.begins().await;
        assert!(clock::now() >= begins);
        assert_eq!(leadership.while_held(ready(1)).await, Some(1));
    }
}
