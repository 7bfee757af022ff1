//! Teams that share an operator and do not trust each other: no team's claim takes anything from another team.

use std::time::Duration;

use docspace_backup_operator::{
    api::{Applied, AppliedReason, DocSpaceBackupSchedule, FINALIZER, REQUESTED_AT},
    schedule::Schedule,
};
use harness::{API_KEY, DEADLINE, Namespace, wait_for};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use simulated_portal::{ApiKey, Fault, FaultBody, Request, SimulatedPortal};
use tokio::time::sleep;

use crate::world::{Setup, World, at, checks::mark, every_day, is_ready, random, ready_reason_is};

/// Another namespace of the same operator.
struct Elsewhere {
    world: World,
    namespace: Namespace,
    schedules: Api<DocSpaceBackupSchedule>,
}

impl Elsewhere {
    async fn new() -> Self {
        let one = "it is about what one process has seen for itself";
        let setup = Setup::default().of_one_process(one);
        let (world, namespace) = setup.with_another_namespace().await;
        world.server.clock().set(at("11-23 12:00"));
        Self {
            schedules: namespace.schedules(&world.client),
            world,
            namespace,
        }
    }

    async fn create(&self, object: &DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
        let created = self.schedules.create(&PostParams::default(), object).await;
        created.expect("the object is accepted")
    }

    /// The object of the world, made after this one: Kubernetes tells ages in seconds.
    async fn create_younger(&self, than: &DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
        let made = than.metadata.creation_timestamp.as_ref().expect("a time").0;
        while Timestamp::now().as_second() <= made.as_second() {
            sleep(Duration::from_millis(20)).await;
        }
        self.world.create(&self.world.nightly()).await;
        self.world.ready("nightly").await
    }

    async fn create_secret(&self, key: &str) {
        let secret = harness::secret(API_KEY, &[("apiKey", key)]);
        let secrets = self.namespace.secrets(&self.world.client);
        let created = secrets.create(&PostParams::default(), &secret).await;
        created.expect("the Secret is created");
    }

    /// Whoever may write a status may have it say that its object owns the slot, and that its key is a good one.
    async fn forge(&self, object: &DocSpaceBackupSchedule) {
        let portal = &object.spec.portal;
        let applied = Applied {
            time: Time(at("11-23 12:00")),
            reason: AppliedReason::Created,
            generation: 1,
            uid: object.metadata.uid.clone().expect("a uid"),
            url: portal.url.clone(),
            host_header: portal.host_header.clone(),
            schedule: Schedule::without_secrets(&object.spec).shown_as_applied(),
            secrets: Vec::new(),
        };
        let valid = json!({
            "type": "CredentialsValid", "status": "True", "reason": "Accepted", "message": "",
            "observedGeneration": object.metadata.generation, "lastTransitionTime": Time(at("11-23 12:00")),
        });
        let status = Patch::Merge(json!({"status": {"applied": applied, "conditions": [valid]}}));
        let forged = self
            .schedules
            .patch_status("nightly", &PatchParams::default(), &status)
            .await;
        forged.expect("the status is written");
    }

    /// Triggers a check, without another effect.
    async fn check_now(&self) {
        let marked = mark(&self.schedules, "nightly").await;
        marked.expect("the patch is accepted");
    }

    async fn wait(&self, wanted: impl Fn(&DocSpaceBackupSchedule) -> bool) -> DocSpaceBackupSchedule {
        wait_for(&self.schedules, "nightly", DEADLINE, wanted).await
    }

    /// The object of the world keeps its slot: it is looked after, and its schedule goes with it.
    async fn the_slot_is_kept(&self) {
        let world = &self.world;
        let posts = world.posts();
        world.somebody_sets_hour(9);
        world.request("nightly").await;
        world.event("ScheduleCorrected").await;
        world.ready("nightly").await;
        assert_eq!((world.posts(), world.cron()), (posts + 1, Some(every_day(3))));
        world.delete("nightly").await;
        world.gone("nightly").await;
        assert_eq!((world.deletes(), world.cron()), (1, None));
    }
}

fn key_id(object: &DocSpaceBackupSchedule) -> Option<String> {
    object.status.as_ref()?.api_key.as_ref()?.id.clone()
}

/// An older object elsewhere owns its slot at a server of its own, which then calls its key by the id of another's.
async fn with_a_server_that_lies() -> (Elsewhere, SimulatedPortal) {
    let there = Elsewhere::new().await;
    let (server, key) = World::another_server().await;
    there.create_secret(&key).await;
    there.create(&harness::nightly(&server.url())).await;
    let older = there.wait(is_ready).await;
    let object = there.create_younger(&older).await;
    let id = key_id(&object).expect("an id");
    let lie = json!({
        "response": {"id": id, "name": "lie", "permissions": [], "isActive": true},
        "count": 1, "links": [], "status": 0, "statusCode": 200,
    });
    server.order(Fault::answer(200, FaultBody::Json(lie)).to("keys/@self"));
    // A change of the spec makes the operator read the key again.
    let changed = Patch::Merge(json!({"spec": {"interval": "10m"}}));
    let (api, how) = (&there.schedules, PatchParams::default());
    let patched = api.patch("nightly", &how, &changed).await;
    patched.expect("the patch is accepted");
    there.wait(|object| key_id(object).as_ref() == Some(&id)).await;
    (there, server)
}

#[tokio::test]
async fn a_server_that_reports_anothers_key_takes_no_slot() {
    let (there, _server) = with_a_server_that_lies().await;
    there.the_slot_is_kept().await;
}

