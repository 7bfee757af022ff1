//! The objects of a tenant who does nothing wrong, each with a healthy portal.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, REQUESTED_AT};
use futures::TryStreamExt;
use harness::{Namespace, nightly, secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use simulated_portal::{ApiKey, Installation, Keep, SimulatedPortal, Tenant};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{attackers::random, world::LONG};

/// The operator need not look at one object more often on request, so each victim waits this long between two requests.
const ONE_ASKS_AGAIN: Duration = Duration::from_secs(11);
/// A look that takes longer counts as one without an answer.
pub const LONGEST: Duration = Duration::from_secs(40);

/// Where the victims' portals are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At an address of IPv4, told apart by hostHeader.
    Address,
    /// At a name, which needs DNS.
    Name,
}

/// The victims; their objects are watched until this is dropped.
pub struct Victims {
    pub server: SimulatedPortal,
    names: Vec<String>,
    keys: Vec<String>,
    schedules: Api<DocSpaceBackupSchedule>,
    /// The last echo of requestedAt in a status that was Ready and Synced, by name. Victims that were never so are absent.
    seen: watch::Receiver<HashMap<String, Option<String>>>,
    /// What a victim was instead of Ready and Synced. The echo alone does not tell: a failed look is echoed, too.
    faults: Arc<Mutex<Vec<String>>>,
    _watch: AbortOnDropHandle<()>,
    next: usize,
}

impl Victims {
    /// Creates them; the operator must make them Ready.
    pub async fn create(client: &Client, namespace: &Namespace, count: usize, at: At) -> Self {
        let server = SimulatedPortal::start(Installation::default()).await;
        server.log().keep(Keep::Nothing);
        let (secrets, schedules) = (namespace.secrets(client), namespace.schedules(client));
        let (names, keys): (Vec<_>, Vec<_>) = (0..count)
            .map(|number| {
                let name = format!("victim-{number:02}");
                let tenant = server.add_tenant(Tenant::at(&host(&name)));
                (name, tenant.issue_key(ApiKey::named("victim")))
            })
            .unzip();
        let (tell, seen) = watch::channel(HashMap::new());
        let faults = Arc::<Mutex<Vec<String>>>::default();
        let watch = tokio::spawn(watch_over(schedules.clone(), tell, faults.clone()));
        for (name, key) in names.iter().zip(&keys) {
            let how = PostParams::default();
            let key = secret(name, &[("apiKey", key)]);
            secrets.create(&how, &key).await.expect("the Secret is created");
            let object = object(&server, name, at);
            schedules
                .create(&how, &object)
                .await
                .expect("the object is created");
        }
        Self {
            server,
            names,
            keys,
            schedules,
            seen,
            faults,
            _watch: AbortOnDropHandle::new(watch),
            next: 0,
        }
    }

    /// Waits until all are Ready.
    pub async fn are_ready(&self) {
        let (mut seen, count) = (self.seen.clone(), self.names.len());
        let ready = timeout(LONG, seen.wait_for(|seen| seen.len() == count)).await;
        assert!(
            ready.is_ok(),
            "only {} victims are Ready in time",
            self.seen.borrow().len()
        );
    }

    /// Where one victim's portal is: URL and Host.
    pub fn portal(&self, number: usize) -> (String, String) {
        (self.server.url(), host(&self.names[number]))
    }

    /// Whether a key is a victim's.
    pub fn own(&self, key: &str) -> bool {
        self.keys.iter().any(|own| own == key)
    }

    /// The number of victims.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Requests a look at the next victim, and waits for it. Returns how long it took; `None` if it had no answer within
    /// [`LONGEST`]. Then pauses, so that no victim asks too often.
    pub async fn look(&mut self) -> Option<Duration> {
        let name = self.names[self.next].clone();
        self.next = (self.next + 1) % self.names.len();
        let mark = random();
        let patch = Patch::Merge(json!({"metadata": {"annotations": {REQUESTED_AT: mark}}}));
        let began = Instant::now();
        self.schedules
            .patch(&name, &PatchParams::default(), &patch)
            .await
            .expect("the patch is accepted");
        let echoed = |seen: &HashMap<String, Option<String>>| {
            seen.get(&name).is_some_and(|echo| echo.as_ref() == Some(&mark))
        };
        let answer = timeout(LONGEST, self.seen.wait_for(echoed)).await;
        let is_answered = answer.is_ok_and(|echo| echo.is_ok());
        let took = began.elapsed();
        let pace = ONE_ASKS_AGAIN / u32::try_from(self.names.len()).expect("not that many");
        sleep(pace.saturating_sub(took)).await;
        is_answered.then_some(took)
    }

    /// What was wrong with victims that had been Ready.
    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().expect("nobody panicked").clone()
    }
}

fn host(name: &str) -> String {
    format!("{name}.portals.test")
}

fn object(server: &SimulatedPortal, name: &str, at: At) -> DocSpaceBackupSchedule {
    let mut object: DocSpaceBackupSchedule = match at {
        At::Address => nightly(&server.url()),
        At::Name => nightly(&format!("http://{}:{}", host(name), server.port())),
    };
    object.metadata.name = Some(name.into());
    object.spec.portal.api_key_secret_ref.name = name.into();
    object.spec.portal.host_header = (at == At::Address).then(|| host(name));
    object
}

async fn watch_over(
    schedules: Api<DocSpaceBackupSchedule>,
    tell: watch::Sender<HashMap<String, Option<String>>>,
    faults: Arc<Mutex<Vec<String>>>,
) {
    let changes = watcher(schedules, watcher::Config::default()).default_backoff();
    let mut changes = pin!(changes.applied_objects());
    loop {
        let object = match changes.try_next().await {
            Ok(Some(object)) => object,
            Ok(None) => return,
            // It begins again, after a while.
            Err(_) => continue,
        };
        let name = object.name_any();
        let status = object.status.unwrap_or_default();
        let fault = ["Ready", "Synced"].into_iter().find_map(|wanted| {
            let condition = status
                .conditions
                .iter()
                .find(|condition| condition.type_ == wanted);
            match condition {
                Some(condition) if condition.status == "True" => None,
                Some(Condition {
                    status,
                    reason,
                    message,
                    ..
                }) => Some(format!("{wanted}={status} {reason}: {message}")),
                None => Some(format!("no condition {wanted}")),
            }
        });
        let Some(fault) = fault else {
            tell.send_modify(|seen| {
                seen.insert(name, status.last_handled_reconcile_at);
            });
            continue;
        };
        if tell.borrow().contains_key(&name) {
            let mut faults = faults.lock().expect("nobody panicked");
            faults.push(format!("{name}: {fault}"));
        }
    }
}
