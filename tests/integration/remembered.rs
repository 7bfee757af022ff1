//! What the operator has learnt is not forgotten when a check fails, a status is not taken, or the operator restarts.

mod no_status;

use std::time::Duration;

use docspace_backup_operator::api::{AppliedReason, DocSpaceBackupSchedule, ManagementPolicy};
use harness::{API_KEY, DEADLINE};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use simulated_portal::{ApiKey, Fault, FaultBody, Installation, Request};
use tokio::time::{Instant, sleep, timeout};

use self::no_status::{NoStatus, REFUSED};
use crate::world::{Setup, World, applied_reason, condition, every_day, is_observed, is_ready, reason};

/// The portal accepts every POST and does nothing.
fn swallowed() -> Fault {
    let accepted = json!({"response": true, "count": 1, "status": 0, "statusCode": 200});
    Fault::answer(200, FaultBody::Json(accepted)).to("createbackupschedule")
}

fn was_changed(object: &DocSpaceBackupSchedule) -> bool {
    is_ready(object) && applied_reason(object) == Some(AppliedReason::Changed)
}

impl World {
    /// `nightly` with an encryption key from Secret `s3`.
    async fn with_storage_secret(&self, value: &str) -> DocSpaceBackupSchedule {
        self.set_secret("s3", &[("sse", value.as_bytes())]).await;
        let mut object = self.nightly();
        let key = json!({"key": "ssekey", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "sse"}}});
        let key = serde_json::from_value(key).expect("a parameter");
        object.spec.storage_params.push(key);
        object
    }

    fn stored_key(&self) -> Option<String> {
        let row = self.portal.schedule(false)?;
        row.storage_params.get("ssekey").cloned()
    }

    /// Nobody but the operator has written to the portal.
    async fn blames_nobody(&self) {
        for reason in [
            "ScheduleCorrected",
            "ScheduleRecreated",
            "Contested",
            "RemovedByPortal",
        ] {
            assert_eq!(self.events(reason).await, 0, "{reason}");
        }
    }
}

#[tokio::test]
async fn what_did_not_converge_is_not_sent_again_after_a_failure_and_a_restart() {
    let mut world = World::new().await;
    world.hold(&world.nightly_at(9));
    world.server.order(swallowed());
    world.create(&world.nightly()).await;
    world.does_not_converge("nightly").await;
    let look = world.server.order(Fault::bad_gateway().to("getbackupschedule"));
    world.check_now().await;
    world.told("nightly", "ProxyError").await;
    world.operator.restart().await;
    world.server.clear_fault(look);
    world.request("nightly").await;
    world.stalled("nightly", "NotConverging").await;
    // Two checks show a drift; there must be none to show.
    world.request("nightly").await;
    world.stalled("nightly", "NotConverging").await;
    assert_eq!((world.posts(), world.cron()), (1, Some(every_day(9))));
    world.blames_nobody().await;
}

#[tokio::test]
async fn what_did_not_converge_is_sent_with_a_new_value_of_its_secret() {
    let mut world = World::new().await;
    let object = world.with_storage_secret("first-s3cret").await;
    world.hold(&world.nightly_at(9));
    let swallowed = world.server.order(swallowed());
    world.create(&object).await;
    world.does_not_converge("nightly").await;
    world.operator.stop().await;
    world.server.clear_fault(swallowed);
    world.set_secret("s3", &[("sse", b"second-s3cret")]).await;
    world.operator.restart().await;
    world.check_now().await;
    world.ready("nightly").await;
    assert_eq!(world.stored_key().as_deref(), Some("second-s3cret"));
    assert_eq!((world.posts(), world.cron()), (2, Some(every_day(3))));
    world.blames_nobody().await;
}

#[tokio::test]
async fn a_schedule_that_the_portal_never_showed_was_removed_by_nobody() {
    let world = World::new().await;
    let object = world.with_storage_secret("first-s3cret").await;
    let swallowed = world.server.order(swallowed());
    world.create(&object).await;
    world.does_not_converge("nightly").await;
    world.server.clear_fault(swallowed);
    world.set_secret("s3", &[("sse", b"second-s3cret")]).await;
    world.ready("nightly").await;
    assert_eq!(world.stored_key().as_deref(), Some("second-s3cret"));
    assert_eq!(world.posts(), 2);
    world.blames_nobody().await;
}

