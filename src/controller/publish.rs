//! Events: what happened to an object, for `kubectl describe`.

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

use crate::{
    controller::metrics::{KubeOperation, Metrics},
    portal::prefix,
    rules::note::Note,
};

/// Kubernetes refuses longer notes.
const LONGEST_NOTE: usize = 1024;
/// An Event's name is the object's, a dot and a time of 16 digits; Kubernetes refuses more than 253 characters.
const LONGEST_NAME: usize = 230;
/// As whom Events are reported.
const REPORTER: &str = "docspace-backup-operator";

/// Publishes a note about an object. A failure is logged and hides nothing else: in a namespace that is being
/// deleted, no Event can be made.
///
/// Each is made as an Event of its own: they come only when something changed, so there is nothing to count up.
pub async fn publish(client: &Client, metrics: &Metrics, object: ObjectReference, note: Note) {
    let now = Timestamp::now();
    let event = Event {
        metadata: ObjectMeta {
            namespace: object.namespace.clone(),
            name: object
                .name
                .as_deref()
                .map(|name| format!("{}.{:x}", prefix(name, LONGEST_NAME), now.as_nanosecond())),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.into()),
        reason: Some(note.reason),
        note: Some(cut_with_dots(&note.text)),
        action: Some("Reconcile".into()),
        regarding: Some(object),
        reporting_controller: Some(REPORTER.into()),
        reporting_instance: Some(REPORTER.into()),
        ..Event::default()
    };
    let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    if let Err(error) = events.create(&PostParams::default(), &event).await {
        metrics.refused(KubeOperation::Event, &error);
        let (name, reason) = (event.metadata.name.as_deref(), event.reason.as_deref());
        tracing::warn!(name, namespace, reason, note = event.note.as_deref(), %error, "no Event could be made");
    }
}

fn cut_with_dots(text: &str) -> String {
    if text.len() <= LONGEST_NOTE {
        return text.into();
    }
    format!("{}…", prefix(text, LONGEST_NOTE - '…'.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let cut = cut_with_dots(&"ü".repeat(1000));
        assert!(
            cut.len() <= LONGEST_NOTE && cut.ends_with('…'),
            "{} bytes",
            cut.len()
        );
        assert_eq!(cut_with_dots("short"), "short");
    }
}
