//! What a handover must leave as it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, REQUESTED_AT};
use harness::DEADLINE;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use serde_json::{Value, json};
use simulated_portal::Request;

use super::stage::{PUNCTUAL, Stage, TABLE};
use crate::world::{World, checks::mark, random};

/// The statuses, the finalizers, and how much was written and told until then.
pub struct Seen {
    objects: BTreeMap<&'static str, Value>,
    writes: usize,
    at: Timestamp,
}

impl Seen {
    /// The present state.
    pub async fn now(stage: &Stage) -> Self {
        let mut objects = BTreeMap::new();
        for (name, _) in TABLE {
            if let Ok(Some(object)) = stage.world.schedules().get_opt(name).await {
                objects.insert(name, lasting(&object));
            }
        }
        Self {
            objects,
            writes: all_writes(stage),
            at: Timestamp::now(),
        }
    }

    /// Expects that these objects and the portals are as they were, and that no Event has come but with these reasons.
    pub async fn is_still_so(&self, stage: &Stage, names: &[&str], repeated: &[&str]) {
        for name in names {
            let now = lasting(&stage.world.get(name).await);
            let (was, is) = changes(&self.objects[name], &now);
            assert_eq!(is, was, "{name} has changed");
        }
        let writes: Vec<_> = written(stage);
        assert_eq!(writes.len(), self.writes, "writes to the portals: {writes:?}");
        let events = stage.world.all_events().await;
        let is_new = |event: &&Event| {
            let reason = event.reason.as_deref().unwrap_or_default();
            is_after(event, self.at) && !repeated.contains(&reason)
        };
        let later: Vec<_> = events.iter().filter(is_new).collect();
        assert!(later.is_empty(), "{later:?}");
    }
}

/// What stays of an object while nothing changes.
fn lasting(object: &DocSpaceBackupSchedule) -> Value {
    let mut status = serde_json::to_value(&object.status).expect("a status is JSON");
    if let Some(fields) = status.as_object_mut() {
        fields.remove("lastHandledReconcileAt");
        if PUNCTUAL.contains(&object.name_any().as_str()) {
            // It depends on the time of day.
            fields.remove("nextBackupTime");
        }
        let conditions = fields.get_mut("conditions").and_then(Value::as_array_mut);
        for told in conditions.into_iter().flatten() {
            // Another version may have better words.
            told["message"].take();
        }
    }
    json!({
        "status": status,
        "generation": object.metadata.generation,
        "finalizers": object.metadata.finalizers,
        "isDeleted": object.metadata.deletion_timestamp.is_some(),
    })
}

/// The fields that differ, before and after.
fn changes(before: &Value, after: &Value) -> (Value, Value) {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return (before.clone(), after.clone());
    };
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut differing = (json!({}), json!({}));
    for name in names {
        let (was, is) = (before.get(name), after.get(name));
        if was != is {
            let none = &Value::Null;
            let (was, is) = changes(was.unwrap_or(none), is.unwrap_or(none));
            (differing.0[name], differing.1[name]) = (was, is);
        }
    }
    differing
}

fn is_after(event: &Event, time: Timestamp) -> bool {
    event.event_time.as_ref().is_some_and(|told| told.0 > time)
}

fn all_writes(stage: &Stage) -> usize {
    written(stage).len()
}

fn written(stage: &Stage) -> Vec<String> {
    let requests = [&stage.world.server, &stage.punctual].map(|server| server.log().requests());
    let writes = requests.iter().flatten().filter(|request| request.is_write());
    writes
        .map(|write| format!("{} {} of {}", write.method, write.endpoint, write.host))
        .collect()
}

/// How an operator is made to look at an object.
#[derive(Clone, Copy)]
enum Cause {
    /// By a request.
    Ask,
    /// By a change of the status: a request would be leave to write again.
    Prod,
    /// It looks by itself.
    Itself,
    /// It makes no call.
    Never,
}

fn cause(object: &DocSpaceBackupSchedule) -> Cause {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    match name {
        _ if object.metadata.deletion_timestamp.is_some() => Cause::Itself,
        _ if object.spec.suspend => Cause::Never,
        "contested" | "ignored" => Cause::Prod,
        _ => Cause::Ask,
    }
}

/// Waits until the operator has looked at these objects after this time.
pub async fn looked_at(stage: &Stage, names: &[&str], since: Instant) {
    let mut causes = Vec::new();
    for name in names {
        let cause = cause(&stage.world.get(name).await);
        let mark = match cause {
            Cause::Ask => ask(&stage.world, name).await,
            Cause::Prod => prod(&stage.world, name).await,
            Cause::Itself | Cause::Never => String::new(),
        };
        causes.push((*name, cause, mark));
    }
    for (name, cause, mark) in causes {
        let is_seen = |object: &DocSpaceBackupSchedule| {
            let status = object.status.as_ref();
            status.is_some_and(|status| match cause {
                Cause::Ask => status.last_handled_reconcile_at.as_ref() == Some(&mark),
                _ => !status.difference.contains(&mark),
            })
        };
        stage.world.wait(name, is_seen).await;
        if matches!(cause, Cause::Itself) {
            called(stage, name, since).await;
        }
    }
}

/// Requests a look.
pub async fn ask(world: &World, name: &str) -> String {
    let mark = random();
    let annotations = json!({"metadata": {"annotations": {REQUESTED_AT: mark}}});
    world.patch(name, annotations).await;
    mark
}

/// Causes a look by a change of the status, which the look restores.
pub async fn prod(world: &World, name: &str) -> String {
    let marked = mark(&world.schedules(), name).await;
    marked.expect("the patch is accepted")
}

/// Waits for an Event of this object and reason.
pub async fn told(world: &World, name: &str, reason: &str) {
    let is_it = |event: &Event| {
        let of = event.regarding.as_ref().and_then(|object| object.name.as_deref());
        (of, event.reason.as_deref()) == (Some(name), Some(reason))
    };
    world.first_event(&format!("{reason} of {name}"), is_it).await;
}

/// Waits until the portal of an object is called after this time.
async fn called(stage: &Stage, name: &str, since: Instant) {
    let portal = stage.portal(name);
    let id = Some(portal.tenant_id());
    let is_called = |seen: &[Request]| {
        let mut seen = seen.iter();
        seen.any(|request| request.tenant_id == id && request.started > since)
    };
    let called = portal.server().log().wait_until(DEADLINE, is_called).await;
    called.unwrap_or_else(|error| panic!("no call for {name}: {error}\n{}", stage.world.operator.log()));
}
