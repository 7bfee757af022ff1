//! What holds in every row, whatever fails.

use std::time::{Duration, Instant};

use harness::{DEADLINE, try_http_get};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::json;
use simulated_portal::Request;
use tokio::time::{sleep, timeout};

use crate::{
    manifest::Manifest,
    portal::{PortalCall, PortalFault},
    row::{Begins, Injected},
    world::{World, condition_is, is_ready},
};

/// Metrics are asked for again after this time.
const RETRY: Duration = Duration::from_millis(100);

/// While the operator runs and the object is there: the metrics tell no secret.
pub async fn while_it_is_there(world: &mut World) {
    let began = Instant::now();
    let metrics = loop {
        world.tend().await;
        let operator = world.operator.as_ref().filter(|operator| operator.runs());
        if let Some(operator) = operator {
            let address = operator.address().await;
            match timeout(DEADLINE, try_http_get(&address, "/metrics", "*/*")).await {
                Ok(Ok((_, metrics))) => break metrics,
                // It may have ended just now, as without its Lease.
                Ok(Err(error)) => assert!(began.elapsed() < DEADLINE, "no metrics: {error}"),
                Err(_) => panic!("no metrics in time\n{}", world.shown()),
            }
        }
        sleep(RETRY).await;
    };
    tells_nothing(world, "the metrics", &metrics);
    knows_the_portal(world);
}

/// The status has the portal's time zone, without which no backup is expected.
fn knows_the_portal(world: &World) {
    let hides_it = |fault: &Injected| {
        matches!(
            fault,
            Injected::Portal(PortalCall::Connect | PortalCall::Settings, _)
        )
    };
    let object = world.object().expect("the object is there");
    let zone = object
        .status
        .as_ref()
        .and_then(|status| status.time_zone.as_ref());
    assert!(
        zone.is_some() || world.row.faults.iter().any(hides_it),
        "no time zone\n{}",
        world.shown()
    );
}

/// Of the whole story, when the object is gone.
pub async fn at_the_end(world: &mut World) {
    assert_eq!(
        world.front.unknown(),
        Vec::<String>::new(),
        "requests of no known kind"
    );
    posts_are_few(world);
    nothing_of_others_is_touched(world);
    nobody_lies(world);
    no_secret_is_told(world).await;
    world.stop().await;
}

/// At most one write for a change that the portal carries out, and none while another may still land.
fn posts_are_few(world: &World) {
    let posts = world.server.log().posts();
    let carried_out = posts.iter().filter(|post| is_carried_out(post)).count();
    assert!(
        carried_out <= world.wanted.len(),
        "more writes than changes\n{}",
        told(world)
    );
    let fails = |fault: &Injected| matches!(fault, Injected::Portal(..) | Injected::Kill(..));
    if !world.row.faults.iter().any(fails) {
        let at_once = world.server.log().most_at_once(Request::is_write);
        assert!(at_once <= 1, "{at_once} writes at once\n{}", told(world));
    }
    let of = |post: &Request| Manifest::of_body(post.body.as_ref().expect("a body of JSON"));
    for (at, post) in posts.iter().enumerate() {
        let wanted = of(post).expect("a schedule with the storage's value");
        // The operator sees the object and the Secret in any order.
        let hour = world.wanted.iter().any(|other| other.hour == wanted.hour);
        let key = world
            .wanted
            .iter()
            .any(|other| other.storage_key == wanted.storage_key);
        assert!(hour && key, "nobody wanted {wanted:?}\n{}", told(world));
        let carried_out = posts
            .iter()
            .filter(|other| is_carried_out(other) && of(other).as_ref() == Some(&wanted))
            .count();
        assert!(
            carried_out <= 1,
            "the same schedule was written twice\n{}",
            told(world)
        );
        let Some(next) = posts.get(at + 1) else { continue };
        let restarted = world
            .starts
            .iter()
            .any(|start| *start > post.started && *start <= next.started);
        let settled =
            is_carried_out(post) || post.status == Some(200) || is_refused(world, post) || restarted;
        assert!(settled, "a write while another may still land\n{}", told(world));
    }
}

/// Whether the portal showed another schedule than that of the object when it was deleted. Then the operator must leave
/// it, and says so.
fn is_left_behind(world: &World) -> bool {
    let other = Injected::Portal(PortalCall::Schedule, PortalFault::OtherHost);
    world.row.begins == Begins::Deletion && world.row.faults.contains(&other)
}

