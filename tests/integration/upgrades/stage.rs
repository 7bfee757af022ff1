//! Objects in every state that a later operator must find again, each with a portal.

use std::{collections::BTreeMap, time::Duration};

use docspace_backup_operator::api::{
    AdoptionPolicy, AppliedReason, DocSpaceBackupSchedule, ManagementPolicy,
};
use harness::{ControlPlane, DEADLINE};
use serde_json::{Value, json};
use simulated_portal::{
    ApiKey, Fault, FaultBody, Installation, Portal, Request, Schedule, SimulatedPortal, Tenant,
};
use tokio::time::{sleep, timeout};

use super::seen::{prod, told};
use crate::world::{Setup, World, applied_reason, at, condition, every_day, is_observed, ready_reason_is};

/// The objects, and the reason of Ready with which they are handed over.
pub const TABLE: [(&str, &str); 15] = [
    // Its archive is proven; it also has an answered requestedAt.
    ("nightly", "InSync"),
    ("dump", "InSync"),
    // Wants the slot of nightly.
    ("conflict", "Conflict"),
    ("suspended", "InSync"),
    ("observer", "OutOfSync"),
    ("refused", "AdoptionRefused"),
    ("unauthorized", "Unauthorized"),
    // Somebody changed the schedule again after it had been corrected.
    ("contested", "Contested"),
    // The portal accepted the schedule and never showed it.
    ("ignored", "NotConverging"),
    // Has a storage parameter from a Secret.
    ("sealed", "InSync"),
    // A write without an answer: the portal carried it out and then failed; or it did not.
    ("lost", "Unreachable"),
    ("open", "OutcomeUnknown"),
    // Is deleted, and waits for its portal.
    ("leaving", "Unreachable"),
    // Come to that later.
    ("later-lost", "InSync"),
    ("later-leaving", "InSync"),
];
/// Objects at the portal of nightly.
const BESIDE_NIGHTLY: [&str; 3] = ["nightly", "dump", "conflict"];
/// Objects whose portal has the real time. The rule for a lost write compares it with the operator's.
pub const PUNCTUAL: [&str; 3] = ["lost", "open", "later-lost"];
/// The other portals' clock runs from here: nightly's archive, made at 12:08, is proven by then.
const NOW: &str = "11-23 12:42";

/// The Secret of sealed's parameter.
pub const STORAGE_SECRET: &str = "storage";
/// Its value.
const SEALED: &str = "s3cret-of-the-storage";

/// A world with two installations.
pub struct Stage {
    pub world: World,
    /// The second one, whose clock is right.
    pub punctual: SimulatedPortal,
    /// Of each object, with the key.
    portals: BTreeMap<&'static str, (Portal, String)>,
}

impl Stage {
    /// On a control plane whose CRD may be another version's.
    pub async fn on(plane: &ControlPlane) -> Self {
        Self::of(Setup::on(plane)).await
    }

    /// On the shared one.
    pub async fn of_one_process() -> Self {
        Self::of(Setup::default()).await
    }

    async fn of(setup: Setup<'_>) -> Self {
        let world = setup.of_one_process("versions take turns").idle().await;
        let punctual = SimulatedPortal::start(Installation::default()).await;
        let mut portals = BTreeMap::new();
        for (name, _) in TABLE {
            if BESIDE_NIGHTLY.contains(&name) {
                portals.insert(name, (world.portal.clone(), world.key.clone()));
                continue;
            }
            let server = if PUNCTUAL.contains(&name) {
                &punctual
            } else {
                &world.server
            };
            let portal = server.add_tenant(Tenant::at(&format!("{name}.test")));
            let key = match name {
                "unauthorized" => "sk-bogus-0000".into(),
                _ => portal.issue_key(ApiKey::named(name)),
            };
            world
                .set_secret(&secret_of(name), &[("apiKey", key.as_bytes())])
                .await;
            portals.insert(name, (portal, key));
        }
        world
            .set_secret(STORAGE_SECRET, &[("sse", SEALED.as_bytes())])
            .await;
        world.server.clock().set(at("11-23 12:00"));
        Self {
            world,
            punctual,
            portals,
        }
    }

