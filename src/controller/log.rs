//! The log of what is decided: a line for each look that changed something.

use std::time::Duration;

use kube::ResourceExt;

use crate::{
    api::{DocSpaceBackupSchedule, Status, condition},
    rules::{outcome::Deed, reason::Class},
};

/// What was decided and done, and what came of it. `fresh` is BackupFresh's reason, when that changes.
pub fn decided(
    object: &DocSpaceBackupSchedule,
    deed: &Deed,
    before: &Status,
    status: &Status,
    wait: Duration,
) {
    let verdict = &deed.verdict;
    let (name, namespace) = (object.name_any(), object.namespace());
    let (reason, message) = (verdict.reason, &verdict.message);
    let (operation, status_code) = request(deed);
    let [was, fresh] = [before, status]
        .map(|status| condition(Some(status), "BackupFresh").map(|fresh| fresh.reason.as_str()));
    let fresh = fresh.filter(|_| fresh != was);
    let next_look_seconds = wait.as_secs();
    match reason.rule().class {
        Class::Ready | Class::Suspended => {
            tracing::info!(name, namespace, %reason, operation, status_code, fresh, next_look_seconds, "{message}");
        }
        _ => {
            tracing::warn!(name, namespace, %reason, operation, status_code, fresh, next_look_seconds, "{message}");
        }
    }
}

/// The object is deleted, and was let go.
pub fn released(object: &DocSpaceBackupSchedule, deed: &Deed) {
    let (name, namespace) = (object.name_any(), object.namespace());
    let (operation, status_code) = request(deed);
    tracing::info!(name, namespace, operation, status_code, "deleted, and let go");
}

/// The call that wrote, and the HTTP status of its answer; else that of the answer that the verdict came from.
fn request(deed: &Deed) -> (Option<String>, Option<i32>) {
    match &deed.request {
        Some(request) => (Some(format!("{:?}", request.operation)), request.status_code),
        None => (None, deed.verdict.status.map(Into::into)),
    }
}
