//! What holds in every row, whatever fails.

use harness::{DEADLINE, try_http_get};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::json;
use simulated_portal::Request;
use tokio::time::timeout;

use crate::{
    manifest::Manifest,
    world::{World, condition_is, is_ready},
};

/// While the operator runs and the object is there: the metrics tell no secret.
pub async fn while_it_is_there(world: &World) {
    let operator = world.operator.as_ref().expect("it runs");
    let address = operator.address().await;
    let (_, metrics) = timeout(DEADLINE, try_http_get(&address, "/metrics", "*/*"))
        .await
        .expect("metrics in time")
        .expect("metrics");
    tells_nothing(world, "the metrics", &metrics);
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
    let operator = world.operator.as_mut().expect("it runs");
    if operator.has_ended().is_none() {
        operator.stop().await;
    }
}

/// At most one write for a change that the portal carries out, and none while another may still land.
fn posts_are_few(world: &World) {
    let posts = world.server.log().posts();
    let carried_out = posts.iter().filter(|post| post.worked).count();
    assert!(
        carried_out <= world.wanted.len(),
        "more writes than changes\n{}",
        told(world)
    );
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
            .filter(|other| other.worked && of(other).as_ref() == Some(&wanted))
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
        let settled = post.worked || refuses(post) || restarted;
        assert!(settled, "a write while another may still land\n{}", told(world));
    }
}

/// Whether an answer to a write tells for certain that it was not carried out.
fn refuses(post: &Request) -> bool {
    post.answered && matches!(post.status, Some(400 | 401 | 402 | 403 | 404 | 429 | 500))
}

/// One deletion after the user's, which takes the object's own schedule. Nobody else's schedule or archive is touched.
fn nothing_of_others_is_touched(world: &World) {
    assert_eq!(
        world.portal.schedule(false),
        None,
        "the object's schedule\n{}",
        told(world)
    );
    let dump = world.portal.schedule(true).expect("the schedule of others");
    assert_eq!(dump.cron, "0 0 11 ? * *");
    let deletes = world.server.log().deletes();
    assert!(
        !deletes.iter().any(Request::is_of_dump),
        "a deletion of others' schedule"
    );
    let done: Vec<_> = deletes.iter().filter(|delete| delete.worked).collect();
    assert_eq!(done.len(), 1, "deletions\n{}", told(world));
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
                post.worked && post.started <= at && written.is_some_and(|written| written.hour == hour)
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
    for event in events.list(&ListParams::default()).await.expect("a list").items {
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
                "{} {}: {:?}, worked: {}, answered: {}, {:?}",
                request.method, request.endpoint, request.status, request.worked, request.answered, wanted
            )
        })
        .collect();
    format!("writes:\n{}\n{}", lines.join("\n"), world.shown())
}
