//! Which call to the portal learns which fact (part of step 1).

use jiff::Timestamp;

use crate::{
    portal::{AuditAction, Portal, PortalError},
    rules::{
        backup::{audit_trail::AuditTrail, next_question::trail_from},
        credentials::Identity,
        facts::{Bill, Facts},
        plan::Need,
        reason::Reason,
    },
};

/// Learns a fact from the portal. Every answer also updates the portal's clock.
pub async fn fetch(portal: &Portal, need: Need, facts: &mut Facts<'_>) {
    let dump = facts.spec.dump;
    match need {
        Need::Schedule => {
            let answer = portal.schedule(dump).await;
            facts.take_held(answer);
        }
        Need::Identity => facts.identity = Some(identity(portal, facts).await),
        Need::Progress => {
            let answer = portal.progress(dump).await;
            let progress = facts.take_time(answer);
            facts.record.seen.progress_asked_at = Some(facts.now);
            if let Ok(progress) = &progress {
                facts.record.absorb_progress(progress.as_ref(), facts.now);
            }
            facts.progress = progress.into();
        }
        Need::Archives => {
            let answer = portal.history(dump).await;
            facts.archives = facts.take_time(answer).into();
        }
        Need::Events => {
            let from = match &facts.expected {
                Ok(expected) => trail_from(expected, &facts.record, facts),
                Err(_) => facts.now,
            };
            let trail = trail(portal, from).await;
            facts.events = trail.or_else(not_to_be_had).into();
        }
        Need::OtherSchedule => {
            let answer = portal.schedule(!dump).await;
            facts.other = facts.take_time(answer).or_else(not_to_be_had).into();
        }
        Need::Deletion => facts.deleted = deletion(portal, facts).await.or_else(not_to_be_had).into(),
        Need::Bill => facts.bill = bill(portal).await.into(),
        // These come from Kubernetes.
        Need::CrdState | Need::Secrets | Need::Access => {}
    }
}

async fn identity(portal: &Portal, facts: &mut Facts<'_>) -> Identity {
    let settings = portal.settings().await;
    let settings = facts.take_time(settings);
    let key = portal.key().await;
    let key = facts.take_time(key);
    let mut identity = Identity {
        is_to_be_repeated: settings.as_ref().is_err_and(is_passing) || key.as_ref().is_err_and(is_passing),
        settings: settings.ok(),
        credential: key.ok(),
        mapped_domain: None,
    };
    if identity.wrong_portal(portal.address()).is_some() {
        let mapped = portal.mapped_domain().await;
        identity.mapped_domain = mapped.ok().and_then(|answer| answer.value);
    }
    identity
}

fn is_passing(error: &PortalError) -> bool {
    Reason::from(error.failure).rule().passing
}

/// A lasting refusal means that the fact is not available.
fn not_to_be_had<T>(error: PortalError) -> Result<Option<T>, PortalError> {
    if is_passing(&error) { Err(error) } else { Ok(None) }
}

/// `None` if the trail is not available.
async fn trail(portal: &Portal, from: Timestamp) -> Result<Option<AuditTrail>, PortalError> {
    let mut trail = AuditTrail {
        from: Some(from),
        ..AuditTrail::default()
    };
    for (action, times) in [
        (AuditAction::BackupStarted, &mut trail.manual_started),
        (AuditAction::BackupCompleted, &mut trail.manual_completed),
        (AuditAction::BackupFailed, &mut trail.manual_failed),
        (AuditAction::ScheduledBackupCompleted, &mut trail.completed),
        (AuditAction::ScheduledBackupFailed, &mut trail.failed),
    ] {
        let Some(events) = portal.events(action, from).await?.value else {
            return Ok(None);
        };
        *times = events.into_iter().map(|event| event.date).collect();
    }
    Ok(Some(trail))
}

/// Whether the trail shows a deletion of this schedule. A dump's schedule belongs to the installation, target -1
/// (R 507).
async fn deletion(portal: &Portal, facts: &Facts<'_>) -> Result<Option<bool>, PortalError> {
    let dump = facts.spec.dump;
    let since = facts.ownership.ours().map_or(facts.now, |applied| applied.time.0);
    let events = portal
        .events(AuditAction::ScheduledBackupDeleted, since)
        .await?
        .value;
    Ok(events.map(|events| events.iter().any(|event| (event.target == Some(-1)) == dump)))
}

async fn bill(portal: &Portal) -> Result<Bill, PortalError> {
    Ok(Bill {
        free: portal.free_backups_this_month().await?.value,
        paid: portal.paid_backup_is_on().await?.value,
    })
}
