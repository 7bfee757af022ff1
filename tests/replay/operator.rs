//! Reconciles as the controller runs them, one after the other, with the object in memory instead of Kubernetes, and with
//! the portal's clock.

use std::time::Duration;

use docspace_backup_operator::{
    api::{DocSpaceBackupSchedule, FINALIZER, condition},
    controller::fetch::fetch,
    portal::{Access, Address, Options, Portal, Portals},
    rules::{
        decide::decide,
        facts::{Asked, Facts, Slot},
        memory::{Lost, Memory, Resolved, Written},
        outcome::{Kept, Sent, in_sync},
        plan::{Need, Plan, Step, Write},
        recall::recall,
        resolved::take_resolved,
        retry::{Pace, after_kubernetes, after_start},
        summary::summary,
    },
    schedule::Schedule,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

/// The first portal's own name.
const HOST: &str = "portal.test";
/// The operator's default.
const INTERVAL: Duration = Duration::from_secs(15 * 60);

/// An operator with one object.
pub struct Operator {
    /// The object.
    pub object: DocSpaceBackupSchedule,
    memory: Memory,
    access: Access,
    portal: Portal,
    /// Whether writes are carried out or only reported.
    writes: bool,
    /// Number of status writes.
    pub status_writes: usize,
    /// The random number of the next wait, 0 to 1.
    pub chance: f64,
    /// A write with an unknown outcome.
    lost: Option<Lost>,
    /// Kubernetes refuses the next status write.
    pub status_write_fails: bool,
}

/// The result of a reconcile.
#[derive(Clone, Debug)]
pub struct Told {
    /// The plan in short form.
    pub plan: String,
    /// Reason of Ready.
    pub ready: String,
    /// Reason of BackupFresh.
    pub fresh: String,
    /// Status of Ready and of BackupFresh.
    pub states: [String; 2],
    /// Whether the object is stalled.
    pub stalled: bool,
    /// Time until the next reconcile.
    pub wait: Duration,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}, {}", self.plan, self.ready, self.fresh)
    }
}

impl Operator {
    /// With an object of this schedule (the body of a POST), for the portal at this URL.
    pub fn new(url: &str, key: &str, schedule: &Value) -> Self {
        let mut spec = schedule.clone();
        spec["portal"] = json!({"url": url, "hostHeader": HOST, "apiKeySecretRef": {"name": "key"}});
        let object = json!({
            "metadata": {"name": "nightly", "namespace": "docspace", "uid": "me", "generation": 1},
            "spec": spec,
        });
        let options = Options {
            allow_loopback: true,
            ..Options::default()
        };
        let address = Address::parse(url, Some(HOST)).expect("an address");
        let portals = Portals::new(options).expect("a client");
        let access = Access {
            namespace: "docspace".into(),
            address,
            key: key.to_owned().into(),
            ca: None,
        };
        Self {
            object: serde_json::from_value(object).expect("a valid object"),
            memory: Memory::default(),
            portal: portals.portal(&access).expect("a portal"),
            access,
            writes: true,
            status_writes: 0,
            chance: 0.5,
            lost: None,
            status_write_fails: false,
        }
    }

    /// Reports writes but does not carry them out.
    pub fn only_telling(self) -> Self {
        Self {
            writes: false,
            ..self
        }
    }

    /// Loses the memory, as a restart does. Returns the time until the first reconcile.
    pub fn restart(&mut self, now: Timestamp) -> Duration {
        self.memory = Memory::default();
        self.lost = None;
        after_start(&self.object, self.pace(now))
    }

    fn pace(&self, now: Timestamp) -> Pace {
        let own = self.object.spec.interval.map(Duration::from);
        Pace {
            interval: own.unwrap_or(INTERVAL),
            now,
            chance: self.chance,
        }
    }

