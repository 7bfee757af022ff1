//! The client of the Kubernetes API for requests.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use kube::Client;

/// How long a client is used. The buffers of its connections may hold what was last read through them, also Secrets
/// that no longer exist, and kube never closes idle connections.
const LIFETIME: Duration = Duration::from_secs(20);

type Make = Box<dyn Fn() -> kube::Result<Client> + Send + Sync>;

/// A client that is replaced every 20 s, and its connections with it; cheap to clone.
#[derive(Clone)]
pub struct Requests(Arc<Inner>);

struct Inner {
    make: Make,
    current: RwLock<Client>,
}

impl Requests {
    /// Clients that this function makes.
    ///
    /// # Errors
    /// The first one cannot be made.
    pub fn new(make: impl Fn() -> kube::Result<Client> + Send + Sync + 'static) -> kube::Result<Self> {
        let current = RwLock::new(make()?);
        Ok(Self(Arc::new(Inner {
            make: Box::new(make),
            current,
        })))
    }

    /// The present client, for one request or a few.
    pub fn client(&self) -> Client {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Replaces the client regularly; never ends. Running requests end with the client that they began with.
    pub async fn renew(&self) {
        loop {
            tokio::time::sleep(LIFETIME).await;
            match (self.0.make)() {
                Ok(client) => {
                    *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = client;
                }
                Err(error) => tracing::debug!(%error, "the client of the Kubernetes API is not renewed"),
            }
        }
    }
}
