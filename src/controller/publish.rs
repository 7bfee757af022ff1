//! Step 4, publish: one status patch, and only if something changed; Events; the time of the next check.

use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ObjectMeta, PatchParams, PostParams},
};

use crate::{
    api::{DocSpaceBackupSchedule, Status},
    controller::{
        context::{Context, pace},
        error::Error,
        index::Source,
        log,
        metrics::{KubeOperation, Metrics},
        observe::Observation,
        patch,
        queue::Next,
        watched::Guarded,
    },
    rules::{
        backup::expected::Expected, events, memory::Trigger, note::Note, outcome::Kept, reason::Class,
        retry::after_kubernetes, status::digest::digest, summary::summary,
    },
    text::prefix,
};

impl Context {
    /// Writes the status if it changed, publishes Events, and returns when to check again, and the kstatus class.
    pub(super) async fn publish(
        &self,
        observation: Observation<'_>,
        kept: Kept,
        trigger: Trigger,
        interval: Duration,
    ) -> Result<(Next, Class), Error> {
        let Observation {
            object,
            actual,
            memory,
            facts,
            ..
        } = observation;
        let at = Instant::now();
        let mut summary = summary(object, &facts, &kept, memory, pace(interval));
        let notes = std::mem::take(&mut summary.notes);
        let status = std::mem::take(&mut summary.status);
        let (class, wait) = (summary.class, summary.wait);
        let before = object.status.clone().unwrap_or_default();
        let (patched, ()) = tokio::join!(
            self.patch_status(actual, &status),
            self.publish_events(object, notes)
        );
        // The next reconcile continues from this status, even if Kubernetes did not take it.
        summary.keep(memory);
        memory.unwritten = (!matches!(patched, Ok(true))).then(|| Box::new(status.clone()));
        if !patched? {
            // The watch should tell the end of the object; if it does not, the answer was wrong.
            return Ok((Next::After(after_kubernetes(memory, pace(interval))), class));
        }
        memory.kubernetes_failures = 0;
        // After the patch, others see this schedule: of two concurrent objects, at least one sees the other.
        let same_hour_warning = self.same_hour_warning(object, &status).into_iter().collect();
        self.publish_events(object, same_hour_warning).await;
        memory.seen = Some(Trigger {
            // Not of what Kubernetes returned, which may have a change of somebody else.
            status: digest(Some(&status)),
            ..trigger
        });
        if before != status {
            log::decided(object, &kept, class, [&before, &status], wait);
        }
        memory.next_look = at.checked_add(wait);
        Ok((Next::After(wait), class))
    }

    /// The warning about two schedules of one portal at the same hour, when one of them comes into force.
    fn same_hour_warning(&self, object: &DocSpaceBackupSchedule, status: &Status) -> Option<Note> {
        let before = object.status.as_ref().and_then(|status| status.in_force.as_ref());
        if before == status.in_force.as_ref() {
            return None;
        }
        let expected = Expected::of(object, status).ok()?;
        let other = self.index.at_same_hour(object, &expected)?;
        Some(events::same_hour(&other))
    }

    /// Patches the status if it changed; returns whether the object is still there: it is not if a new one has its name.
    async fn patch_status(&self, object: &DocSpaceBackupSchedule, status: &Status) -> Result<bool, Error> {
        if object.status.as_ref() == Some(status) {
            return Ok(true);
        }
        let was = serde_json::to_value(object.status.as_ref()).unwrap_or_default();
        let is = serde_json::to_value(status).unwrap_or_default();
        // Differences that Kubernetes does not store, such as fractions of seconds, are no change.
        if was == is {
            return Ok(true);
        }
        let name = object.name_any();
        let patch = patch::of_status(&object.metadata, &was, &is);
        let _room = self.room_for(object).await;
        let api = self.api::<Guarded>(object);
        match api.patch_status(&name, &PatchParams::default(), &patch).await {
            Ok(patched) => {
                self.file(patched, Source::Write);
            }
            Err(error) => {
                let is_gone = patch::met_another(&self.api(object), &object.metadata, &error).await?;
                return if is_gone { Ok(false) } else { Err(error.into()) };
            }
        }
        Ok(true)
    }

    pub(super) async fn publish_events(&self, object: &DocSpaceBackupSchedule, notes: Vec<Note>) {
        let client = self.client();
        let publish = |note| publish_event(&client, &self.metrics, object.object_ref(&()), note);
        join_all(notes.into_iter().map(publish)).await;
    }
}

/// Kubernetes refuses longer notes.
const LONGEST_NOTE: usize = 1024;
/// An Event's name is the object's, a dot and a time of 16 digits; Kubernetes refuses more than 253 characters.
const LONGEST_NAME: usize = 230;
/// The reporting controller of Events.
const REPORTER: &str = "docspace-backup-operator";

/// Publishes an Event about an object. A failure is only logged: in a namespace that is being deleted, Kubernetes
/// accepts no Event.
///
/// Events are not aggregated: each is published only when something changed.
pub async fn publish_event(client: &Client, metrics: &Metrics, object: ObjectReference, note: Note) {
    let now = Timestamp::now();
    let event = Event {
        metadata: ObjectMeta {
            namespace: object.namespace.clone(),
            name: object
                .name
                .as_deref()
                .map(|name| format!("{}.{:x}", start_of(name), now.as_nanosecond())),
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
        tracing::warn!(name, namespace, reason, note = event.note.as_deref(), %error, "the Event could not be created");
    }
}

/// The start of the object's name for that of its Event. A cut at a separator would leave an invalid name.
fn start_of(name: &str) -> &str {
    prefix(name, LONGEST_NAME).trim_end_matches(['-', '.'])
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
