//! Operators that share the objects by their labels. An object that leaves one of them is not deleted, although the watch
//! says so.

use std::time::Duration;

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use futures::{StreamExt, stream};
use harness::{DEADLINE, Operator, control_plane};
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use kube::Client;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    finalizers::has_finalizer,
    world::{
        Setup, World, every_day,
        front::{Answer, forward, front, query},
        is_ready, reason,
    },
};

const A: [&str; 2] = ["--selector", "shard=a"];
const B: [&str; 2] = ["--selector", "shard in (b, c)"];
const LEFT: &str = "this operator no longer handles the object";

fn labels(shard: &str) -> Value {
    json!({"metadata": {"labels": {"shard": shard}}})
}

fn in_shard(mut object: DocSpaceBackupSchedule, shard: &str) -> DocSpaceBackupSchedule {
    object.metadata.labels = Some([("shard".into(), shard.into())].into());
    object
}

/// Whether the operator exports metrics of the object.
async fn knows(operator: &Operator, name: &str) -> bool {
    let (_, metrics) = operator.get("/metrics").await;
    metrics.contains(&format!("name=\"{name}\""))
}

async fn soon(what: &str, came: impl AsyncFn() -> bool) {
    let came = async {
        while !came().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, came).await.unwrap_or_else(|_| panic!("{what}"));
}

impl World {
    /// The world's operator has the shard a, and `nightly` is there.
    async fn with_nightly_in_a() -> Self {
        let world = Setup::default()
            .of_one_process("it has one shard")
            .start(&A)
            .await;
        world.create(&in_shard(world.nightly(), "a")).await;
        world.ready("nightly").await;
        world
    }

    /// The operator of the shard a has noticed that `nightly` is no longer its object.
    async fn leaves(&self) {
        soon("the operator does not notice", async || {
            self.operator.log().contains(LEFT)
        })
        .await;
        soon("it has metrics of the object", async || {
            !knows(self.operator.only(), "nightly").await
        })
        .await;
        self.nothing_is_left_behind().await;
    }

    async fn nothing_is_left_behind(&self) {
        assert_eq!(self.events("ScheduleLeftBehind").await, 0);
        assert_eq!(
            (self.left_behind().await.as_str(), self.lines_of_left_behind()),
            ("0", 0)
        );
        assert_eq!(
            (self.posts(), self.deletes(), self.cron()),
            (1, 0, Some(every_day(3)))
        );
    }
}

#[tokio::test]
async fn each_object_is_handled_by_the_operator_that_its_labels_name_or_by_none() {
    let world = World::with_nightly_in_a().await;
    let b = world.operator.another(&B).await;
    // It would be a Conflict with `nightly`.
    world.create(&world.named("unlabelled")).await;
    world.create(&in_shard(world.named("other"), "other")).await;
    world.create(&in_shard(world.dump_at(4), "b")).await;
    world.ready("dump").await;
    for (name, by) in [
        ("nightly", [true, false]),
        ("dump", [false, true]),
        ("unlabelled", [false; 2]),
    ] {
        let known = [knows(world.operator.only(), name).await, knows(&b, name).await];
        assert_eq!(known, by, "{name}");
    }
    for name in ["unlabelled", "other"] {
        assert_eq!(reason(&world.get(name).await, "Ready"), Some("Pending"));
    }
    let found = control_plane().kubectl_ok(
        &[
            "get",
            "dsbs",
            "-n",
            world.namespace.name(),
            "-l",
            "shard notin (a,b,c)",
            "-o",
            "name",
        ],
        "",
    );
    assert_eq!(found.lines().count(), 2, "{found}");
    assert_eq!(world.posts(), 2);
    let log = world.operator.log();
    assert!(
        log.contains("selector=\"shard=a\"") && log.contains("selector=\"shard in (b,c)\""),
        "{log}"
    );
}

#[tokio::test]
async fn an_object_moves_there_and_back_and_is_never_told_as_deleted() {
    let world = World::with_nightly_in_a().await;
    let b = world.operator.another(&B).await;
    world.patch("nightly", labels("b")).await;
    world.leaves().await;
    soon("b does not take it up", async || knows(&b, "nightly").await).await;
    world.request("nightly").await;
    world.nothing_is_left_behind().await;

    world.patch("nightly", labels("a")).await;
    soon("a does not take it up", async || {
        knows(world.operator.only(), "nightly").await
    })
    .await;
    soon("b keeps it", async || !knows(&b, "nightly").await).await;
    world.request("nightly").await;
    world.nothing_is_left_behind().await;

    world.patch("nightly", labels("c")).await;
    soon("b does not take it up again", async || knows(&b, "nightly").await).await;
    world.delete("nightly").await;
    world.gone("nightly").await;
    world.event("ScheduleDeleted").await;
    assert_eq!((world.deletes(), world.cron()), (1, None));
    assert_eq!(world.events("ScheduleLeftBehind").await, 0);
}

#[tokio::test]
async fn objects_of_one_portal_in_two_shards_are_no_conflict_but_end_as_contested() {
    let world = World::with_nightly_in_a().await;
    let _b = world.operator.another(&B).await;
    let mut other = in_shard(world.nightly_at(14), "b");
    other.metadata.name = Some("other".into());
    world.create(&other).await;
    world.ready("other").await;
    world.event("ScheduleReplaced").await;
    world.contested_by("other").await;
    assert_eq!(world.cron(), Some(every_day(14)));
}

