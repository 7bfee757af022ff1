//! Leader election with a Lease: one of several operators leads, and only the leader writes.
//!
//! 1. [`mod@step`] decides what a candidate does, from the Lease and the time for which it has seen it unchanged.
//! 2. A separate task (`candidate`) reads the Lease every [`Times::retry_period`] and does that. Each write carries the
//!    resourceVersion of the read, so only one of two concurrent writes succeeds.
//! 3. [`Leadership`] is checked by the client of portals for each call, and by that of Kubernetes ([`client()`]) just
//!    before each write.
//!
//! A leader counts its term from before it sent the renewal, by a clock that includes suspend; others count from when
//! they saw the renewal. So a leader stops before another one starts, whatever their clocks show. A new leader waits
//! one [`Times::renew_deadline`] before its first write, unless the lease was released, because its predecessor's last
//! write may still be running.

mod candidate;
mod client;
pub mod clock;
mod leadership;
mod lost;
pub mod step;
mod times;

use kube::{Api, Client};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::lease::candidate::Candidate;

pub use crate::lease::{
    client::client,
    leadership::{Leadership, Term},
    lost::Lost,
    times::{SKEW, Times},
};

/// The participation in the election, run by a separate task.
#[derive(Debug)]
pub struct Campaign {
    /// `None` without an election.
    task: Option<JoinHandle<Result<(), Lost>>>,
    give_up: CancellationToken,
}

impl Campaign {
    /// Without an election, this process always leads.
    pub fn none() -> (Self, Leadership) {
        let campaign = Self {
            task: None,
            give_up: CancellationToken::new(),
        };
        (campaign, Leadership::always())
    }

    /// Takes part in the election with the Lease of this name. `client` should not repeat requests itself, because each
    /// round has a deadline.
    pub fn start(client: Client, namespace: &str, name: &str, times: Times) -> (Self, Leadership) {
        let (term, seen) = watch::channel(None);
        let give_up = CancellationToken::new();
        let candidate = Candidate::new(Api::namespaced(client, namespace), name, times, term);
        tracing::info!(
            lease = name,
            namespace,
            identity = candidate.me(),
            "taking part in leader election"
        );
        let campaign = Self {
            task: Some(tokio::spawn(candidate.run(give_up.clone()))),
            give_up,
        };
        (campaign, Leadership::elected(seen, times.renew_deadline))
    }

    /// Waits until this process must end because it lost the lease.
    pub async fn lost(&mut self) -> Lost {
        match &mut self.task {
            None => std::future::pending().await,
            Some(task) => match task.await {
                Ok(Err(lost)) => lost,
                Ok(Ok(())) | Err(_) => Lost::Failed,
            },
        }
    }

    /// Releases the lease, if this process leads. All writes must have ended.
    pub async fn give_up(self) {
        self.give_up.cancel();
        if let Some(task) = self.task
            && !matches!(task.await, Ok(Ok(())))
        {
            tracing::warn!("the lease was not released; the next leader waits until it expires");
        }
    }
}
