//! Reconciles as the controller runs them, one after the other, with the object in memory instead of Kubernetes, and with
//! the portal's clock.

use std::time::Duration;

use docspace_backup_operator::{
    api::{DocSpaceBackupSchedule, FINALIZER, condition},
    controller::fetch::fetch,
    portal::{Access, Address, Options, Portal, Portals},
    rules::{
        decide::decide,
        facts::{Facts, Slot},
        memory::Memory,
        outcome::{Kept, in_sync},
        plan::{Need, Plan, Step, Write},
        recall::recall,
        retry::Pace,
        summary::summary,
    },
    schedule::Schedule,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The first portal's own name.
const HOST: &str = "portal.test";
/// The operator's default.
const INTERVAL: Duration = Duration::from_secs(15 * 60);

/// An operator with one object.
pub struct Operator {
    object: DocSpaceBackupSchedule,
    memory: Memory,
    access: Access,
    portal: Portal,
    /// Whether writes are carried out or only reported.
    writes: bool,
    /// Number of status writes.
    pub status_writes: usize,
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
        }
    }

    /// Reports writes but does not carry them out.
    pub fn only_telling(self) -> Self {
        Self {
            writes: false,
            ..self
        }
    }

    /// Runs one reconcile at this time.
    pub async fn look(&mut self, now: Timestamp) -> Told {
        let Self {
            object,
            memory,
            access,
            portal,
            ..
        } = self;
        let mut facts = recall(object, memory, Slot::Free, now);
        let plan = loop {
            match decide(&facts) {
                Step::Ask(Need::Secrets) => {
                    facts.wanted = Some(Ok(Schedule::without_secrets(&object.spec)));
                    facts.access = Some(Ok(access.clone()));
                }
                Step::Ask(need) => fetch(portal, need, &mut facts).await,
                Step::Do(plan) => break plan,
            }
        };
        let outcome = act(portal, self.writes, &plan, &mut facts).await;
        let pace = Pace {
            interval: INTERVAL,
            now,
            chance: 0.5,
        };
        let summary = summary(object, &facts, &outcome, memory, pace);
        let finalizer = facts.finalizer;
        let status = summary.status.clone();
        self.status_writes += usize::from(object.status.as_ref() != Some(&status));
        let reason = |kind: &str| condition(Some(&status), kind).map_or("-".into(), |it| it.reason.clone());
        let told = Told {
            plan: plan.to_string(),
            ready: reason("Ready"),
            fresh: reason("BackupFresh"),
            wait: summary.wait,
        };
        summary.keep(memory);
        object.status = Some(status);
        object.metadata.finalizers = finalizer.then(|| vec![FINALIZER.into()]);
        told
    }
}

async fn act(portal: &Portal, writes: bool, plan: &Plan, facts: &mut Facts<'_>) -> Kept {
    match plan {
        Plan::Refuse(verdict) => Kept::of(verdict.clone()),
        Plan::Adopt(reason) => {
            facts.finalizer = true;
            Kept {
                applied: Some(*reason),
                ..Kept::of(in_sync())
            }
        }
        Plan::Write(plan) if writes => {
            let Write { reason, wanted, .. } = &**plan;
            portal.create_schedule(wanted).await.expect("the portal takes it");
            let held = portal.schedule(wanted.dump).await;
            facts.held = facts.take_time(held).into();
            facts.finalizer = true;
            Kept {
                applied: Some(*reason),
                ..Kept::of(in_sync())
            }
        }
        _ => Kept::of(in_sync()),
    }
}
