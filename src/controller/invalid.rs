//! Objects that cannot be handled as others are: an older CRD accepted them and they cannot be parsed, or they met a
//! fault of the operator. They are reported, and stop nobody else.

use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Resource,
    api::{DynamicObject, ObjectMeta, PatchParams},
    core::{ApiResource, error_boundary::InvalidObject},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::DocSpaceBackupSchedule,
    controller::{
        context::{Context, pace},
        finalizer,
        metrics::ReconcileResult,
        patch::{met_another, of_status},
        publish::publish_event,
        queue::Next,
        watched::Guarded,
    },
    rules::{
        decide::deletion::DELETION_PATIENCE,
        facts::Slot,
        memory::{Memory, Trigger},
        note::Note,
        ownership::has_finalizer,
        reason::{Class, Reason, Verdict},
        retry::after_kubernetes,
        status::conditions::{ConditionState, Conditions},
    },
};

/// An answer with the object is parsed into a tree, which is larger than the answer.
const TREE: usize = 2;

/// Reports an object that cannot be parsed once, in conditions and an Event. Removes the finalizer when the object is
/// deleted.
///
/// # Errors
/// Kubernetes' own failures.
pub async fn reconcile(
    context: &Context,
    (object, bytes): (&InvalidObject, usize),
    memory: &mut Memory,
    began: Instant,
) -> Result<Next, kube::Error> {
    let deleting = object.metadata.deletion_timestamp.is_some();
    let trigger = Trigger {
        generation: object.metadata.generation.unwrap_or_default(),
        requested_at: None,
        deleting,
        finalizer: false,
        secrets: Vec::new(),
        slot: Slot::Free,
        status: 0,
    };
    if memory.seen.as_ref() == Some(&trigger) {
        return Ok(Next::Change);
    }
    let message = format!(
        "The operator cannot parse the object: {}; correct it (see `kubectl explain dsbs.spec`) and apply it again",
        object.error
    );
    let (name, namespace) = (&object.metadata.name, &object.metadata.namespace);
    tracing::warn!(name, namespace, "{message}");
    let (ended, is_found) = if deleting {
        let is_found = release(context, &object.metadata, bytes, &message).await?;
        (ReconcileResult::Released, is_found)
    } else {
        let verdict = Verdict::new(Reason::InvalidObject, message);
        let is_found = report(context, &object.metadata, bytes, &verdict).await?;
        (ReconcileResult::Stalled, is_found)
    };
    if !is_found {
        // The watch should tell its end; if it does not, the answer was wrong.
        return Ok(Next::After(after_kubernetes(
            memory,
            pace(context.settings.interval),
        )));
    }
    memory.kubernetes_failures = 0;
    context.metrics.reconciled(ended, began.elapsed());
    memory.seen = Some(trigger);
    Ok(Next::Change)
}

/// Reports that the reconcile of an object panicked. The panic itself is in the log; its text may hold a secret. As
/// always, a deletion waits five minutes at most. Returns whether Kubernetes knows the object.
///
/// # Errors
/// Kubernetes' own failures.
pub async fn report_fault(context: &Context, object: &Guarded) -> Result<bool, kube::Error> {
    let message = "The operator failed at this object because of a fault of its own, and retries with growing pauses; \
        report the fault with the operator's log";
    let deleted = object.meta().deletion_timestamp.as_ref();
    if deleted.is_some_and(|deleted| Timestamp::now().duration_since(deleted.0) >= DELETION_PATIENCE) {
        return release(context, object.meta(), object.bytes, message).await;
    }
    let verdict = Verdict::new(Reason::OperatorFault, message);
    report(context, object.meta(), object.bytes, &verdict).await
}

/// The object as Kubernetes has it; `None` if it is gone or replaced by now.
async fn find(api: &Api<DynamicObject>, known: &ObjectMeta) -> kube::Result<Option<DynamicObject>> {
    let found = api.get_opt(known.name.as_deref().unwrap_or_default()).await?;
    Ok(found.filter(|found| found.metadata.uid == known.uid))
}

