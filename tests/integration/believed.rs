//! One odd answer of the portal alarms nobody and costs no backup: failures that pass, replicas that lag behind, an
//! ingress that comes up, and wrong dates.

use docspace_backup_operator::api::{DocSpaceBackupSchedule, REQUESTED_AT};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulated_portal::{Fault, FaultBody};

use crate::{
    hidden::canaries::Versions,
    world::{World, at, condition, is_ready, reason},
};

/// The portal's clock is this far behind for a while.
const DAYS: SignedDuration = SignedDuration::from_hours(3 * 24);
/// What an ingress redirects to while its backend is not there.
const ELSEWHERE: &str = "https://login.example.com/";

/// Status and reason of a condition in each version of `nightly` that has it.
pub async fn told_of(kind: &str, versions: &Versions, world: &World) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let versions = versions.all(world).await;
    let conditions = versions
        .iter()
        .filter_map(|version| version["status"]["conditions"].as_array());
    conditions
        .flatten()
        .filter(|condition| condition["type"] == kind)
        .map(|condition| (text(&condition["status"]), text(&condition["reason"])))
        .collect()
}

/// Expects that a condition was never told with this status.
pub async fn assert_never(kind: &str, status: &str, versions: &Versions, world: &World) {
    let told = told_of(kind, versions, world).await;
    assert!(told.iter().all(|(was, _)| was != status), "{kind}: {told:?}");
}

#[track_caller]
fn assert_reconciling(object: &DocSpaceBackupSchedule, because: &str) {
    let is = |kind: &str| condition(object, kind).map(|it| (it.status.as_str(), it.reason.as_str()));
    assert_eq!(is("Ready"), Some(("False", because)));
    assert_eq!(is("Reconciling"), Some(("True", because)));
    assert_eq!(is("Stalled"), None);
}

/// DocSpace's answer with this content.
fn success(response: Option<Value>) -> Fault {
    let mut body = json!({"count": 0, "links": [], "status": 0, "statusCode": 200});
    if let Some(response) = response {
        body["count"] = json!(1);
        body["response"] = response;
    }
    Fault::answer(200, FaultBody::Json(body)).to("getbackupschedule")
}

/// A stale answer: the schedule of `nightly` with this hour.
fn schedule_at(hour: i32) -> Fault {
    success(Some(json!({
        "storageType": 5,
        "storageParams": {"module": "s3", "bucket": "backups"},
        "cronParams": {"period": 0, "hour": hour, "day": 0},
        "backupsStored": 7,
        "lastBackupTime": "0001-01-01T00:00:00",
        "dump": false,
    })))
}

impl World {
    /// Requests a check, only one even if the portal's clock jumped, and waits until it is done.
    async fn request_one(&self, value: &str) -> DocSpaceBackupSchedule {
        self.patch(
            "nightly",
            json!({"metadata": {"annotations": {REQUESTED_AT: value}}}),
        )
        .await;
        self.wait("nightly", |object| {
            let status = object.status.as_ref();
            status.is_some_and(|status| status.last_handled_reconcile_at.as_deref() == Some(value))
        })
        .await
    }

    /// Deletes `nightly` and creates it again.
    async fn create_anew(&self) {
        self.delete("nightly").await;
        self.gone("nightly").await;
        self.create(&self.nightly()).await;
    }
}

#[tokio::test]
async fn a_failure_of_the_history_at_first_contact_is_told_as_itself_and_passes() {
    let world = World::of_one_process("who ends after the failure tells nobody of it").await;
    let versions = Versions::of(&world);
    let failures = [
        (Fault::bad_gateway().times(1), "ProxyError"),
        (Fault::too_many_requests(None).times(1), "RateLimited"),
        // A read on a connection that was kept open is repeated once.
        (Fault::reset().times(2), "Unreachable"),
    ];
    for (posts, (failure, reason)) in (1..).zip(failures) {
        world.server.order(failure.to("getbackuphistory"));
        if posts == 1 {
            world.create(&world.nightly()).await;
        } else {
            world.create_anew().await;
        }
        let object = world.told("nightly", reason).await;
        assert_reconciling(&object, reason);
        assert_eq!(world.posts(), posts - 1);
        world.ready("nightly").await;
        assert_eq!(world.posts(), posts, "{reason}");
        world.server.clear_faults();
    }
    assert_never("Stalled", "True", &versions, &world).await;
}

#[tokio::test]
async fn a_replica_that_lags_behind_the_post_is_waited_for() {
    let why = "who ends before it recorded its POST sees the old schedule, and POSTs again";
    let world = World::of_one_process(why).await;
    let versions = Versions::of(&world);
    world.hold(&world.nightly_at(9));
    let replica = world.server.order(schedule_at(9));
    world.create(&world.nightly()).await;
    let object = world.told("nightly", "Verifying").await;
    assert_reconciling(&object, "Verifying");
    assert_eq!(reason(&object, "Synced"), Some("Verifying"));
    // The look after two seconds sees the old one, too.
    world.look_after(async |_| ()).await;
    world.server.clear_fault(replica);
    world.ready("nightly").await;
    assert_eq!(world.posts(), 1);
    assert_never("Stalled", "True", &versions, &world).await;
    assert_eq!(world.events("ScheduleCorrected").await, 0);
}

