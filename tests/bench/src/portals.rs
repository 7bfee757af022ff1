//! The simulated portals: one for each object, all on one server, selected by Host.

use std::{
    ops::Sub,
    time::{Duration, Instant},
};

use docspace_backup_operator::{
    api::DocSpaceBackupSchedule,
    portal::{Access, Address, Options, Portals as Clients},
    schedule::Schedule,
};
use harness::nightly;
use k8s_openapi::api::core::v1::Secret;
use simulated_portal::{ApiKey, Installation, Keep, SimulatedPortal, Tenant};

use crate::{Result, figures::percentile};

/// A portal, a Secret and an object for each number.
pub struct Portals {
    server: SimulatedPortal,
    keys: Vec<String>,
    objects: Vec<DocSpaceBackupSchedule>,
}

/// Requests that the portals received.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// All of them.
    pub all: u64,
    /// Of these, POSTs and DELETEs of schedules.
    pub writes: u64,
}

impl Sub for Calls {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            all: self.all - before.all,
            writes: self.writes - before.writes,
        }
    }
}

impl Portals {
    /// Starts the server with this number of portals.
    pub async fn start(count: usize) -> Self {
        let server = SimulatedPortal::start(Installation::default()).await;
        server.log().keep(Keep::Nothing);
        let (mut keys, mut objects) = (Vec::new(), Vec::new());
        for number in 0..count {
            let host = format!("portal-{number:05}.test");
            keys.push(
                server
                    .add_tenant(Tenant::at(&host))
                    .issue_key(ApiKey::named("bench")),
            );
            let mut object = nightly(&server.url());
            object.metadata.name = Some(format!("object-{number:05}"));
            object.spec.portal.host_header = Some(host);
            object.spec.portal.api_key_secret_ref.name = format!("key-{number:05}");
            objects.push(object);
        }
        Self {
            server,
            keys,
            objects,
        }
    }

    /// The objects, in the order of their names.
    pub fn objects(&self) -> &[DocSpaceBackupSchedule] {
        &self.objects
    }

    /// The Secrets that the objects refer to.
    pub fn secrets(&self) -> impl Iterator<Item = Secret> {
        let names = self
            .objects
            .iter()
            .map(|object| object.spec.portal.api_key_secret_ref.name.as_str());
        names
            .zip(&self.keys)
            .map(|(name, key)| harness::secret(name, &[("apiKey", key)]))
    }

    /// The number of calls so far.
    pub fn calls(&self) -> Calls {
        let log = self.server.log();
        let writes = log.count("POST", "createbackupschedule") + log.count("DELETE", "deletebackupschedule");
        Calls {
            all: log.total(),
            writes,
        }
    }

    /// The median time, in milliseconds, of the calls that a new object needs, one after the other.
    pub async fn bare_calls(&self, count: usize) -> Result<f64> {
        let clients = Clients::new(Options {
            allow_loopback: true,
            proxy_from_env: false,
        })?;
        let mut times: Vec<Duration> = Vec::new();
        for (object, key) in self.objects.iter().zip(&self.keys).take(count) {
            let address = Address::parse(&object.spec.portal.url, object.spec.portal.host_header.as_deref())?;
            let portal = clients.portal(&Access {
                namespace: "docspace".into(),
                address: address.clone(),
                key: key.clone().into(),
                ca: None,
            })?;
            let start = Instant::now();
            portal.schedule(false).await?;
            portal.settings().await?;
            portal.key().await?;
            portal.history(false).await?;
            portal
                .create_schedule(&Schedule::without_secrets(&object.spec))
                .await?;
            portal.schedule(false).await?;
            times.push(start.elapsed());
        }
        Ok(percentile(&times, 0.5))
    }
}