    /// The portal of an object.
    pub fn portal(&self, name: &str) -> &Portal {
        &self.portals[name].0
    }

    /// The id of the key of an object, unless its portal does not know the key.
    pub fn key_id(&self, name: &str) -> Option<String> {
        let (portal, key) = &self.portals[name];
        portal.key_id(key)
    }

    /// How many writes the portal of an object received.
    pub fn writes(&self, name: &str) -> usize {
        self.requests(name)
            .iter()
            .filter(|request| request.is_write())
            .count()
    }

    /// The requests that the portal of an object received.
    pub fn requests(&self, name: &str) -> Vec<Request> {
        let portal = self.portal(name);
        let id = Some(portal.tenant_id());
        let mut requests = portal.server().log().requests();
        requests.retain(|request| request.tenant_id == id);
        requests
    }

    /// The manifest of an object.
    fn manifest(&self, name: &str) -> DocSpaceBackupSchedule {
        let world = &self.world;
        let mut object = match name {
            "dump" => return world.dump_at(5),
            "nightly" | "conflict" => return world.named(name),
            _ => world.named(name),
        };
        let (portal, spec) = (self.portal(name), &mut object.spec);
        spec.portal.url = portal.server().url();
        spec.portal.host_header = Some(portal.host());
        spec.portal.api_key_secret_ref.name = secret_of(name);
        match name {
            "observer" => spec.management_policy = ManagementPolicy::Observe,
            "refused" => spec.adoption_policy = AdoptionPolicy::Never,
            "sealed" => {
                let from = json!({"secretKeyRef": {"name": STORAGE_SECRET, "key": "sse"}});
                let param = serde_json::from_value(json!({"key": "ssekey", "valueFrom": from}));
                spec.storage_params.push(param.expect("a parameter"));
            }
            _ => {}
        }
        object
    }

    /// Creates the objects with an operator that leads, and brings each into its state.
    pub async fn play(&self) {
        let world = &self.world;
        self.create("nightly").await;
        world.ready("nightly").await;
        world.proved("11-23 12:12", NOW).await;
        self.clock_runs();
        world.request("nightly").await;

        for name in ["observer", "refused", "ignored"] {
            self.hold(name);
        }
        let swallows = json!({"response": true, "count": 1, "status": 0, "statusCode": 200});
        let swallows = Fault::answer(200, FaultBody::Json(swallows)).to("createbackupschedule");
        world.server.order(swallows.of(self.portal("ignored")));
        let no_answer = Fault::answer(504, FaultBody::Html).to("createbackupschedule");
        self.punctual.order(no_answer.of(self.portal("open")));
        let unready = ["nightly", "lost"];
        for (name, _) in TABLE.iter().filter(|(name, _)| !unready.contains(name)) {
            self.create(name).await;
        }
        for (name, _) in TABLE.iter().filter(|(_, reason)| *reason == "InSync") {
            world.ready(name).await;
        }
        world.patch("suspended", json!({"spec": {"suspend": true}})).await;
        self.contest().await;
        world.does_not_converge("ignored").await;
    }

    /// The portals' clock runs from now on.
    pub fn clock_runs(&self) {
        self.world.server.clock().run_from(at(NOW));
    }

    async fn create(&self, name: &str) {
        self.world.create(&self.manifest(name)).await;
    }

    /// Waits until every object is told as the table says.
    pub async fn is_settled(&self) {
        for (name, reason) in TABLE {
            let object = self.world.wait(name, |object| {
                is_observed(object) && ready_reason_is(object, reason)
            });
            object.await;
            if reason != "InSync" {
                told(&self.world, name, reason).await;
            }
        }
        let suspended = |object: &DocSpaceBackupSchedule| condition(object, "Suspended").is_some();
        self.world.wait("suspended", suspended).await;
        for (name, _) in TABLE {
            let row = self.portal(name).schedule(name == "dump");
            let key = row
                .as_ref()
                .and_then(|row| row.storage_params.get("ssekey").cloned());
            let hour = self.posted(name).map(|_| every_day(hour_of(name)));
            assert_eq!(row.map(|row| row.cron), hour, "what the portal of {name} holds");
            assert_eq!(key.is_some(), name == "sealed", "{name}");
        }
    }