    /// Runs one reconcile at this time.
    pub async fn look(&mut self, now: Timestamp) -> Told {
        let pace = self.pace(now);
        let Self {
            object,
            memory,
            access,
            portal,
            lost,
            ..
        } = self;
        object.metadata.creation_timestamp.get_or_insert(Time(now));
        // What Kubernetes did not take of the last status still holds.
        let actual = object.status.clone();
        if let Some(unwritten) = memory.unwritten.take() {
            object.status = Some(*unwritten);
        }
        let mut facts = recall(object, memory, Slot::Free, now);
        if let Some(lost) = lost {
            facts.lost_write = lost.as_fact(false);
        }
        let plan = loop {
            match decide(&facts) {
                Step::Ask(Need::Secrets) => {
                    let resolved = Resolved {
                        access: access.clone(),
                        wanted: Schedule::without_secrets(&object.spec),
                        versions: [].into(),
                    };
                    take_resolved(&mut facts, memory, object, &resolved, lost.as_ref());
                    memory.is_resolved = true;
                    facts.wanted = Some(Ok(resolved.wanted));
                    facts.access = Some(Ok(resolved.access));
                }
                Step::Ask(need) => fetch(portal, need, &mut facts).await,
                Step::Do(plan) => break plan,
            }
        };
        let outcome = act(portal, self.writes, &plan, &mut facts, (memory, lost)).await;
        let summary = summary(object, &facts, &outcome, memory, pace);
        let finalizer = facts.finalizer;
        let status = summary.status.clone();
        let mut wait = summary.wait;
        summary.keep(memory);
        let differs = actual.as_ref() != Some(&status);
        if std::mem::take(&mut self.status_write_fails) && differs {
            memory.unwritten = Some(Box::new(status));
            object.status = actual;
            wait = after_kubernetes(memory, pace);
        } else {
            self.status_writes += usize::from(differs);
            memory.kubernetes_failures = 0;
            object.status = Some(status);
        }
        object.metadata.finalizers = finalizer.then(|| vec![FINALIZER.into()]);
        self.told(&plan, wait)
    }

    /// What the object's status tells after a reconcile.
    fn told(&self, plan: &Plan, wait: Duration) -> Told {
        let of = |kind: &str| condition(self.object.status.as_ref(), kind);
        let reason = |kind: &str| of(kind).map_or("-".into(), |it| it.reason.clone());
        let state = |kind: &str| of(kind).map_or("-".into(), |it| it.status.clone());
        Told {
            plan: plan.to_string(),
            ready: reason("Ready"),
            fresh: reason("BackupFresh"),
            states: ["Ready", "BackupFresh"].map(state),
            stalled: state("Stalled") == "True",
            wait,
        }
    }
}

/// The memory of an object, and its write with an unknown outcome.
type Remembered<'a> = (&'a mut Memory, &'a mut Option<Lost>);

/// The portal holds the wanted schedule.
fn settled(facts: &Facts<'_>, (memory, lost): Remembered<'_>) {
    if facts.lost_write.is_settled(facts.local_now) {
        *lost = None;
    }
    memory.shows_wanted();
}

async fn act(
    portal: &Portal,
    writes: bool,
    plan: &Plan,
    facts: &mut Facts<'_>,
    (memory, lost): Remembered<'_>,
) -> Kept {
    match plan {
        Plan::Refuse(verdict) => Kept::of(verdict.clone()),
        Plan::Adopt(reason) => {
            facts.finalizer = true;
            settled(facts, (memory, lost));
            Kept {
                applied: Some(*reason),
                ..Kept::of(in_sync())
            }
        }
        Plan::Write(plan) if writes => {
            facts.finalizer = true;
            write(portal, plan, facts, (memory, lost)).await
        }
        _ => {
            settled(facts, (memory, lost));
            Kept::of(in_sync())
        }
    }
}

/// As the controller's own.
async fn write(portal: &Portal, plan: &Write, facts: &mut Facts<'_>, (memory, lost): Remembered<'_>) -> Kept {
    let posted = facts.take_time(portal.create_schedule(&plan.wanted).await);
    let resolved = memory.resolved.as_ref();
    let written = resolved.map(|(_, resolved)| Written::of(resolved));
    if posted.is_ok() {
        *lost = None;
        memory.accepted_write = written.clone().map(Box::new);
    }
    if Sent::of(&posted, &plan.wanted, &Asked::NotYet) != Sent::Refused {
        facts.take_held(portal.schedule(plan.wanted.dump).await);
    }
    let sent = Sent::of(&posted, &plan.wanted, &facts.held);
    match sent {
        Sent::Shown => settled(facts, (memory, lost)),
        Sent::Lost => {
            *lost = written.map(|written| Lost {
                by: Some("me".into()),
                since: facts.local_now,
                reason: plan.reason,
                written,
            });
        }
        Sent::Accepted | Sent::Refused => {}
    }
    sent.kept(&posted, plan, facts, facts.local_now)
}
