//! The addresses of portals' names.
//!
//! 1. A connection asks for a name on behalf of a namespace ([`on_behalf_of`]).
//! 2. What is known (`memory`) is the answer, and who asks for a name that is being looked up waits for that look-up.
//! 3. Else the look-up waits for its turn: at most [`LOOK_UPS`] run at a time, and [`LOOK_UPS_OF_ONE`] of one namespace.
//! 4. A look-up reads the system's files (`system`), and asks the DNS servers (`question`) for one absolute name after the
//!    other (`search`).
//! 5. Addresses that are never a portal are left out.
//!
//! The C library would do it in threads that nobody can end, and ask for `docs.example.com` below the cluster's domains
//! first. `hickory-resolver` keeps answers of any size, and asks no second server when the first one fails.

mod memory;
mod question;
mod search;
mod system;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::{sync::watch, time::timeout};

pub use crate::portal::names::question::Unresolved;
use crate::{
    portal::{
        guard::{Guard, NotAllowed},
        names::{
            memory::{Known, Memory, Outcome},
            question::{Found, Servers},
            system::System,
        },
    },
    shares::{Share, Shares},
};

/// Look-ups that run at a time, in all.
const LOOK_UPS: usize = 64;
/// Look-ups that run at a time for one namespace.
const LOOK_UPS_OF_ONE: usize = 16;
/// How long a look-up may take.
const LOOK_UP: Duration = Duration::from_secs(4);
/// How long it may take with the wait for its turn: less than a connection may take, so that DNS is told as the reason.
const ANSWER: Duration = Duration::from_millis(4_500);

tokio::task_local! {
    /// On whose behalf names are looked up.
    static NAMESPACE: Arc<str>;
}

/// Does this work; names that it looks up count for the namespace.
pub async fn on_behalf_of<T>(namespace: Arc<str>, work: impl Future<Output = T>) -> T {
    NAMESPACE.scope(namespace, work).await
}

/// Whose look-up it is; nobody's by default.
fn namespace() -> Arc<str> {
    NAMESPACE.try_with(Arc::clone).unwrap_or_default()
}

/// Looks names up; cheap to clone.
#[derive(Clone, Debug)]
pub struct Names(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    guard: Guard,
    system: System,
    running: Shares,
    memory: Mutex<Memory>,
}

impl Names {
    /// Names as the system's files say. Addresses that the guard refuses are left out.
    pub fn new(guard: Guard) -> Self {
        let system = System::default();
        system.check();
        Self::of(system, guard)
    }

    fn of(system: System, guard: Guard) -> Self {
        Self(Arc::new(Inner {
            guard,
            system,
            running: Shares::new(LOOK_UPS, LOOK_UPS_OF_ONE),
            memory: Mutex::default(),
        }))
    }

    /// The addresses of a host.
    async fn addresses(&self, namespace: Arc<str>, host: &str) -> Outcome {
        let outcome = async { self.known(namespace, host).await.outcome().await };
        timeout(ANSWER, outcome)
            .await
            .unwrap_or(Err(Unresolved::NoAnswer))
    }

    async fn known(&self, namespace: Arc<str>, host: &str) -> Known {
        let known = self.memory().get(host, Instant::now());
        if let Some(known) = known {
            return known;
        }
        let place = self.0.running.acquire(&namespace, 1).await;
        self.look_up_or_join(host, place)
    }

    /// Starts a look-up, unless another one began or ended meanwhile. It goes on when nobody waits for it any more.
    fn look_up_or_join(&self, host: &str, place: Share) -> Known {
        let mut memory = self.memory();
        if let Some(known) = memory.get(host, Instant::now()) {
            return known;
        }
        let (told, outcome) = watch::channel(None);
        let host: Arc<str> = host.into();
        memory.ask(host.clone(), outcome.clone());
        let names = self.clone();
        tokio::spawn(async move {
            let found = timeout(LOOK_UP, names.look_up(&host)).await;
            let found = found.unwrap_or(Err(Unresolved::NoAnswer));
            let outcome = names.memory().tell(&host, found, Instant::now());
            told.send_replace(Some(outcome));
            drop(place);
        });
        Known::Asked(outcome)
    }

    async fn look_up(&self, host: &str) -> Result<Found, Unresolved> {
        let system = &self.0.system;
        let addresses = system.addresses(host);
        if !addresses.is_empty() {
            return Ok(Found {
                addresses,
                ttl: Duration::ZERO,
            });
        }
        let dns = system.dns();
        for name in search::names(host, &dns.search) {
            match Servers(&dns.servers).addresses(&name).await {
                Err(Unresolved::NoSuchName) => {}
                answer => return answer,
            }
        }
        Err(Unresolved::NoSuchName)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        // Noted now: a connection may go on in a task of its own.
        let namespace = namespace();
        Box::pin(async move {
            let found = names.addresses(namespace, name.as_str()).await?;
            let guard = names.0.guard;
            let allowed = found.iter().filter(|address| guard.allows(**address));
            let allowed: Vec<_> = allowed.map(|&address| SocketAddr::new(address, 0)).collect();
            if allowed.is_empty() {
                return Err(NotAllowed.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