#[tokio::test]
async fn a_server_that_reports_anothers_key_takes_no_slot_from_an_operator_that_starts_anew() {
    let (mut there, _server) = with_a_server_that_lies().await;
    there.world.operator.restart().await;
    there.the_slot_is_kept().await;
}

/// The older object says that it owns the portal, and has no key.
#[tokio::test]
async fn a_forged_status_takes_no_slot() {
    let mut there = Elsewhere::new().await;
    let mut object = there.world.nightly();
    object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    let forged = there.create(&object).await;
    there
        .wait(|object| ready_reason_is(object, "SecretMissing"))
        .await;
    there.forge(&forged).await;
    there.create_younger(&forged).await;
    there.world.operator.restart().await;
    there.the_slot_is_kept().await;
}

/// Its own server takes the key, and answers when the object has moved to another's portal.
#[tokio::test]
async fn an_answer_that_comes_late_proves_nothing_at_another_address() {
    let there = Elsewhere::new().await;
    let (server, key) = World::another_server().await;
    there.create_secret(&key).await;
    there.create(&harness::nightly(&server.url())).await;
    let older = there.wait(is_ready).await;
    there.create_younger(&older).await;
    let looks = server.log().count("GET", "getbackupschedule");
    server.order(Fault::hang().to("getbackupschedule"));
    there.check_now().await;
    let asked = server.log().wait_until(DEADLINE, |requests| {
        let is_look = |request: &&Request| request.is_to("getbackupschedule");
        requests.iter().filter(is_look).count() as u64 > looks
    });
    asked.await.expect("a look");
    let mut object = there.schedules.get("nightly").await.expect("it is there");
    object.spec.portal.url = there.world.server.url();
    there.forge(&object).await;
    let moved = Patch::Merge(json!({"spec": {"portal": object.spec.portal}}));
    let moved = there
        .schedules
        .patch("nightly", &PatchParams::default(), &moved)
        .await;
    moved.expect("the patch is accepted");
    server.clear_faults();
    there.wait(|object| ready_reason_is(object, "Unauthorized")).await;
    there.the_slot_is_kept().await;
}

/// Who waits does not come first because the other was not looked at yet.
#[tokio::test]
async fn a_slot_stays_whose_it_is_when_the_operator_starts_anew() {
    let mut there = Elsewhere::new().await;
    there.world.create(&there.world.nightly()).await;
    there.world.ready("nightly").await;
    there.create_secret(&there.world.key).await;
    for (url, hour) in [(there.world.server.url(), 4), (there.world.localhost(), 5)] {
        let mut second = there.world.nightly_at(hour);
        second.metadata.name = Some(format!("at-{hour}"));
        second.spec.portal.url = url;
        there.create(&second).await;
    }
    let waits = async |there: &Elsewhere, name: &str| {
        wait_for(&there.schedules, name, DEADLINE, |object| {
            ready_reason_is(object, "Conflict")
        })
        .await;
    };
    for name in ["at-4", "at-5"] {
        waits(&there, name).await;
    }
    for fails in [false, true] {
        there.world.operator.stop().await;
        if fails {
            // The owner's look, which comes first.
            there
                .world
                .server
                .order(Fault::bad_gateway().to("getbackupschedule").times(1));
        }
        there.world.operator.restart().await;
        // A change brings a look of each.
        for name in ["at-4", "at-5"] {
            let asked = random();
            let ask = json!({"metadata": {"annotations": {REQUESTED_AT: asked}}});
            let patched = there
                .schedules
                .patch(name, &PatchParams::default(), &Patch::Merge(ask))
                .await;
            patched.expect("the patch is accepted");
            wait_for(
                &there.schedules,
                name,
                DEADLINE,
                |object: &DocSpaceBackupSchedule| {
                    let status = object.status.as_ref();
                    status.and_then(|status| status.last_handled_reconcile_at.as_ref()) == Some(&asked)
                },
            )
            .await;
            waits(&there, name).await;
        }
    }
    assert_eq!((there.world.posts(), there.world.cron()), (1, Some(every_day(3))));
}

#[tokio::test]
async fn a_conflict_by_key_ends_when_the_key_is_replaced() {
    let world = World::with_ready_at(13).await;
    let mut second = world.second_at_localhost(14);
    second.spec.portal.api_key_secret_ref.name = "second".into();
    world
        .set_secret("second", &[("apiKey", world.key.as_bytes())])
        .await;
    world.create(&second).await;
    world.stalled("second", "Conflict").await;
    let (other, key) = World::another_server().await;
    drop(other);
    world.set_secret("second", &[("apiKey", key.as_bytes())]).await;
    world.told("second", "Unauthorized").await;
    let key = world.portal.issue_key(ApiKey::named("second"));
    world.set_secret("second", &[("apiKey", key.as_bytes())]).await;
    world.ready("second").await;
}

#[tokio::test]
async fn a_key_that_both_replace_leaves_the_slot_as_it_is() {
    let world = World::with_ready_at(13).await;
    let second = world.second_at_localhost(14);
    world.create(&second).await;
    world.stalled("second", "Conflict").await;
    for name in ["third", "fourth"] {
        let key = world.portal.issue_key(ApiKey::named(name));
        let renewed = |object: &DocSpaceBackupSchedule| {
            let key = object.status.as_ref().and_then(|status| status.api_key.as_ref());
            key.is_some_and(|key| key.name == name)
        };
        world.set_key(&key).await;
        let object = world.wait("nightly", renewed).await;
        assert!(is_ready(&object));
        world.wait("second", renewed).await;
        world.request("second").await;
        world.stalled("second", "Conflict").await;
    }
    assert_eq!((world.posts(), world.cron()), (1, Some(every_day(13))));
}
