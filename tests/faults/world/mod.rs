//! The world of a row: a namespace, a portal, an operator that is started again when it ends, and a user.

mod processes;
pub mod setup;
mod user;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use harness::{ApiFront, KubeFaultId, Namespace, Operator};
use kube::Client;
use serde_json::Value;
use simulated_portal::{Door, Fault, FaultId, Portal, SimulatedPortal};
use tokio::time::sleep;

use self::{processes::Standby, setup::Others};
use crate::{
    manifest::Manifest,
    portal::{Other, PortalFault},
    row::{Begins, Effect, Injected, Kind, Row},
    seen::Seen,
};

/// A condition is checked at least this often, because not everything tells that it has changed.
const TICK: Duration = Duration::from_millis(100);

/// The world of a row.
pub struct World {
    pub row: Row,
    pub client: Client,
    pub namespace: Namespace,
    pub server: SimulatedPortal,
    pub portal: Portal,
    pub others: Others,
    pub front: ApiFront,
    pub seen: Seen,
    pub manifest: Manifest,
    /// The API key in the Secret.
    key: String,
    /// What was wanted, in turn.
    pub wanted: Vec<Manifest>,
    /// No text of the operator may have one of these.
    pub secrets: Vec<String>,
    /// When a process was started.
    pub starts: Vec<Instant>,
    /// When a process ended that alone knew of a write, or when the write was old enough.
    pub may_write_again: Vec<Instant>,
    /// When the portal's clock was moved by at least half an hour.
    pub steps: Vec<Instant>,
    /// When the user deleted the object.
    pub deleted_at: Option<Instant>,
    pub operator: Option<Operator>,
    /// How often the row has killed it.
    pub killed: u64,
    kubeconfig: PathBuf,
    ended: Option<Instant>,
    standby: Option<Standby>,
    active: Vec<Active>,
}

/// A present fault.
enum Active {
    Kube(KubeFaultId),
    Portal(FaultId),
    /// How many connections were turned away before.
    Door(u64),
    /// A write to Kubernetes that is waited for.
    Write(Arc<AtomicBool>),
}

impl World {
    /// Begins the faults of the row.
    pub fn fail(&mut self) {
        let order = |fault: &Injected| match *fault {
            Injected::Kube(call, fault) => Active::Kube(self.front.order(call, fault)),
            Injected::Portal(_, PortalFault::Door(door)) => {
                let before = self.server.turned_away();
                self.server.set_door(door);
                Active::Door(before)
            }
            Injected::Portal(call, fault) => {
                let other = Other {
                    host: &self.others.portal.host(),
                    key: &self.others.key,
                };
                let echo = self.what_the_portal_knows();
                Active::Portal(self.server.order(fault.of(call, &other, &echo)))
            }
            Injected::Kill(Effect::Kube(number), after) => {
                Active::Write(self.front.hold_write(number, after))
            }
            Injected::Kill(effect, after) => {
                let fault = if after {
                    Fault::hang().after_work()
                } else {
                    Fault::black_hole()
                };
                let fault = match effect {
                    Effect::Post(number) => fault
                        .to("createbackupschedule")
                        .after(number.try_into().expect("a count")),
                    _ => fault.to("deletebackupschedule"),
                };
                Active::Portal(self.server.order(fault))
            }
        };
        self.active = self.row.faults.iter().map(order).collect();
    }

    /// The values that an error of the portal may repeat: those of the Secrets, where they stay the same while the fault
    /// lasts. The operator cannot know a value that it no longer uses.
    fn what_the_portal_knows(&self) -> String {
        match (self.row.begins, self.row.kind) {
            (Begins::Night | Begins::Deletion, _) | (_, Kind::AtStake) => {
                format!("{} {}", self.key, self.manifest.storage_key)
            }
            _ => String::new(),
        }
    }

    /// How many requests each present fault has met.
    pub fn hits(&self) -> Vec<u64> {
        let hits = |active: &Active| match active {
            Active::Kube(fault) => fault.hits(),
            Active::Portal(fault) => self.server.hits(*fault),
            Active::Write(reached) => u64::from(reached.load(Ordering::Relaxed)),
            Active::Door(before) => self.server.turned_away() - before,
        };
        self.active.iter().map(hits).collect()
    }

    /// Ends the faults.
    pub fn recover(&mut self) -> Vec<u64> {
        let hits = self.hits();
        self.active.clear();
        self.front.end_faults();
        self.server.clear_faults();
        self.server.set_door(Door::Open);
        hits
    }

    /// Waits for a condition; returns how long that took. Fails after the deadline, with what there was to see.
    pub async fn until(&mut self, what: &str, deadline: Duration, is: impl Fn(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !is(self) {
            if began.elapsed() > deadline {
                panic!("{what}: not within {deadline:?}\n{}", self.shown());
            }
            self.tend().await;
            tokio::select! {
                () = self.seen.changed() => {}
                () = self.front.changed() => {}
                () = sleep(TICK) => {}
            }
        }
        began.elapsed()
    }

    /// What there is to see.
    pub fn shown(&self) -> String {
        const LINES: usize = 25;
        let object = self.seen.newest().map(|object| {
            let mut object = serde_json::to_value(&*object).expect("JSON");
            object["metadata"]["managedFields"] = Value::Null;
            serde_saphyr::to_string(&object).expect("YAML")
        });
        let log = match self.starts.is_empty() {
            true => String::new(),
            false => harness::log_of(self.namespace.name()),
        };
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
        format!(
            "wanted: {:?}\nthe portal: {:?}\nthe object:\n{}\nthe log ends with:\n{tail}",
            self.manifest,
            self.portal.schedule(false),
            object.unwrap_or_else(|| "is not there".into()),
        )
    }

    pub fn object(&self) -> Option<Arc<DocSpaceBackupSchedule>> {
        self.seen.newest()
    }

    /// The portal holds what the manifest says, and the status says so.
    pub fn is_as_wanted(&self) -> bool {
        let held = self.portal.schedule(false);
        held.is_some_and(|held| self.manifest.is(&held))
            && self.object().is_some_and(|object| is_ready(&object))
    }
}

/// Whether the status is of the current generation.
pub fn is_observed(object: &DocSpaceBackupSchedule) -> bool {
    let status = object.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation);
    observed.is_some() && observed == object.metadata.generation
}

/// Whether Ready is True for the current generation.
pub fn is_ready(object: &DocSpaceBackupSchedule) -> bool {
    is_observed(object) && condition_is(object, "Ready", "True")
}

/// Whether a condition has this status.
pub fn condition_is(object: &DocSpaceBackupSchedule, kind: &str, status: &str) -> bool {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == kind)
        .any(|condition| condition.status == status)
}

/// The reason of Ready.
pub fn reason(object: &DocSpaceBackupSchedule) -> &str {
    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions
        .find(|condition| condition.type_ == "Ready")
        .map_or("", |ready| &ready.reason)
}

/// A value that occurs nowhere else.
fn secret_value() -> String {
    format!("canary-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