#[tokio::test]
async fn one_stale_answer_is_no_drift() {
    let why = "the second look comes by itself, another process looks when the interval is over";
    let world = World::of_one_process(why).await.ready_nightly().await;
    let versions = Versions::of(&world);
    for stale in [schedule_at(9), success(None)] {
        world.server.order(stale.times(1));
        world.look_after(async |world| world.check_now().await).await;
        // The second look comes by itself.
        world.look_after(async |_| ()).await;
        let object = world.request("nightly").await;
        assert!(is_ready(&object));
        let status = object.status.expect("a status");
        assert_eq!((status.drift, status.difference), (None, Vec::new()));
    }
    // Nor is one that a person's request meets.
    world.server.order(schedule_at(9).times(1));
    world.request("nightly").await;
    world.look_after(async |_| ()).await;
    world.request("nightly").await;
    assert_eq!(world.posts(), 1);
    assert_never("Ready", "False", &versions, &world).await;
    for reason in ["ScheduleCorrected", "ScheduleRecreated"] {
        assert_eq!(world.events(reason).await, 0, "{reason}");
    }
}

#[tokio::test]
async fn an_ingress_that_comes_up_is_waited_for() {
    let world = World::new().await;
    let versions = Versions::of(&world);
    let not_yet = [
        (Fault::answer(404, FaultBody::Html), "RouteNotFound"),
        (Fault::redirect(302, ELSEWHERE), "Redirected"),
        (Fault::answer(200, FaultBody::Html), "NotDocSpace"),
    ];
    for (posts, (answer, reason)) in (1..).zip(not_yet) {
        if posts > 1 {
            world.delete("nightly").await;
            world.gone("nightly").await;
        }
        let ingress = world.server.order(answer);
        world.create(&world.nightly()).await;
        let object = world.told("nightly", reason).await;
        assert_reconciling(&object, reason);
        world.look_after(async |_| ()).await;
        world.server.clear_fault(ingress);
        world.ready("nightly").await;
        assert_eq!(world.posts(), posts, "{reason}");
    }
    assert_never("Stalled", "True", &versions, &world).await;
}

#[tokio::test]
async fn a_redirect_where_docspace_has_answered_before_passes() {
    let world = World::with_ready_nightly().await;
    let versions = Versions::of(&world);
    let redirect = world.server.order(Fault::redirect(302, ELSEWHERE));
    // Who requests a check is answered while the redirect lasts.
    let object = world.request("nightly").await;
    assert!(is_ready(&object));
    let synced = condition(&object, "Synced").map(|it| (it.status.as_str(), it.reason.as_str()));
    assert_eq!(synced, Some(("Unknown", "Redirected")));
    world.server.clear_fault(redirect);
    let object = world.request("nightly").await;
    assert_eq!(reason(&object, "Synced"), Some("InSync"));
    assert_never("Ready", "False", &versions, &world).await;
    assert_never("Stalled", "True", &versions, &world).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn wrong_dates_change_nothing() {
    let mut world =
        World::of_one_process("it depends on the number of looks while the clock is behind").await;
    world.server.clock().set(at("11-23 12:00"));
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let object = world.proved("11-23 12:12", "11-23 12:42").await;
    let before = object.status.expect("a status");
    let versions = Versions::of(&world);

    let unchanged = async |world: &World| {
        assert_never("BackupFresh", "False", &versions, world).await;
        for version in versions.all(world).await {
            let status = &version["status"];
            assert_eq!(status["inForce"], json!(before.in_force), "{version}");
            assert_eq!(status["lastBackup"], json!(before.last_backup), "{version}");
            assert_eq!(
                status["clockOffsetSeconds"],
                json!(before.clock_offset_seconds),
                "{version}"
            );
        }
    };

    // Error pages of a proxy, at more than one look.
    let pages = world
        .server
        .order(Fault::bad_gateway().dated(Timestamp::UNIX_EPOCH));
    for _ in 0..3 {
        world.request("nightly").await;
    }
    world.server.clear_fault(pages);
    world.request("nightly").await;
    unchanged(&world).await;

    // The portal's own clock, at one look.
    world.server.clock().advance(-DAYS);
    world.request_one("while it is behind").await;
    world.server.clock().advance(DAYS);
    unchanged(&world).await;
    // The second look comes by itself.
    world.look_after(async |_| ()).await;
    world.request_one("when it is right again").await;
    unchanged(&world).await;

    // The same at the first look of a process.
    world.operator.kill().await;
    world.server.clock().advance(-DAYS);
    world.operator.restart().await;
    world.request_one("behind at the start").await;
    world.server.clock().advance(DAYS);
    world.request_one("right after the start").await;
    unchanged(&world).await;
    assert_eq!(world.posts(), 1);
}

#[tokio::test]
async fn a_clock_that_stays_away_is_believed_at_the_second_look() {
    let offset = |object: &DocSpaceBackupSchedule| {
        let status = object.status.as_ref();
        status.and_then(|status| status.clock_offset_seconds)
    };
    let world = World::of_one_process("it depends on the number of looks")
        .await
        .ready_nightly()
        .await;
    let object = world.request_one("with the right time").await;
    assert_eq!(offset(&object), None);
    let in_force = object.status.expect("a status").in_force.expect("in force");
    let versions = Versions::of(&world);
    world.server.clock().advance(-DAYS);
    let object = world.request_one("while it is behind").await;
    assert_eq!(offset(&object), None, "one look proves nothing");
    // The second look comes by itself.
    let object = world.wait("nightly", |object| offset(object).is_some()).await;
    let apart = offset(&object).expect("an offset").abs_diff(-DAYS.as_secs());
    assert!(apart <= 60, "{apart} s");
    let status = object.status.expect("a status");
    assert_eq!(status.in_force.expect("in force").since, in_force.since);
    assert_eq!(world.event("ClockSkew").await.0, "Warning");
    assert_never("BackupFresh", "False", &versions, &world).await;

    world.server.clock().advance(DAYS);
    world.request_one("when it is right again").await;
    world.wait("nightly", |object| offset(object).is_none()).await;
    assert_eq!(world.posts(), 1);
}
