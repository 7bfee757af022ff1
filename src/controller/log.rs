//! The log of decisions: one line for each reconcile that changed the status.

use std::time::Duration;

use kube::ResourceExt;

use crate::{
    api::{DocSpaceBackupSchedule, LastRequest, Status, condition},
    rules::{outcome::Kept, reason::Class},
};

/// Logs what was decided and done, with its result. `fresh` is BackupFresh's reason if it changed.
pub fn decided(
    object: &DocSpaceBackupSchedule,
    outcome: &Kept,
    class: Class,
    [before, status]: [&Status; 2],
    wait: Duration,
) {
    let verdict = &outcome.verdict;
    let (name, namespace) = (object.name_any(), object.namespace());
    let (reason, message) = (verdict.reason, &verdict.message);
    let (operation, status_code) = called(outcome.request.as_ref());
    let status_code = match outcome.request {
        Some(_) => status_code,
        None => verdict.status.map(Into::into),
    };
    let [was, fresh] = [before, status]
        .map(|status| condition(Some(status), "BackupFresh").map(|fresh| fresh.reason.as_str()));
    let fresh = fresh.filter(|_| fresh != was);
    let next_look_seconds = wait.as_secs();
    match class {
        Class::Ready | Class::Suspended => {
            tracing::info!(name, namespace, %reason, operation, status_code, fresh, next_look_seconds, "{message}");
        }
        _ => {
            tracing::warn!(name, namespace, %reason, operation, status_code, fresh, next_look_seconds, "{message}");
        }
    }
}

/// Logs that a deleted object was released.
pub fn released(object: &DocSpaceBackupSchedule, request: Option<&LastRequest>) {
    let (name, namespace) = (object.name_any(), object.namespace());
    let (operation, status_code) = called(request);
    tracing::info!(
        name,
        namespace,
        operation,
        status_code,
        "object released after its deletion"
    );
}

/// The write operation, and the HTTP status of its answer.
fn called(request: Option<&LastRequest>) -> (Option<String>, Option<i32>) {
    request.map_or((None, None), |request| {
        (Some(format!("{:?}", request.operation)), request.status_code)
    })
}
