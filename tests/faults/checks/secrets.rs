//! Values of Secrets stay where they are.

use k8s_openapi::{ByteString, api::events::v1::Event};
use kube::{Api, api::ListParams};
use serde_json::json;

use super::{told, writes::is_left_behind};
use crate::world::World;

/// A part of a secret that is long enough to be no accident.
const PART: usize = 16;

/// No version of the object and no Event has a secret.
pub async fn no_secret_is_told(world: &World) {
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
}

/// The log has no secret.
pub fn log_tells_nothing(world: &World) {
    tells_nothing(world, "the log", &harness::log_of(world.namespace.name()));
}

/// A text has no secret, nor its first characters, nor what a Secret's manifest would show.
pub fn tells_nothing(world: &World, what: &str, text: &str) {
    for secret in &world.secrets {
        let part = secret.get(..PART).unwrap_or(secret);
        let encoded = json!(ByteString(secret.clone().into()));
        for shown in [part, encoded.as_str().expect("base64")] {
            assert!(!text.contains(shown), "{what} tells the secret {secret}: {text}");
        }
    }
}
