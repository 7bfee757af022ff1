//! Whether everything is as it must be once nothing has been disturbed for long enough: the portal holds what the rightful
//! object says, or that object says why not, and rightly so; all others know that they must wait.

use docspace_backup_operator::{
    api::{AdoptionPolicy, DocSpaceBackupSchedule, ManagementPolicy, condition},
    controller::Key,
    rules::memory::is_requested,
};
use serde_json::Value;

use crate::{
    claims::{Accepted, Sure, has_valid_key, in_the_way, owned, slot_of},
    in_process::SLOTS,
    installation::{Installation, text},
    journal::Journal,
    kubernetes::Kubernetes,
    operator::resolve,
};

/// The fields of a status that change while everything is settled: they tell of backups and of days.
const PASSING: [&str; 11] = [
    "nextBackupTime",
    "lastBackup",
    "candidate",
    "backupCount",
    "lastFailure",
    "lastRun",
    "missedBackupTime",
    "vanishedSince",
    "auditTrailFailingSince",
    "corrections",
    "removals",
];

/// A status without the fields that change while everything is settled. The versions of Secrets are renewed whenever
/// something else is written.
pub fn essence(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(fields) = status.as_object_mut() {
        fields.retain(|name, _| !PASSING.contains(&name.as_str()));
    }
    let inner = [("observed", "lastBackupTime"), ("applied", "secrets")];
    for (field, name) in inner {
        if let Some(fields) = status[field].as_object_mut() {
            fields.remove(name);
        }
    }
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["type"] != "BackupFresh");
    }
    status
}

/// Everything around an object at the end.
pub struct End<'a, 'b> {
    /// The API server.
    pub kubernetes: &'a Kubernetes,
    /// The portals.
    pub installation: &'a Installation<'b>,
    /// The story.
    pub journal: &'a Journal,
    /// The keys that the process has seen portals accept.
    pub accepted: &'a Accepted,
}

impl End<'_, '_> {
    /// How an object ends, in a word.
    ///
    /// # Errors
    /// It is not as it must be.
    pub fn of(&self, key: &Key) -> Result<String, String> {
        let Some(object) = self.kubernetes.get(key) else {
            return Ok("gone".into());
        };
        let ended = self.judged(&object);
        ended.map_err(|wrong| format!("{key:?} ends wrongly: {wrong}"))
    }

    fn judged(&self, object: &DocSpaceBackupSchedule) -> Result<String, String> {
        let status = object.status.as_ref();
        if object.metadata.deletion_timestamp.is_some() {
            return Err("it is deleted and still there".into());
        }
        let [ready, stalled, suspended] =
            ["Ready", "Stalled", "Suspended"].map(|kind| condition(status, kind));
        if object.spec.suspend {
            return match suspended {
                Some(suspended) if suspended.status == "True" => Ok("suspended".into()),
                _ => Err("it does not tell that it is suspended".into()),
            };
        }
        let ready = ready.ok_or("it has no Ready")?;
        if ready.observed_generation != object.metadata.generation {
            return Err("its status is of an earlier manifest".into());
        }
        if is_requested(object) {
            return Err("a request is not handled".into());
        }
        let reason = ready.reason.clone();
        if (ready.status == "True") != (reason == "InSync") {
            return Err(format!("Ready is {} with {reason}", ready.status));
        }
        let is_rest = ["InSync", "OutOfSync"].contains(&&*reason);
        if stalled.is_some_and(|stalled| stalled.status == "True") == is_rest {
            return Err(format!("{reason}, and Stalled is {stalled:?}"));
        }
        self.is_right(object, &reason)?;
        Ok(reason)
    }

    /// Whether the reason of Ready is right.
    fn is_right(&self, object: &DocSpaceBackupSchedule, reason: &str) -> Result<(), String> {
        let slot = slot_of(object);
        let held = self.installation.held(slot);
        let held_text = held.as_ref().map(|held| text(&held.schedule));
        let wanted = resolve(self.kubernetes, object).ok();
        let wanted_text = wanted.as_ref().map(|resolved| text(&resolved.wanted));
        let is_equal = held_text == wanted_text;
        let observes = object.spec.management_policy == ManagementPolicy::Observe;
        let before = match observes {
            true => Vec::new(),
            false => in_the_way(object, self.kubernetes, self.accepted),
        };
        let has_valid_key = has_valid_key(object, self.kubernetes, self.installation);
        let right = match reason {
            "SecretMissing" => wanted.is_none(),
            _ if wanted.is_none() => false,
            "Conflict" => !before.is_empty(),
            _ if before.iter().any(|(_, sure)| *sure == Sure::Yes) => false,
            "Unauthorized" => !has_valid_key,
            _ if !has_valid_key => false,
            "InSync" => is_equal,
            _ if is_equal => false,
            "OutOfSync" => observes,
            _ if observes => false,
            "AdoptionRefused" => {
                object.spec.adoption_policy == AdoptionPolicy::Never
                    && owned(object).is_none()
                    && held.is_some()
            }
            "WouldDeleteArchives" => self.journal.spares_archives(object),
            "NotConverging" => self.journal.was_never_shown(object),
            "RemovedByPortal" => held.is_none() && self.journal.was_removed_often(slot),
            _ => false,
        };
        match right {
            true => Ok(()),
            false => Err(format!(
                "{reason}, where the portal holds {held_text:?}, the manifest says {wanted_text:?}, and {before:?} come first"
            )),
        }
    }
}

/// Whether a write may make the portal delete archives.
pub fn would_delete(object: &DocSpaceBackupSchedule, installation: &Installation<'_>) -> bool {
    let slot = slot_of(object);
    let number = i64::from(object.spec.backups_stored);
    let listed = installation.portals.listed(SLOTS[slot]).len();
    let held = installation.held(slot);
    // A lower number in the manifest is the user's consent.
    let is_lowered = owned(object).is_some_and(|applied| applied.schedule.backups_stored > number);
    object.spec.adoption_policy != AdoptionPolicy::Always
        && !is_lowered
        && i64::try_from(listed).is_ok_and(|listed| listed > number)
        && held.is_none_or(|held| held.schedule.backups_stored > number)
}