fn api_of(context: &Context, known: &ObjectMeta) -> Api<DynamicObject> {
    let namespace = known.namespace.as_deref().unwrap_or_default();
    Api::namespaced_with(context.client(), namespace, &resource())
}

fn resource() -> ApiResource {
    ApiResource::erase::<DocSpaceBackupSchedule>(&())
}

/// Removes the finalizer, and tells what may be left. Returns whether Kubernetes knows the object.
async fn release(
    context: &Context,
    known: &ObjectMeta,
    bytes: usize,
    message: &str,
) -> Result<bool, kube::Error> {
    let namespace = known.namespace.as_deref();
    let _room = context.room(namespace, bytes.saturating_mul(TREE)).await;
    let Some(found) = find(&api_of(context, known), known).await? else {
        return Ok(false);
    };
    if has_finalizer(found.metadata.finalizers.as_ref()) {
        let api = Api::namespaced(context.client(), namespace.unwrap_or_default());
        finalizer::remove(&api, &found.metadata).await?;
        context.metrics.left_behind();
    }
    let note = Note::warning(
        "ScheduleLeftBehind",
        format!("A schedule may remain in the portal. {message}"),
    );
    let object = found.object_ref(&resource());
    publish_event(&context.client(), &context.metrics, object, note).await;
    Ok(true)
}

/// Writes the verdict into the conditions, and an Event if it is new. Returns whether Kubernetes knows the object.
async fn report(
    context: &Context,
    known: &ObjectMeta,
    bytes: usize,
    verdict: &Verdict,
) -> Result<bool, kube::Error> {
    let namespace = known.namespace.as_deref();
    let _room = context.room(namespace, bytes.saturating_mul(TREE)).await;
    let api = api_of(context, known);
    let Some(found) = find(&api, known).await? else {
        return Ok(false);
    };
    if found.metadata.generation != known.generation {
        // The verdict is not about a later spec.
        return Ok(true);
    }
    let before = &found.data["status"];
    let mut status = match before {
        Value::Object(_) => before.clone(),
        _ => json!({}),
    };
    status["observedGeneration"] = json!(known.generation);
    status["conditions"] = json!(conditions(&found, verdict));
    if status == *before {
        return Ok(true);
    }
    let patch = of_status(&found.metadata, before, &status);
    let name = known.name.as_deref().unwrap_or_default();
    if let Err(error) = api.patch_status(name, &PatchParams::default(), &patch).await {
        let api = Api::namespaced(context.client(), namespace.unwrap_or_default());
        return match met_another(&api, &found.metadata, &error).await? {
            true => Ok(false),
            false => Err(error),
        };
    }
    let note = Note::warning(verdict.reason.to_string(), &verdict.message);
    let object = found.object_ref(&resource());
    publish_event(&context.client(), &context.metrics, object, note).await;
    Ok(true)
}

/// Ready=False, and Stalled or Reconciling; lastTransitionTime is kept if the status of the condition is unchanged.
fn conditions(object: &DynamicObject, verdict: &Verdict) -> Vec<Condition> {
    let kinds = match verdict.reason.rule().class {
        Class::Stalled => ["Ready", "Stalled"],
        _ => ["Ready", "Reconciling"],
    };
    let before = object
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let parsed = before.into_iter().flatten().filter_map(|condition| {
        let condition = Condition::deserialize(condition).ok()?;
        kinds.contains(&condition.type_.as_str()).then_some(condition)
    });
    let mut list: Vec<_> = parsed.collect();
    let mut conditions = Conditions {
        list: &mut list,
        generation: object.metadata.generation,
        now: Timestamp::now(),
    };
    for (kind, status) in kinds.into_iter().zip(["False", "True"]) {
        conditions.set(kind, ConditionState::of(status, verdict));
    }
    list
}