#[tokio::test]
async fn an_object_that_waited_for_one_that_has_left_takes_the_schedule() {
    let world = World::with_nightly_in_a().await;
    let mut second = in_shard(world.nightly_at(14), "a");
    second.metadata.name = Some("second".into());
    world.create(&second).await;
    world.stalled("second", "Conflict").await;
    world.patch("nightly", labels("b")).await;
    world.ready("second").await;
    assert_eq!(world.cron(), Some(every_day(14)));
    assert_eq!(world.events("ScheduleLeftBehind").await, 0);
}

#[tokio::test]
async fn an_object_that_leaves_for_no_shard_keeps_its_schedule_and_its_finalizer() {
    let world = World::with_nightly_in_a().await;
    world
        .patch("nightly", json!({"metadata": {"labels": null}}))
        .await;
    world.leaves().await;
    assert!(has_finalizer(&world.get("nightly").await) && is_ready(&world.get("nightly").await));
}

#[tokio::test]
async fn one_that_leaves_without_its_finalizer_is_looked_up_before_anything_is_told() {
    let mut world = World::with_nightly_in_a().await;
    world.operator.only_mut().signal("STOP").await;
    world
        .patch("nightly", json!({"metadata": {"finalizers": null}}))
        .await;
    world.patch("nightly", labels("b")).await;
    world.operator.only_mut().signal("CONT").await;
    world.leaves().await;
    let _b = world.operator.another(&B).await;
    world.wait("nightly", has_finalizer).await;
    world.nothing_is_left_behind().await;
}

#[tokio::test]
async fn one_that_is_deleted_without_its_finalizer_is_told() {
    let mut world = World::with_nightly_in_a().await;
    world.deletes_without_finalizer().await;
    world.operator.only_mut().signal("CONT").await;
    let (_, text) = world.event("ScheduleLeftBehind").await;
    assert!(text.contains("without this operator"), "{text}");
    assert_eq!(
        (world.left_behind().await.as_str(), world.lines_of_left_behind()),
        ("1", 1)
    );
    assert!(!world.operator.log().contains(LEFT));
}

/// What happens to the operator's watch of objects.
#[derive(Clone, Copy, PartialEq)]
enum Gap {
    NotYet,
    /// It tells nothing any more.
    Begins,
    /// It ends, because its version is too old.
    Ends,
}

const TOO_OLD: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#;

async fn with_a_gap(client: Client, gap: watch::Receiver<Gap>, request: Request<Incoming>) -> Answer {
    let asked = query(&request);
    let asks_for = |wanted: &str| asked.iter().any(|(name, _)| name == wanted);
    let of_objects = request.uri().path().ends_with("/docspacebackupschedules");
    let is_cut =
        of_objects && asks_for("watch") && !asks_for("sendInitialEvents") && *gap.borrow() == Gap::NotYet;
    let answer = forward(client, request).await;
    if !is_cut {
        return answer;
    }
    let (mut begins, mut ends) = (gap.clone(), gap);
    answer.map(|body| {
        let told = body.into_data_stream();
        let told = told.take_until(async move { drop(begins.wait_for(|gap| *gap != Gap::NotYet).await) });
        let end = stream::once(async move {
            drop(ends.wait_for(|gap| *gap == Gap::Ends).await);
            Ok(Bytes::from(format!("{TOO_OLD}\n")))
        });
        let all = told.chain(end).map(|data| data.map(Frame::data));
        StreamBody::new(all).boxed_unsync()
    })
}

#[tokio::test]
async fn after_a_gap_of_the_watch_one_that_moved_is_told_apart_from_one_that_was_deleted() {
    let plane = control_plane();
    let mut world = Setup::default().of_one_process("it has one shard").idle().await;
    let (gap, seen) = watch::channel(Gap::NotYet);
    let client = plane.client_of(world.operator.kubeconfig()).await;
    let address = front(move |request| with_a_gap(client.clone(), seen.clone(), request)).await;
    let by_front = plane.kubeconfig_with(world.operator.kubeconfig(), |cluster| {
        cluster.server = Some(format!("http://{address}"));
    });
    world.operator.set_kubeconfig(by_front);
    world.operator.start(&A).await;
    for object in [world.nightly(), world.dump_at(4)] {
        world.create(&in_shard(object, "a")).await;
    }
    world.ready("nightly").await;
    world.ready("dump").await;

    gap.send_replace(Gap::Begins);
    world.patch("nightly", labels("b")).await;
    world
        .patch("dump", json!({"metadata": {"finalizers": null}}))
        .await;
    world.delete("dump").await;
    world.gone("dump").await;
    assert!(!world.operator.log().contains(LEFT));
    gap.send_replace(Gap::Ends);

    let (_, text) = world.event("ScheduleLeftBehind").await;
    assert!(text.contains(&world.server.url()), "{text}");
    soon("the operator does not notice", async || {
        world.operator.log().contains(LEFT)
    })
    .await;
    assert_eq!(
        (world.left_behind().await.as_str(), world.lines_of_left_behind()),
        ("1", 1)
    );
    let events = world.all_events().await;
    let about = events
        .iter()
        .find(|event| event.reason.as_deref() == Some("ScheduleLeftBehind"));
    let about = about.and_then(|event| event.regarding.as_ref()?.name.as_deref());
    assert_eq!(about, Some("dump"));
    assert_eq!(world.deletes(), 0);
}
