//! Results of the simulated portal in the wording of the recordings.

use serde_json::Value;
use simulated_portal::{AuditEvent, Pass, Progress};

/// The progress in an answer.
pub(crate) fn progress(told: &Value) -> Progress {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| {
        told[name]
            .as_i64()
            .and_then(|number| number.try_into().ok())
            .unwrap_or_default()
    };
    Progress {
        is_completed: told["isCompleted"] == true,
        progress: number("progress"),
        error: text("error"),
        warning: told["warning"].as_str().map(str::to_owned),
        link: text("link"),
        tenant_id: number("tenantId"),
        status: number("status"),
        task_id: text("taskId"),
    }
}

/// The messages that a pass publishes.
pub(crate) fn published_as(pass: &Pass) -> String {
    match pass {
        Pass::Queued {
            tenant_id,
            dump,
            storage_type,
            paid,
        } => format!(
            "backup requested: tenant={tenant_id} dump={dump} scheduled=true storageType={storage_type} \
             billingSessionId={}",
            u8::from(*paid)
        ),
        Pass::Removed { tenant_id, reason } => {
            format!("notify: SendAboutScheduledBackupFailed tenant={tenant_id} {reason}")
        }
    }
}

/// An event in the wording of the worker's recording, without its initiator, which GET does not show.
pub(crate) fn happened_as(tenant: i32, event: &AuditEvent) -> String {
    let name = match event.action_id {
        5041 => "BackupStarted",
        5125 => "BackupCompleted",
        5126 => "BackupFailed",
        5127 => "ScheduledBackupStarted",
        5128 => "ScheduledBackupCompleted",
        5129 => "ScheduledBackupFailed",
        _ => "another",
    };
    let ip = event.ip.as_deref().unwrap_or_default();
    let page = event.page.as_deref().unwrap_or_default();
    format!(
        "audit: {name} tenant={tenant} user={} ip={ip} page={page}",
        event.user_id
    )
}

/// The same for a recorded line. Its target is the name of a type, not a value.
pub(crate) fn without_initiator(line: &str) -> String {
    let kept = line
        .split(' ')
        .filter(|word| !word.starts_with("initiator=") && !word.starts_with("target="));
    kept.collect::<Vec<_>>().join(" ")
}
