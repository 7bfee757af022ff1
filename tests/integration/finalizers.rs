//! A finalizer that somebody took off: by a replacement (PUT), as `kubectl replace` and Argo CD's `Replace=true` make
//! it, or by hand.

use docspace_backup_operator::api::{
    AdoptionPolicy, AppliedReason, DeletionPolicy, DocSpaceBackupSchedule, FINALIZER,
};
use harness::DEADLINE;
use k8s_openapi::api::{core::v1::ObjectReference, events::v1::Event};
use kube::{ResourceExt, api::PostParams};
use serde_json::json;
use simulated_portal::Fault;
use tokio::time::{sleep, timeout};

use crate::world::{World, applied_reason, every_day, is_ready};

const LEFT_BEHIND: &str = "docspace_backup_schedules_left_behind_total";
const SEES_IT_GO: &str = "only a process that saw the object can tell that it went";

pub fn has_finalizer(object: &DocSpaceBackupSchedule) -> bool {
    object.finalizers().iter().any(|name| name == FINALIZER)
}

impl World {
    /// Puts the manifest in the place of the object, without finalizers, as `kubectl replace` does.
    async fn replace(&self, manifest: &DocSpaceBackupSchedule) -> DocSpaceBackupSchedule {
        let name = manifest.metadata.name.as_deref().expect("a name");
        let mut manifest = manifest.clone();
        manifest.metadata.resource_version = None;
        manifest.metadata.finalizers = None;
        loop {
            manifest.metadata.resource_version = self.get(name).await.metadata.resource_version;
            match self
                .schedules()
                .replace(name, &PostParams::default(), &manifest)
                .await
            {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                replaced => return replaced.expect("the manifest is accepted"),
            }
        }
    }

    /// The object that an Event ScheduleLeftBehind is about.
    async fn left_behind_of(&self) -> ObjectReference {
        let events = self.all_events().await;
        let is_it = |event: &&Event| event.reason.as_deref() == Some("ScheduleLeftBehind");
        let about = events.iter().find(is_it);
        let about = about.and_then(|event| event.regarding.clone());
        about.expect("an object")
    }

    /// `nightly` is deleted at once while the operator is stopped, because somebody took its finalizer off.
    pub async fn deletes_without_finalizer(&mut self) {
        self.operator.only_mut().signal("STOP").await;
        self.patch("nightly", json!({"metadata": {"finalizers": null}}))
            .await;
        self.delete("nightly").await;
        self.gone("nightly").await;
    }

    pub async fn left_behind(&self) -> String {
        let (_, metrics) = self.operator.only().get("/metrics").await;
        let mut lines = metrics.lines();
        let line = lines.find_map(|line| line.strip_prefix(LEFT_BEHIND));
        line.expect("the metric is there").trim().into()
    }

    pub fn lines_of_left_behind(&self) -> usize {
        self.operator
            .log()
            .matches("a schedule may remain in the portal")
            .count()
    }

    /// Waits until the operator has seen all that happened before.
    async fn catches_up(&self) {
        self.create(&self.named("witness")).await;
        let handled = |object: &DocSpaceBackupSchedule| {
            let status = object.status.as_ref();
            status.is_some_and(|status| status.observed_generation == object.metadata.generation)
        };
        self.wait("witness", handled).await;
    }
}

#[tokio::test]
async fn a_replacement_keeps_the_schedule_and_gets_the_finalizer_back() {
    let world = World::with_ready_nightly().await;
    let manifest = world.nightly();
    for _ in 0..3 {
        let replaced = world.replace(&manifest).await;
        assert!(!has_finalizer(&replaced));
        let object = world.wait("nightly", has_finalizer).await;
        assert_eq!(applied_reason(&object), Some(AppliedReason::Created));
    }
    world.request("nightly").await;
    assert_eq!(world.posts(), 1);
    world.delete("nightly").await;
    world.gone("nightly").await;
    assert_eq!((world.deletes(), world.cron()), (1, None));
    assert_eq!(world.events("ScheduleLeftBehind").await, 0);
}

#[tokio::test]
async fn a_finalizer_is_back_although_the_portal_fails() {
    let world = World::with_ready_nightly().await;
    world.answer_looks(502, "Bad gateway");
    world.replace(&world.nightly()).await;
    world.wait("nightly", has_finalizer).await;
    world.set_key("sk-bogus-0000").await;
    world.server.clear_faults();
    world.check_now().await;
    world.stalled("nightly", "Unauthorized").await;
    world.replace(&world.nightly()).await;
    world.wait("nightly", has_finalizer).await;
    world.patch("nightly", json!({"spec": {"suspend": true}})).await;
    let mut suspended = world.nightly();
    suspended.spec.suspend = true;
    world.replace(&suspended).await;
    world.wait("nightly", has_finalizer).await;
}

