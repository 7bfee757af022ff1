//! Annotations and labels: those that the operator reads, with odd values, and all others, which mean nothing to it.

use docspace_backup_operator::api::{DocSpaceBackupSchedule, PORTAL_ORIGIN, REQUESTED_AT};
use harness::API_KEY;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{circuit::circuit, walk::MOST_CALLS};
use crate::world::{World, is_observed, is_ready, message, ready_reason_is};

/// A value of requestedAt is repeated up to this length, in bytes.
const LONGEST_ECHO: usize = 256;

/// A part of the text that fits, and ends between two characters.
fn echo(requested: &str) -> &str {
    let ends = (0..=LONGEST_ECHO).rev();
    let end = ends.into_iter().find(|end| requested.is_char_boundary(*end));
    requested.get(..end.unwrap_or_default()).unwrap_or(requested)
}

#[tokio::test]
async fn a_request_of_any_value_is_answered_once() {
    let world = World::of_one_process("it counts the calls of each request").await;
    let world = world.ready_nightly().await;
    let long = "aé".repeat(1000);
    let values = ["now", "", " ", "a\nb", "\u{202e}\u{0}", &long].map(Some);
    let values: Vec<_> = values.into_iter().chain([None]).collect();
    let (mut most, mut before) = (0, world.calls());
    let steps = circuit(values.len());
    for (number, to) in steps.iter().enumerate() {
        // A change of the spec is handled at once; a request alone waits two seconds after the one before.
        let interval = format!("{}s", 3600 + number);
        let annotations = json!({REQUESTED_AT: values[*to]});
        let patch = json!({"metadata": {"annotations": annotations}, "spec": {"interval": interval}});
        world.patch("nightly", patch).await;
        let answered = |object: &DocSpaceBackupSchedule| {
            let status = object.status.as_ref();
            let told = status.and_then(|status| status.last_handled_reconcile_at.as_deref());
            is_ready(object) && values[*to].is_none_or(|value| told == Some(echo(value)))
        };
        world.wait("nightly", answered).await;
        let calls = world.calls();
        most = most.max(calls - before);
        before = calls;
    }
    assert!(most <= MOST_CALLS, "{most} calls for a request");
    assert_eq!((world.posts(), world.deletes()), (1, 0));
    println!(
        "{REQUESTED_AT}: {} values, {} changes, at most {most} calls a change",
        values.len(),
        steps.len()
    );
}

#[tokio::test]
async fn other_metadata_means_nothing() {
    let world = World::of_one_process("it counts the calls of a request").await;
    let world = world.ready_nightly().await;
    world.request_at_once("nightly").await;
    let before = world.calls();
    world.request_at_once("nightly").await;
    let of_a_request = world.calls() - before;

    let before = world.calls();
    let values = [
        json!(""),
        json!(" "),
        json!("a\nb"),
        json!("é".repeat(10_000)),
        Value::Null,
    ];
    let names = [
        "requestedAt",
        "docspace.onlyoffice.com/requestedat",
        "docspace.onlyoffice.com/adoptionPolicy",
        "docspace.onlyoffice.com/suspend",
        PORTAL_ORIGIN,
        "kubectl.kubernetes.io/restartedAt",
    ];
    for value in &values {
        for name in names {
            world
                .patch("nightly", json!({"metadata": {"annotations": {name: value}}}))
                .await;
        }
    }
    let labels = [json!(""), json!("a"), json!("x".repeat(63)), Value::Null];
    for value in &labels {
        world
            .patch("nightly", json!({"metadata": {"labels": {"shard": value}}}))
            .await;
    }
    // The operator has seen all of it once it answers this.
    world.request_at_once("nightly").await;
    assert_eq!(world.calls() - before, of_a_request);
    assert_eq!((world.posts(), world.deletes()), (1, 0));
    println!(
        "other annotations and labels: {} changes, no call",
        values.len() * names.len() + labels.len()
    );
}

#[tokio::test]
async fn the_origins_of_a_secret_allow_what_they_list_and_the_message_says_what_to_add() {
    let why = "it counts writes at each change of an annotation";
    let setup = crate::world::Setup::default().of_one_process(why);
    let mut world = setup.idle().await;
    let own = world.server.url();
    world.annotate_secret(PORTAL_ORIGIN, &own).await;
    world.operator.start(&["--require-origin-annotation"]).await;
    let world = world.ready_nightly().await;
    let long = format!("{own}{}", ",".repeat(16 * 1024));
    let values = [
        (json!(own), true),
        (
            json!(format!(" http://a.test,, {}/ ,", own.replace("http", "HTTP"))),
            true,
        ),
        (json!(format!("{own} portal.test")), false),
        (json!(format!("{own}/path")), false),
        (json!(""), false),
        (json!("\u{0}\u{202e},\n"), false),
        (json!(long), false),
        (Value::Null, false),
    ];
    let steps = circuit(values.len());
    for to in &steps {
        let (value, allows) = &values[*to];
        let patch = Patch::Merge(json!({"metadata": {"annotations": {PORTAL_ORIGIN: value}}}));
        let secrets = world.namespace.secrets(&world.client);
        let patched = secrets.patch(API_KEY, &PatchParams::default(), &patch).await;
        patched.expect("the patch is accepted");
        let told = |object: &DocSpaceBackupSchedule| match allows {
            true => is_ready(object),
            false => is_observed(object) && ready_reason_is(object, "OriginNotAllowed"),
        };
        let object = world.wait("nightly", told).await;
        let words = message(&object, "Ready");
        let named = words.contains(PORTAL_ORIGIN) && words.contains(API_KEY);
        assert!(*allows || named, "{value}: {words}");
    }
    assert_eq!((world.posts(), world.deletes()), (1, 0));
    println!(
        "{PORTAL_ORIGIN}: {} values, {} changes",
        values.len(),
        steps.len()
    );
}