#[tokio::test]
async fn a_storage_secret_that_changed_while_no_operator_ran_is_a_change() {
    let mut world = World::new().await;
    let object = world.with_storage_secret("first-s3cret").await;
    world.create(&object).await;
    world.ready("nightly").await;
    world.operator.stop().await;
    world.set_secret("s3", &[("sse", b"second-s3cret")]).await;
    world.operator.restart().await;
    world.check_now().await;
    world.wait("nightly", was_changed).await;
    assert_eq!(world.stored_key().as_deref(), Some("second-s3cret"));
    assert_eq!(world.posts(), 2);
    world.event("ScheduleChanged").await;
    world.blames_nobody().await;

    // From now on a different value is somebody's doing. Two checks of one process show that.
    if world.operator.stays() {
        let mut row = world.portal.schedule(false).expect("a schedule");
        row.storage_params.insert("ssekey".into(), "third-s3cret".into());
        world.portal.set_schedule(row);
        world.check_now().await;
        world.event("ScheduleCorrected").await;
    }
}

#[tokio::test]
async fn a_correction_whose_status_is_not_taken_still_counts() {
    let world = World::of_one_process("it keeps the status that was not taken")
        .await
        .ready_nightly()
        .await;
    let no_status = NoStatus::of(&world).await;
    world.somebody_sets_hour(9);
    world.check_now().await;
    world.event("ScheduleCorrected").await;
    let refused = || world.operator.log().matches(REFUSED).count();
    let again = async {
        while refused() < 3 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(DEADLINE, again).await.expect("it tries again");
    assert_eq!((world.posts(), world.cron()), (2, Some(every_day(3))));
    no_status.ends();

    let corrected =
        |object: &DocSpaceBackupSchedule| applied_reason(object) == Some(AppliedReason::Corrected);
    let object = world.wait("nightly", corrected).await;
    let corrections = object.status.and_then(|status| status.corrections);
    assert_eq!(corrections.map(|corrections| corrections.count), Some(1));
    world.somebody_sets_hour(10);
    world.check_now().await;
    world.stalled("nightly", "Contested").await;
    assert_eq!((world.posts(), world.cron()), (2, Some(every_day(10))));
    assert_eq!(world.events("ScheduleCorrected").await, 1);
}

#[tokio::test]
async fn who_asks_is_answered_although_the_look_fails() {
    let world = World::with_ready_nightly().await;
    world.answer_looks(502, "Bad gateway");
    let object = world.request("nightly").await;
    let shown = |kind| condition(&object, kind).map(|it| (it.status.as_str(), it.reason.as_str()));
    assert_eq!(shown("Ready"), Some(("True", "InSync")));
    assert_eq!(shown("Synced"), Some(("Unknown", "ProxyError")));
    assert_eq!(shown("Reconciling"), None);
    world.server.clear_faults();
    world.check_now().await;
    world
        .wait("nightly", |object| reason(object, "Synced") == Some("InSync"))
        .await;
}

#[tokio::test]
async fn a_portal_that_takes_no_write_for_a_day_is_still_looked_at() {
    let setup = Setup::default().installation(Installation::default());
    let why = "it keeps in memory how long the portal asked to wait";
    let world = setup.of_one_process(why).start(&[]).await;
    world.sleep_until("11-23 12:00");
    world.create(&world.nightly_at(13)).await;
    world.ready("nightly").await;
    let limit = Fault::too_many_requests(Some(86399)).to("createbackupschedule");
    let limit = world.server.order(limit);
    let stored = |number: u8| json!({"spec": {"backupsStored": number}});
    world.patch("nightly", stored(8)).await;
    let object = world.told("nightly", "RateLimited").await;
    assert_eq!(condition(&object, "Stalled"), None);
    assert_eq!(reason(&object, "Reconciling"), Some("RateLimited"));
    assert_eq!(world.posts(), 2);

    // It looks, and judges what it sees.
    world.look_after(async |world| world.check_now().await).await;
    world.sleep_until("11-23 15:30");
    let object = world.look("nightly", "Overdue").await;
    assert_eq!(reason(&object, "Ready"), Some("RateLimited"));
    assert_eq!(condition(&object, "Stalled"), None);
    assert_eq!(world.posts(), 2);

    // One for each who asks.
    world.request("nightly").await;
    world.look_after(async |world| world.check_now().await).await;
    world.told("nightly", "RateLimited").await;
    assert_eq!(world.posts(), 3);
    world.server.clear_fault(limit);
    world.look_after(async |world| world.check_now().await).await;
    assert_eq!(world.posts(), 3);
    world.patch("nightly", stored(9)).await;
    world.ready("nightly").await;
    assert_eq!(world.posts(), 4);
}

fn hangs(request: &&Request) -> bool {
    request.is_to("getbackupschedule") && request.ended.is_none()
}

#[tokio::test]
async fn observers_whose_calls_hang_do_not_delay_the_owner() {
    let world = World::of_one_process("the calls of its observers end with it").await;
    let world = world.ready_nightly().await;
    // A namespace has three of the four calls to an address.
    world.server.order(Fault::hang().to("getbackupschedule").times(2));
    let names = ["first", "second"];
    for name in names {
        let mut observer = world.named(name);
        observer.spec.management_policy = ManagementPolicy::Observe;
        world.create(&observer).await;
    }
    world
        .seen(|requests| requests.iter().filter(hangs).count() == names.len())
        .await;
    let began = Instant::now();
    world.delete("nightly").await;
    world.gone("nightly").await;
    assert_eq!((world.deletes(), world.cron()), (1, None));
    for name in names {
        let observer = world.get(name).await;
        assert_eq!(
            reason(&observer, "Ready"),
            Some("Pending"),
            "{:?}",
            began.elapsed()
        );
    }
    world.server.clear_faults();
    world.wait("second", is_observed).await;
}

#[tokio::test]
async fn a_secret_whose_value_stays_costs_no_call() {
    let world = World::with_ready_nightly().await;
    let secrets = world.namespace.secrets(&world.client);
    let label = async |value: &str| {
        let patch: Patch<Value> = Patch::Merge(json!({"metadata": {"labels": {"touched": value}}}));
        let patched = secrets.patch(API_KEY, &PatchParams::default(), &patch).await;
        patched.expect("the patch is accepted");
    };
    let calls = world.calls();
    for time in 0..5 {
        world
            .annotate_secret("example.com/touched", &time.to_string())
            .await;
        label(&time.to_string()).await;
    }
    // By then it has seen the Secret's versions.
    world.create(&world.named("witness")).await;
    world.stalled("witness", "Conflict").await;
    world.assert_calls(calls);

    let looks = world.looks();
    let key = world.portal.issue_key(ApiKey::named("second"));
    world.set_key(&key).await;
    let exchanged = |object: &DocSpaceBackupSchedule| {
        let status = object.status.as_ref();
        let key = status.and_then(|status| status.api_key.as_ref());
        key.is_some_and(|key| key.name == "second")
    };
    world.wait("nightly", exchanged).await;
    if world.operator.stays() {
        assert_eq!(world.looks(), looks + 1);
    }
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn what_the_status_lost_of_the_portal_is_read_again() {
    let world = World::with_ready_nightly().await;
    let zone = |object: &DocSpaceBackupSchedule| {
        let status = object.status.as_ref();
        status.and_then(|status| status.time_zone.clone())
    };
    let before = zone(&world.get("nightly").await).expect("a time zone");
    // As when a status is removed while a reconcile patches some fields of it.
    let lost = Patch::Merge(json!({"status": {"portal": null, "timeZone": null}}));
    let api = world.schedules();
    let patched = api.patch_status("nightly", &PatchParams::default(), &lost).await;
    assert_eq!(zone(&patched.expect("the patch is accepted")), None);
    let object = world.wait("nightly", |object| zone(object).is_some()).await;
    assert_eq!(zone(&object), Some(before));
    assert_eq!(world.posts(), 1);
}