#[tokio::test]
async fn a_finalizer_is_back_while_the_outcome_of_the_write_is_unknown() {
    let world = World::new().await;
    let lost = Fault::bad_gateway().to("createbackupschedule").times(1);
    world.server.order(lost);
    world.create(&world.nightly()).await;
    world.told("nightly", "OutcomeUnknown").await;
    world.replace(&world.nightly()).await;
    world.check_now().await;
    world.wait("nightly", has_finalizer).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_finalizer_that_went_while_no_operator_ran_is_back_at_its_start() {
    let mut world = World::with_ready_nightly().await;
    world.operator.stop().await;
    world.replace(&world.nightly()).await;
    world.operator.restart().await;
    world.wait("nightly", has_finalizer).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_replacement_that_changes_the_schedule_is_a_change() {
    let world = World::with_ready_nightly().await;
    let mut manifest = world.nightly_at(5);
    manifest.spec.adoption_policy = AdoptionPolicy::Never;
    world.replace(&manifest).await;
    let changed = |object: &DocSpaceBackupSchedule| {
        is_ready(object) && has_finalizer(object) && applied_reason(object) == Some(AppliedReason::Changed)
    };
    world.wait("nightly", changed).await;
    assert_eq!((world.posts(), world.cron()), (2, Some(every_day(5))));
    for reason in ["Conflict", "AdoptionRefused", "ScheduleCorrected"] {
        assert_eq!(world.events(reason).await, 0, "{reason}");
    }
    world.delete("nightly").await;
    world.gone("nightly").await;
    assert_eq!((world.deletes(), world.cron()), (1, None));
}

#[tokio::test]
async fn an_object_that_went_without_the_operator_is_told() {
    let mut world = World::of_one_process(SEES_IT_GO).await.ready_nightly().await;
    let uid = world.get("nightly").await.metadata.uid;
    assert_eq!(world.left_behind().await, "0");
    world.deletes_without_finalizer().await;
    world.operator.only_mut().signal("CONT").await;
    let (kind, text) = world.event("ScheduleLeftBehind").await;
    assert_eq!(kind, "Warning");
    assert!(text.contains(&world.server.url()), "{text}");
    let about = world.left_behind_of().await;
    assert_eq!((about.name.as_deref(), about.uid), (Some("nightly"), uid));
    assert_eq!(about.kind.as_deref(), Some("DocSpaceBackupSchedule"));
    assert_eq!(world.left_behind().await, "1");
    assert_eq!(world.lines_of_left_behind(), 1);
    assert_eq!((world.deletes(), world.cron()), (0, Some(every_day(3))));
}

#[tokio::test]
async fn an_object_that_went_and_came_again_meanwhile_is_told() {
    let mut world = World::of_one_process(SEES_IT_GO).await.ready_nightly().await;
    let uid = world.get("nightly").await.metadata.uid;
    world.deletes_without_finalizer().await;
    let mut elsewhere = world.nightly();
    elsewhere.spec.portal.url = "http://127.0.0.1:9".into();
    world.create(&elsewhere).await;
    world.operator.only_mut().signal("CONT").await;
    world.told("nightly", "Unreachable").await;
    let (_, text) = world.event("ScheduleLeftBehind").await;
    assert!(text.contains(&world.server.url()), "{text}");
    assert_eq!(world.left_behind_of().await.uid, uid);
}

#[tokio::test]
async fn an_object_that_was_released_is_not_told_again() {
    let world = World::of_one_process("its metrics").await.ready_nightly().await;
    world.delete("nightly").await;
    world.gone("nightly").await;
    world.catches_up().await;
    world.event("ScheduleDeleted").await;
    assert_eq!(world.events("ScheduleLeftBehind").await, 0);
    assert_eq!(
        (world.left_behind().await.as_str(), world.lines_of_left_behind()),
        ("0", 0)
    );

    let mut orphan = world.dump_at(3);
    orphan.spec.deletion_policy = DeletionPolicy::Orphan;
    world.create(&orphan).await;
    world.ready("dump").await;
    world.delete("dump").await;
    world.gone("dump").await;
    world.delete("witness").await;
    world.gone("witness").await;
    world.catches_up().await;
    world.event("ScheduleLeftBehind").await;
    let once = async {
        while world.left_behind().await != "1" {
            sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, once).await.expect("it is counted");
    assert_eq!(world.lines_of_left_behind(), 1);
}

#[tokio::test]
async fn an_object_that_never_owned_anything_leaves_nothing_behind() {
    let mut world = World::of_one_process(SEES_IT_GO).await;
    world.hold(&world.nightly_at(9));
    let mut refused = world.nightly();
    refused.spec.adoption_policy = AdoptionPolicy::Never;
    world.create(&refused).await;
    world.stalled("nightly", "AdoptionRefused").await;
    world.deletes_without_finalizer().await;
    world.operator.only_mut().signal("CONT").await;
    world.catches_up().await;
    assert_eq!(world.events("ScheduleLeftBehind").await, 0);
    assert_eq!(
        (world.left_behind().await.as_str(), world.lines_of_left_behind()),
        ("0", 0)
    );
}
