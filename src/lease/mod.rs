//! Leader election on a Lease: of several operators one leads, and only that one writes.
//!
//! 1. [`mod@step`] says what a candidate may do, from what it sees of the Lease and for how long it has seen it so.
//! 2. A task of its own (`candidate`) looks at the Lease every [`Times::retry_period`] and does that; each write
//!    carries the resourceVersion of the look, so of two only one comes through.
//! 3. [`Leadership`] is asked by the client of portals and by that of Kubernetes ([`client()`]) just before each write.
//!
//! A term is reckoned from before its renewal was sent, and by a clock that counts suspend; the others reckon from when
//! they saw it. So a leader stops before another one starts, whatever their clocks show. A new leader waits for one
//! [`Times::renew_deadline`] before its first write, unless the lease was given up: its predecessor's last one may still
//! be under way.

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

/// A part in the election, taken by a task of its own.
#[derive(Debug)]
pub struct Campaign {
    /// None where there is no election.
    task: Option<JoinHandle<Result<(), Lost>>>,
    give_up: CancellationToken,
}

impl Campaign {
    /// There is no election: this process leads.
    pub fn none() -> (Self, Leadership) {
        let campaign = Self {
            task: None,
            give_up: CancellationToken::new(),
        };
        (campaign, Leadership::always())
    }

    /// Stands for election on the Lease of this name. `client` should not repeat requests by itself: each round has a
    /// deadline.
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

    /// Waits until this process, having led, must end.
    pub async fn lost(&mut self) -> Lost {
        match &mut self.task {
            None => std::future::pending().await,
            Some(task) => match task.await {
                Ok(Err(lost)) => lost,
                Ok(Ok(())) | Err(_) => Lost::Failed,
            },
        }
    }

    /// Gives the lease up, if this process leads. All writes must have ended.
    pub async fn give_up(self) {
        self.give_up.cancel();
        if let Some(task) = self.task
            && !matches!(task.await, Ok(Ok(())))
        {
            tracing::warn!("the lease was not released; the next leader waits until it expires");
        }
    }
}
