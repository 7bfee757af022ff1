//! The simulated portals: one for each object, all on one server, selected by Host.

use std::{
    ops::Sub,
    time::{Duration, Instant},
};

use docspace_backup_operator::{
    api::DocSpaceBackupSchedule,
    portal::{Access, Address, Options, Portal, Portals as Clients},
    schedule::Schedule,
};
use harness::nightly;
use k8s_openapi::{
    api::core::v1::Secret,
    jiff::{Timestamp, tz::TimeZone},
};
use simulated_portal::{
    ApiKey, Fault, Installation, Keep, Log, Portal as Simulated, SimulatedPortal, Tenant,
};

use crate::{Result, table::percentile};

/// A portal, a Secret and an object for each number.
pub struct Portals {
    server: SimulatedPortal,
    portals: Vec<Simulated>,
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
        let (mut portals, mut keys, mut objects) = (Vec::new(), Vec::new(), Vec::new());
        // The hour that is farthest away, so that nothing comes due during the run.
        let hour = (Timestamp::now().to_zoned(TimeZone::UTC).hour() + 12).rem_euclid(24);
        for number in 0..count {
            let host = format!("portal-{number:05}.test");
            let portal = server.add_tenant(Tenant::at(&host));
            keys.push(portal.issue_key(ApiKey::named("bench")));
            portals.push(portal);
            let mut object: DocSpaceBackupSchedule = nightly(&server.url());
            object.metadata.name = Some(format!("object-{number:05}"));
            let shard = if number % 2 == 0 { "a" } else { "b" };
            object.metadata.labels = Some([("shard".into(), shard.into())].into());
            object.spec.portal.host_header = Some(host);
            object.spec.cron_params.hour = hour.into();
            object.spec.portal.api_key_secret_ref.name = format!("key-{number:05}");
            objects.push(object);
        }
        Self {
            server,
            portals,
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

    /// The counters of calls.
    pub fn log(&self) -> Log {
        self.server.log().clone()
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

    /// The portal of the object with this number takes calls from now on and never answers.
    pub fn hang(&self, number: usize) {
        self.server.order(Fault::hang().of(&self.portals[number]));
    }

    /// All do.
    pub fn hang_all(&self) {
        self.server.order(Fault::hang());
    }

    /// The port of the server.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The number of calls so far, by kind.
    pub fn by_kind(&self) -> ByKind {
        let log = self.server.log();
        ByKind {
            kinds: KINDS.map(|(method, endpoint)| log.count(method, endpoint)),
            all: log.total(),
        }
    }

    /// The time, in milliseconds, of the calls of one object, one after the other: the medians of their kinds, each as
    /// often as an object made it.
    pub async fn bare_calls(&self, objects: usize, calls: &ByKind) -> Result<f64> {
        if calls.kinds.iter().sum::<u64>() != calls.all {
            return Err("the operator made calls that the benchmark does not know".into());
        }
        let clients = Clients::new(Options {
            allow_loopback: true,
            proxy_from_env: false,
        })?;
        let mut times = [const { Vec::<Duration>::new() }; KINDS.len()];
        for (object, key) in self.objects.iter().zip(&self.keys).take(objects) {
            let address = Address::parse(&object.spec.portal.url, object.spec.portal.host_header.as_deref())?;
            let portal = clients.portal(&Access {
                namespace: "docspace".into(),
                address,
                key: key.clone().into(),
                ca: None,
            })?;
            for (kind, times) in times.iter_mut().enumerate() {
                let start = Instant::now();
                call(&portal, kind, object).await?;
                times.push(start.elapsed());
            }
        }
        let often = calls.kinds.map(|count| count as f64 / objects as f64);
        let each = times.iter().zip(often);
        Ok(each.map(|(times, often)| percentile(times, 0.5) * often).sum())
    }
}

/// The calls that a new object may need.
const KINDS: [(&str, &str); 6] = [
    ("GET", "getbackupschedule"),
    ("GET", "settings"),
    ("GET", "keys/@self"),
    ("GET", "getbackuphistory"),
    ("GET", "getbackupprogress"),
    ("POST", "createbackupschedule"),
];

/// Makes a call of this kind, by its place in [`KINDS`].
async fn call(portal: &Portal, kind: usize, object: &DocSpaceBackupSchedule) -> Result<()> {
    match kind {
        0 => drop(portal.schedule(false).await?),
        1 => drop(portal.settings().await?),
        2 => drop(portal.key().await?),
        3 => drop(portal.history(false).await?),
        4 => drop(portal.progress(false).await?),
        _ => {
            let schedule = Schedule::without_secrets(&object.spec);
            portal.create_schedule(&schedule).await?;
        }
    }
    Ok(())
}

/// Numbers of calls by kind.
pub struct ByKind {
    kinds: [u64; KINDS.len()],
    all: u64,
}

impl ByKind {
    /// The calls after these.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            kinds: std::array::from_fn(|kind| self.kinds[kind] - before.kinds[kind]),
            all: self.all - before.all,
        }
    }
}
