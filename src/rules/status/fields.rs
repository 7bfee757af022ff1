//! The fields of a status other than its conditions and its backups.

use crate::{
    api::{
        ApiKeyStatus, Applied, AppliedReason, DocSpaceBackupSchedule, Drift, PortalStatus, REQUESTED_AT,
        Status, Tally, Unconfirmed, to_second,
    },
    portal::Credential,
    rules::{
        decide::{CONTEST_WINDOW, removed_by_portal::month},
        drift::counted,
        facts::{Asked, Facts},
        outcome::Kept,
        reason::Reason,
    },
    schedule::Schedule,
};

/// Repeats the annotation requestedAt, which this reconcile handles.
pub fn echo(object: &DocSpaceBackupSchedule, status: &mut Status) {
    let annotations = object.metadata.annotations.as_ref();
    if let Some(requested) = annotations.and_then(|annotations| annotations.get(REQUESTED_AT)) {
        status.last_handled_reconcile_at = Some(requested.clone());
    }
}

/// Portal, time zone and key.
pub fn identity(object: &DocSpaceBackupSchedule, facts: &Facts<'_>, status: &mut Status) {
    let Some(identity) = &facts.identity else {
        return;
    };
    if let Some(settings) = &identity.settings {
        status.time_zone = settings.time_zone.clone().or(status.time_zone.take());
        status.portal = Some(PortalStatus {
            version: settings.version.clone(),
            standalone: settings.standalone,
            alias: settings.alias.clone(),
        });
    }
    if object.spec.dump {
        status.time_zone = Some("UTC".into());
    }
    match &identity.credential {
        None => {}
        Some(Credential::SessionToken) => status.api_key = None,
        Some(Credential::ApiKey(key)) => {
            status.api_key = Some(ApiKeyStatus {
                id: Some(key.id.clone()),
                name: key.name.clone(),
                expires_at: key.expires_at.map(to_second),
            });
        }
    }
}

/// The written schedule, the portal's schedule, and how it differs from the manifest.
pub fn schedule(object: &DocSpaceBackupSchedule, facts: &Facts<'_>, outcome: &Kept, status: &mut Status) {
    let Some(Ok(wanted)) = &facts.wanted else {
        return;
    };
    if let Some(replaced) = &outcome.replaced {
        status.replaced = Some(replaced.shown());
    }
    if let Some(reason) = outcome.applied {
        status.applied = Some(applied(object, facts, reason, wanted));
    }
    let Asked::Answered(held) = &facts.held else {
        return;
    };
    let difference = wanted.difference(held.as_ref().map(|held| &held.schedule));
    let time_zone = status.time_zone.as_deref();
    status.schedule = held.as_ref().map(|held| held.schedule.in_words(time_zone));
    status.observed = held.as_ref().map(|held| held.shown());
    status.difference = difference.lines;
}

fn applied(
    object: &DocSpaceBackupSchedule,
    facts: &Facts<'_>,
    reason: AppliedReason,
    wanted: &Schedule,
) -> Applied {
    let portal = &object.spec.portal;
    Applied {
        time: to_second(facts.now),
        reason,
        generation: object.metadata.generation.unwrap_or_default(),
        uid: object.metadata.uid.clone().unwrap_or_default(),
        url: portal.url.clone(),
        host_header: portal.host_header.clone(),
        schedule: wanted.shown_as_applied(),
        secrets: facts.secret_versions.clone(),
    }
}

/// Whether the portal shows the schedule that it accepted, and at how many checks it did not.
pub fn unconfirmed(facts: &Facts<'_>, outcome: &Kept, status: &mut Status) {
    let differs = match (&facts.wanted, &facts.held) {
        (Some(Ok(wanted)), Asked::Answered(held)) => Some(
            !wanted
                .difference(held.as_ref().map(|held| &held.schedule))
                .is_empty(),
        ),
        _ => None,
    };
    let accepted = outcome.applied.is_some() && outcome.request.is_some();
    let before = if accepted {
        Some(Unconfirmed {
            accepted_time: to_second(facts.local_now),
            checks: 0,
        })
    } else {
        facts.unconfirmed.clone()
    };
    status.unconfirmed = match (before, differs) {
        (_, Some(false)) => None,
        (Some(before), Some(true)) => Some(counted(&before)),
        (before, None) => before.or(status.unconfirmed.take()),
        (None, Some(true)) => None,
    };
}

/// A drift, and what its correction waits for.
pub fn drift(facts: &Facts<'_>, outcome: &Kept, status: &mut Status) {
    let Asked::Answered(held) = &facts.held else {
        return;
    };
    let before = status.drift.take();
    let lasts = facts.is_drift() && facts.unconfirmed.is_none() && outcome.applied.is_none();
    if !lasts {
        return;
    }
    let reason = outcome.verdict.reason;
    let was = |flag: fn(&Drift) -> bool| before.as_ref().is_some_and(flag) && reason.rule().passing;
    let asked_for = facts.requested && reason == Reason::Verifying;
    let since = facts.drift.recorded_since(held.as_ref());
    status.drift = Some(Drift {
        correction_waits: asked_for || reason == Reason::BackupRunning || was(|drift| drift.correction_waits),
        removed_by_portal: reason == Reason::RemovedByPortal || was(|drift| drift.removed_by_portal),
        since: to_second(since.unwrap_or(facts.local_now)),
    });
}

/// The corrections of the last day.
pub fn corrections(object: &DocSpaceBackupSchedule, facts: &Facts<'_>, outcome: &Kept, status: &mut Status) {
    let now = to_second(facts.now);
    let recent = |tally: &Tally| facts.now.duration_since(tally.last_time.0) < CONTEST_WINDOW;
    let before = facts.corrections.filter(|tally| recent(tally));
    status.corrections = match (outcome.applied, before) {
        (Some(AppliedReason::Corrected), before) => Some(Tally {
            count: before.map_or(1, |before| before.count.saturating_add(1)),
            last_time: now,
        }),
        (Some(AppliedReason::Recreated), before) => before.cloned(),
        (Some(_), _) => None,
        // A quiet day counts from the last foreign change that was seen.
        (None, Some(before)) if is_new_drift(object, status) => Some(Tally {
            last_time: now,
            ..before.clone()
        }),
        (None, before) => before.cloned(),
    };
}

/// How often the operator restored the schedule this month after the portal had removed it (DocSpace's month, in UTC).
pub fn removals(facts: &Facts<'_>, outcome: &Kept, status: &mut Status) {
    let now = facts.now;
    let before = facts
        .removals
        .filter(|tally| month(tally.last_time.0) == month(now));
    status.removals = match outcome.applied {
        Some(AppliedReason::Recreated) => Some(Tally {
            count: before.map_or(1, |before| before.count.saturating_add(1)),
            last_time: to_second(now),
        }),
        // What another portal removed is no reason to wait for this one.
        Some(_) if facts.owned().is_none() => None,
        _ => before.cloned(),
    };
}

/// Whether this check was the first that showed the drift.
fn is_new_drift(object: &DocSpaceBackupSchedule, status: &Status) -> bool {
    let since = |status: &Status| status.drift.as_ref().map(|drift| drift.since.0);
    let before = object.status.as_ref().and_then(since);
    since(status).is_some_and(|now| before != Some(now))
}
