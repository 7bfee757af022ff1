//! Objects that an older CRD accepted and that cannot be parsed: reported, without blocking other objects.

use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Resource,
    api::{DynamicObject, PatchParams},
    core::{ApiResource, error_boundary::InvalidObject},
    runtime::controller::Action,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        context::Context,
        finalizer,
        metrics::ReconcileResult,
        patch::{met_another, of_status},
        publish::publish_event,
    },
    rules::{
        facts::Slot,
        memory::{Memory, Trigger},
        note::Note,
        ownership::has_finalizer,
        reason::{Reason, Verdict},
        status::conditions::{ConditionState, Conditions},
    },
};

/// Reports the object once, in conditions and an Event. Removes the finalizer when the object is deleted.
///
/// # Errors
/// Kubernetes' own failures.
pub async fn reconcile(
    context: &Context,
    object: &InvalidObject,
    memory: &mut Memory,
    began: Instant,
) -> Result<Action, kube::Error> {
    let generation = object.metadata.generation.unwrap_or_default();
    let deleting = object.metadata.deletion_timestamp.is_some();
    let trigger = Trigger {
        generation,
        requested_at: None,
        deleting,
        finalizer: false,
        secrets: Vec::new(),
        slot: Slot::Free,
        status: 0,
    };
    if memory.seen.as_ref() == Some(&trigger) {
        return Ok(Action::await_change());
    }
    let name = object.metadata.name.clone().unwrap_or_default();
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let resource = ApiResource::erase::<DocSpaceBackupSchedule>(&());
    let api = Api::<DynamicObject>::namespaced_with(context.client(), &namespace, &resource);
    // The object may be gone or replaced by now.
    let found = api.get_opt(&name).await?;
    let Some(found) = found.filter(|found| found.metadata.uid == object.metadata.uid) else {
        return Ok(Action::await_change());
    };

    let message = format!(
        "The operator cannot parse the object: {}; correct it (see `kubectl explain dsbs.spec`) and apply it again",
        object.error
    );
    tracing::warn!(name, namespace, "{message}");
    let note = if deleting {
        if has_finalizer(found.metadata.finalizers.as_ref()) {
            finalizer::remove(&api, &found.metadata).await?;
            context.metrics.left_behind();
        }
        Note::warning(
            "ScheduleLeftBehind",
            format!("A schedule may remain in the portal. {message}"),
        )
    } else {
        let before = &found.data["status"];
        let mut status = before.clone();
        status["observedGeneration"] = json!(generation);
        status["conditions"] = json!(conditions(&found, &message));
        let patch = of_status(&found.metadata, before, &status);
        if let Err(error) = api.patch_status(&name, &PatchParams::default(), &patch).await {
            return match met_another(&api, &found.metadata, &error).await? {
                true => Ok(Action::await_change()),
                false => Err(error),
            };
        }
        Note::warning(Reason::InvalidObject.to_string(), message)
    };
    publish_event(
        &context.client(),
        &context.metrics,
        found.object_ref(&resource),
        note,
    )
    .await;
    let ended = if deleting {
        ReconcileResult::Released
    } else {
        ReconcileResult::Stalled
    };
    context.metrics.reconciled(ended, began.elapsed());
    memory.seen = Some(trigger);
    Ok(Action::await_change())
}

/// Ready=False and Stalled=True; lastTransitionTime is kept if the status of the condition is unchanged.
fn conditions(object: &DynamicObject, message: &str) -> Vec<Condition> {
    let before = object
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let parsed = before.into_iter().flatten().filter_map(|condition| {
        let condition = Condition::deserialize(condition).ok()?;
        ["Ready", "Stalled"]
            .contains(&condition.type_.as_str())
            .then_some(condition)
    });
    let mut list: Vec<_> = parsed.collect();
    let mut conditions = Conditions {
        list: &mut list,
        generation: object.metadata.generation,
        now: Timestamp::now(),
    };
    let verdict = Verdict::new(Reason::InvalidObject, message);
    conditions.set("Ready", ConditionState::of("False", &verdict));
    conditions.set("Stalled", ConditionState::of("True", &verdict));
    list
}