    /// The schedule that the portal of an object holds when it is handed over, as a request body.
    pub fn posted(&self, name: &str) -> Option<Value> {
        if ["unauthorized", "open"].contains(&name) {
            return None;
        }
        let mut spec = serde_json::to_value(self.manifest(name).spec).expect("a spec is JSON");
        spec["cronParams"]["hour"] = json!(hour_of(name));
        for param in spec["storageParams"].as_array_mut().into_iter().flatten() {
            if param.get("valueFrom").is_some() {
                *param = json!({"key": param["key"], "value": SEALED});
            }
        }
        Some(spec)
    }

    /// Stores that schedule, unless there is one.
    pub fn hold(&self, name: &str) {
        let portal = self.portal(name);
        let is_held = portal.schedule(name == "dump").is_some();
        if let Some(body) = self.posted(name).filter(|_| !is_held) {
            portal.set_schedule_as_posted(&body);
        }
    }

    fn somebody_sets_hour(&self, name: &str, hour: u8) {
        let portal = self.portal(name);
        let there = portal.schedule(false).expect("a schedule");
        portal.set_schedule(Schedule {
            cron: every_day(hour),
            ..there
        });
    }

    /// Somebody changes the schedule of contested, and again once that is corrected.
    async fn contest(&self) {
        self.somebody_sets_hour("contested", 9);
        prod(&self.world, "contested").await;
        let corrected =
            |object: &DocSpaceBackupSchedule| applied_reason(object) == Some(AppliedReason::Corrected);
        self.world.wait("contested", corrected).await;
        self.somebody_sets_hour("contested", 10);
        prod(&self.world, "contested").await;
        self.world.stalled("contested", "Contested").await;
    }

    /// Creates or changes an object; the portal carries the write out, and gives no answer from then on.
    pub async fn lose_a_write(&self, name: &str) {
        let (portal, writes) = (self.portal(name), self.writes(name));
        let server = portal.server();
        let lost = Fault::lost_answer().until_cleared();
        let lost = server.order(lost.to("createbackupschedule").of(portal));
        match name {
            "lost" => self.create(name).await,
            _ => {
                self.world
                    .patch(name, json!({"spec": {"backupsStored": 8}}))
                    .await
            }
        }
        let is_there = async {
            while self.writes(name) == writes {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(DEADLINE, is_there).await.expect("a write");
        server.order(Fault::reset().of(portal));
        server.clear_fault(lost);
        self.world.told(name, "Unreachable").await;
        told(&self.world, name, "Unreachable").await;
    }

    /// Deletes an object whose portal gives no answer.
    pub async fn leave(&self, name: &str) {
        let portal = self.portal(name);
        portal.server().order(Fault::reset().of(portal));
        self.world.delete(name).await;
        self.world.told(name, "Unreachable").await;
        told(&self.world, name, "Unreachable").await;
    }

    /// The portals of these give no answer: the state after `lose_a_write` and `leave`.
    pub fn out_of_reach(&self, names: &[&str]) {
        for name in names {
            let portal = self.portal(name);
            portal.server().order(Fault::reset().of(portal));
        }
    }

    /// The portal of an object answers again.
    pub fn reach(&self, name: &str) {
        self.portal(name).server().clear_faults();
    }

    /// The user changes nightly, and this operator writes it.
    pub async fn change_nightly(&self) {
        self.world
            .patch("nightly", json!({"spec": {"backupsStored": 8}}))
            .await;
        self.world.ready("nightly").await;
        told(&self.world, "nightly", "ScheduleChanged").await;
    }
}

/// The Secret with the key of an object's portal.
fn secret_of(name: &str) -> String {
    format!("key-{name}")
}

/// The hour of the schedule that the portal of an object holds.
fn hour_of(name: &str) -> u8 {
    match name {
        "observer" | "refused" | "ignored" => 9,
        "contested" => 10,
        "dump" => 5,
        _ => 3,
    }
}
