//! The portal's part of step 1: which call learns which fact.

use jiff::Timestamp;

use crate::{
    portal::{Action, Portal, PortalError},
    rules::{
        backup::{audit_trail::Trail, next_question::trail_from},
        credentials::Identity,
        facts::{Bill, Facts},
        plan::Need,
        reason::{Class, Reason},
    },
};

/// Learns a fact from the portal; its clock comes with every answer.
pub async fn ask(portal: &Portal, need: Need, facts: &mut Facts<'_>) {
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
        // Kubernetes tells these.
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
        key: key.ok(),
        mapped_domain: None,
    };
    if identity.stranger(portal.address()).is_some() {
        let mapped = portal.mapped_domain().await;
        identity.mapped_domain = mapped.ok().and_then(|answer| answer.value);
    }
    identity
}

fn is_passing(error: &PortalError) -> bool {
    Reason::from(error.failure).rule().class == Class::Retrying
}

/// What is refused for good is not to be had.
fn not_to_be_had<T>(error: PortalError) -> Result<Option<T>, PortalError> {
    if is_passing(&error) { Err(error) } else { Ok(None) }
}

/// `None` as soon as one answer shows that the trail is not to be had.
async fn trail(portal: &Portal, from: Timestamp) -> Result<Option<Trail>, PortalError> {
    let mut trail = Trail::default();
    for (action, times) in [
        (Action::BackupStarted, &mut trail.manual_started),
        (Action::BackupCompleted, &mut trail.manual_completed),
        (Action::BackupFailed, &mut trail.manual_failed),
        (Action::ScheduledBackupCompleted, &mut trail.completed),
        (Action::ScheduledBackupFailed, &mut trail.failed),
    ] {
        let Some(events) = portal.events(action, from).await?.value else {
            return Ok(None);
        };
        times.extend(events.into_iter().map(|event| event.date));
    }
    Ok(Some(trail))
}

/// The row of a dump is the installation's, and named so in the trail (R 507).
async fn deletion(portal: &Portal, facts: &Facts<'_>) -> Result<Option<bool>, PortalError> {
    let dump = facts.spec.dump;
    let since = facts.applied.map_or(facts.now, |applied| applied.time.0);
    let events = portal.events(Action::ScheduledBackupDeleted, since).await?.value;
    let is_this = |target: Option<&str>| (target == Some("-1")) == dump;
    Ok(events.map(|events| events.iter().any(|event| is_this(event.target.as_deref()))))
}

async fn bill(portal: &Portal) -> Result<Bill, PortalError> {
    Ok(Bill {
        free: portal.free_backups_this_month().await?.value,
        paid: portal.paid_backup_is_on().await?.value,
    })
}