/// Whether the portal has carried it out, whatever answer was sent.
fn is_carried_out(write: &Request) -> bool {
    write.worked == Some(200)
}

/// Whether the answer to a write told for certain that it was not carried out.
fn is_refused(world: &World, post: &Request) -> bool {
    let mut faults = world.row.faults.iter();
    post.answered
        && faults.any(|fault| matches!(fault, Injected::Portal(PortalCall::Create, fault) if fault.refuses()))
}

/// One deletion after the user's, which takes the object's own schedule. Nobody else's schedule or archive is touched.
fn nothing_of_others_is_touched(world: &World) {
    let left = world.portal.schedule(false);
    assert_eq!(
        left.is_some(),
        is_left_behind(world),
        "the object's schedule\n{}",
        told(world)
    );
    let dump = world.portal.schedule(true).expect("the schedule of others");
    assert_eq!(dump.cron, "0 0 11 ? * *");
    let other = world
        .other
        .schedule(false)
        .expect("the schedule of another portal");
    assert_eq!(other.cron, "0 0 9 ? * *");
    let deletes = world.server.log().deletes();
    assert!(
        !deletes.iter().any(Request::is_of_dump),
        "a deletion of others' schedule"
    );
    let done: Vec<_> = deletes.iter().filter(|delete| is_carried_out(delete)).collect();
    let earlier = Injected::Portal(PortalCall::Schedule, PortalFault::Stale);
    let expected = match (is_left_behind(world), world.row.faults.contains(&earlier)) {
        (true, _) => 0..=0,
        // As long as the portal seems to hold it, it is deleted again.
        (_, true) => 1..=usize::MAX,
        _ => 1..=1,
    };
    assert!(
        expected.contains(&done.len()),
        "{} deletions\n{}",
        done.len(),
        told(world)
    );
    let archives = world.portal.archives(false);
    let kept = archives.iter().filter(|archive| !archive.removed).count();
    assert!(kept >= 7, "archives are lost: {archives:?}");
}

/// Ready and BackupFresh are True only where the portal could have shown why.
fn nobody_lies(world: &World) {
    let posts = world.server.log().posts();
    for (at, version) in world.seen.all() {
        let Some(object) = version else { continue };
        if is_ready(&object) {
            let hour = object.spec.cron_params.hour;
            let held = posts.iter().any(|post| {
                let written = post.body.as_ref().and_then(Manifest::of_body);
                is_carried_out(post)
                    && post.started <= at
                    && written.is_some_and(|written| written.hour == hour)
            });
            assert!(
                held,
                "Ready at hour {hour}, which the portal never held\n{}",
                told(world)
            );
        }
        let archives = world.portal.archives(false);
        let made_since = archives.iter().any(|archive| !archive.id.starts_with("before-"));
        assert!(
            made_since || !condition_is(&object, "BackupFresh", "True"),
            "BackupFresh without an archive\n{}",
            told(world)
        );
    }
}

/// No version of the object, no Event and no line of the log has a secret.
async fn no_secret_is_told(world: &World) {
    for (_, version) in world.seen.all() {
        let status = version.map(|object| json!(object.status).to_string());
        tells_nothing(world, "a status", &status.unwrap_or_default());
    }
    let events = Api::<Event>::namespaced(world.client.clone(), world.namespace.name());
    let events = events.list(&ListParams::default()).await.expect("a list").items;
    let left = events
        .iter()
        .filter(|event| event.reason.as_deref() == Some("ScheduleLeftBehind"));
    assert_eq!(left.count() > 0, is_left_behind(world), "Events\n{}", told(world));
    for event in events {
        tells_nothing(world, "an Event", &json!(event).to_string());
    }
    tells_nothing(world, "the log", &harness::log_of(world.namespace.name()));
}

fn tells_nothing(world: &World, what: &str, text: &str) {
    for secret in &world.secrets {
        assert!(!text.contains(secret), "{what} tells the secret {secret}: {text}");
    }
}

/// The writes to the portal, for messages.
fn told(world: &World) -> String {
    let requests = world.server.log().requests();
    let writes = requests.iter().filter(|request| request.is_write());
    let lines: Vec<_> = writes
        .map(|request| {
            let wanted = request.body.as_ref().and_then(Manifest::of_body);
            format!(
                "{} {}: {:?}, worked: {:?}, answered: {}, {:?}",
                request.method, request.endpoint, request.status, request.worked, request.answered, wanted
            )
        })
        .collect();
    format!("writes:\n{}\n{}", lines.join("\n"), world.shown())
}
