//! The Events of a reconcile: what was done, changed reasons, and early warnings. Pure.

use jiff::Timestamp;

use crate::{
    api::{DocSpaceBackupSchedule, Status, StorageType, condition},
    portal::Address,
    rules::{
        backup::{FirstStart, first_start},
        decide::removed_by_portal::FREE_BACKUPS,
        facts::{Bill, Facts},
        note::Note,
        outcome::Kept,
    },
    schedule::{Storage, timetable::Timetable},
};

/// All Events of a reconcile.
pub fn notes(
    object: &DocSpaceBackupSchedule,
    facts: &Facts<'_>,
    outcome: &Kept,
    status: &Status,
) -> Vec<Note> {
    let mut notes = outcome.notes.clone();
    let before = condition(object.status.as_ref(), "Ready");
    let (Some(before), Some(now)) = (before, condition(Some(status), "Ready")) else {
        return notes;
    };
    let changed = before.reason != now.reason;
    match now.status.as_str() {
        "True" if changed && before.status == "False" && notes.is_empty() => {
            notes.push(Note::normal(&now.reason, &now.message));
        }
        // What one check shows is no news yet.
        "False" if changed && !outcome.verdict.reason.is_unproven() => {
            notes.push(Note::warning(&now.reason, &now.message));
        }
        _ => {}
    }
    if outcome.applied.is_some()
        && let Some(address) = facts.old_address()
    {
        let text = format!(
            "The portal's address was changed; the schedule at the old address {address} may remain. Delete it there if \
             nobody needs it"
        );
        notes.push(Note::warning("ScheduleLeftBehind", text));
    }
    notes.extend(news(object, facts, status));
    notes
}

/// The Events that follow from the change of the status, from the object's to `after`.
pub(crate) fn news(object: &DocSpaceBackupSchedule, facts: &Facts<'_>, after: &Status) -> Vec<Note> {
    let unlooked = Status::default();
    let before = object.status.as_ref().unwrap_or(&unlooked);
    let mut notes = Vec::new();
    notes.extend(freshness(before, after));
    notes.extend(warning_of_an_archive(before, after));
    if before.in_force != after.in_force {
        notes.extend(short_lived(after));
    }
    if before.portal != after.portal {
        notes.extend(wrong_portal(object, facts));
    }
    notes
}

/// Good news once, bad news at each change. Unknown is no news: a new object cannot have a backup yet.
fn freshness(before: &Status, after: &Status) -> Option<Note> {
    let was = condition(Some(before), "BackupFresh");
    let now = condition(Some(after), "BackupFresh")?;
    let changed = was.is_none_or(|was| was.reason != now.reason);
    let same_status = was.is_some_and(|was| was.status == now.status);
    match now.status.as_str() {
        "True" if !same_status => Some(Note::normal(&now.reason, &now.message)),
        "False" if changed => Some(Note::warning(&now.reason, &now.message)),
        _ => None,
    }
}

fn warning_of_an_archive(before: &Status, after: &Status) -> Option<Note> {
    let candidate = after.candidate.as_ref()?;
    let known = before
        .candidate
        .as_ref()
        .is_some_and(|known| known.id == candidate.id);
    let warning = candidate.warning.as_ref().filter(|_| !known)?;
    Some(Note::warning(
        "BackupWarning",
        format!("The portal made an archive with a warning: {warning}"),
    ))
}

/// DocSpace deletes archives in DataStore after a day (trap 4).
fn short_lived(after: &Status) -> Option<Note> {
    let in_force = after.in_force.as_ref()?;
    (Storage::shown(&in_force.storage_type) == Storage::Known(StorageType::DataStore)).then(|| {
        Note::warning(
            "ArchivesExpire",
            "DocSpace deletes archives in its temporary store (storageType DataStore) after a day; choose \
             ThirdPartyConsumer, Documents or Local to keep them",
        )
    })
}

fn wrong_portal(object: &DocSpaceBackupSchedule, facts: &Facts<'_>) -> Option<Note> {
    let portal = &object.spec.portal;
    let address = Address::parse(&portal.url, portal.host_header.as_deref()).ok()?;
    let text = facts.identity.as_ref()?.wrong_portal(&address)?;
    Some(Note::warning("UnknownHost", text))
}

/// The portal removes a schedule when its free backups are used up (trap 6).
pub fn free_backups_low(bill: Bill) -> Option<Note> {
    (!bill.paid && bill.free >= FREE_BACKUPS - 1).then(|| {
        Note::warning(
            "FreeBackupsLow",
            format!(
                "{} free backups were made this month, and paid backup is off. When the free ones are used up (DocSpace's \
                 cloud gives {FREE_BACKUPS} a month; the API does not show this portal's number), the portal removes the \
                 schedule; see the portal's payments page",
                bill.free
            ),
        )
    })
}

/// The portal runs one backup at a time and drops the other without a trace (trap 7).
pub fn same_hour(other: &str) -> Note {
    Note::warning(
        "SameHour",
        format!(
            "The portal's other schedule (dump true or false) has the same hour and belongs to {other}; the portal runs \
             one backup at a time and drops the other, so give one of them another cronParams.hour"
        ),
    )
}

/// Text for the Event of a write: every write resets the portal's clock, which affects the next start (trap 2).
pub fn after_write(times: &Timetable, now: Timestamp) -> String {
    match first_start(times, now) {
        FirstStart::Never => ". The portal does not start it at this hour (see condition BackupFresh)".into(),
        FirstStart::Late(first) | FirstStart::NotCarriedOver(first) => {
            format!(". The first backup starts at {first} (see condition BackupFresh)")
        }
        FirstStart::InTime if times.portal_is_due(None, now) => {
            ". The portal makes a backup within 15 minutes, because every write resets its clock and the hour has passed"
                .into()
        }
        FirstStart::InTime => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        api::{Applied, AppliedReason},
        portal::PortalSettings,
        rules::{
            credentials::Identity,
            ownership::Ownership,
            reason::{Reason, Verdict},
            sample,
        },
        schedule::timetable::Cron,
    };

    fn object() -> DocSpaceBackupSchedule {
        sample::object(&json!({"name": "nightly"}), &json!(null))
    }

    fn status(status: serde_json::Value) -> Status {
        serde_json::from_value(status).expect("a status")
    }

    fn ready(status_of_it: &str, reason: &str) -> Status {
        let time = "2026-11-24T10:00:00Z";
        let ready = json!({
            "type": "Ready", "status": status_of_it, "reason": reason, "message": "what happened",
            "lastTransitionTime": time,
        });
        status(json!({"conditions": [ready]}))
    }

    /// The Events of a change of Ready, as `Warning Conflict`.
    fn told(before: Option<(&str, &str)>, after: (&str, &str), reason: Reason) -> Vec<String> {
        let mut object = object();
        object.status = before.map(|(status, reason)| ready(status, reason));
        let facts = Facts::new(&object.spec, "2026-11-24T12:00:00Z".parse().expect("a time"));
        let outcome = Kept::of(Verdict::new(reason, "what happened"));
        let notes = notes(&object, &facts, &outcome, &ready(after.0, after.1));
        let shown = |note: Note| {
            let kind = if note.warning { "Warning" } else { "Normal" };
            assert_eq!(note.text, "what happened");
            format!("{kind} {}", note.reason)
        };
        notes.into_iter().map(shown).collect()
    }

    #[test]
    fn a_new_reason_of_ready_is_told() {
        let none: [&str; 0] = [];
        let good = ("True", "InSync");
        let (bad, other) = (("False", "Conflict"), ("False", "Unauthorized"));
        assert_eq!(told(Some(good), bad, Reason::Conflict), ["Warning Conflict"]);
        assert_eq!(told(Some(other), bad, Reason::Conflict), ["Warning Conflict"]);
        assert_eq!(told(Some(bad), bad, Reason::Conflict), none);
        assert_eq!(told(Some(bad), good, Reason::InSync), ["Normal InSync"]);
        assert_eq!(told(Some(("Unknown", "Pending")), good, Reason::InSync), none);
        assert_eq!(told(Some(good), ("True", "Other"), Reason::InSync), none);
        assert_eq!(told(None, bad, Reason::Conflict), none);
        let unproven = ("False", "Verifying");
        assert_eq!(told(Some(good), unproven, Reason::Verifying), none);
    }

    #[test]
    fn the_last_free_backup_is_announced_unless_paid_ones_follow() {
        let told = |free, paid| free_backups_low(Bill { free, paid }).map(|note| (note.warning, note.reason));
        let low = Some((true, "FreeBackupsLow".to_owned()));
        assert_eq!(told(FREE_BACKUPS - 2, false), None);
        assert_eq!(told(FREE_BACKUPS - 1, false), low);
        assert_eq!(told(FREE_BACKUPS, false), low);
        assert_eq!(told(FREE_BACKUPS, true), None);
    }

    #[test]
    fn a_warning_of_an_archive_is_told_once() {
        let candidate = |id: &str, warning: serde_json::Value| {
            let time = "2026-11-24T03:10:00Z";
            status(json!({"candidate": {
                "id": id, "createdOn": time, "firstListed": time,
                "warning": warning,
            }}))
        };
        let told =
            |before: Status, after: Status| warning_of_an_archive(&before, &after).map(|note| note.text);
        let text = Some("The portal made an archive with a warning: files lack".to_owned());
        assert_eq!(told(Status::default(), candidate("a", json!("files lack"))), text);
        assert_eq!(
            told(
                candidate("b", json!("files lack")),
                candidate("a", json!("files lack"))
            ),
            text
        );
        assert_eq!(
            told(candidate("a", json!(null)), candidate("a", json!("files lack"))),
            None
        );
        assert_eq!(told(Status::default(), candidate("a", json!(null))), None);
        assert_eq!(told(candidate("a", json!("files lack")), Status::default()), None);
    }

    #[test]
    fn archives_that_expire_are_told_when_their_schedule_comes_into_force() {
        let in_force = |storage: &str| {
            status(json!({"inForce": {
                "since": "2026-11-24T10:00:00Z", "schedule": "EveryDay 03:00 UTC", "storageType": storage,
                "url": "https://p.test",
            }}))
        };
        let told = |before: &Status, after: &Status| {
            let mut object = object();
            object.status = Some(before.clone());
            let facts = Facts::new(&object.spec, "2026-11-24T12:00:00Z".parse().expect("a time"));
            let news = news(&object, &facts, after);
            news.into_iter().map(|note| note.reason).collect::<Vec<_>>()
        };
        let (none, kept, expire) = (Status::default(), in_force("Local"), in_force("DataStore"));
        assert_eq!(told(&none, &expire), ["ArchivesExpire"]);
        assert_eq!(told(&kept, &expire), ["ArchivesExpire"]);
        for (before, after) in [(&expire, &expire), (&none, &kept), (&expire, &none)] {
            assert!(told(before, after).is_empty(), "{before:?} {after:?}");
        }
    }

    /// Every write resets the portal's clock (trap 2).
    #[test]
    fn after_a_write_the_first_start_is_told_where_it_surprises() {
        let told = |hour: i64, zone: &str, now: &str| {
            let cron = Cron {
                period: 0,
                hour,
                day: 0,
            };
            let times = Timetable::new(cron, zone).expect("a known zone");
            after_write(&times, now.parse().expect("a time"))
        };
        let noon = "2026-11-24T12:00:00Z";
        assert_eq!(told(13, "UTC", noon), "");
        assert!(told(3, "UTC", noon).contains("within 15 minutes"));
        assert!(told(23, "America/New_York", noon).contains("does not start it"));
    }

    /// A server that does not know the Host answers as its first portal (trap 14).
    #[test]
    fn another_portal_than_the_named_one_is_told_once() {
        let shown = |alias: &str| status(json!({"portal": {"standalone": true, "alias": alias}}));
        let told = |before: &Status, alias: &str| {
            let mut object = object();
            object.status = Some(before.clone());
            let settings = PortalSettings {
                standalone: Some(true),
                alias: Some(alias.into()),
                base_domain: Some("test".into()),
                ..PortalSettings::default()
            };
            let facts = Facts {
                identity: Some(Identity {
                    settings: Some(settings),
                    ..Identity::default()
                }),
                ..Facts::new(&object.spec, "2026-11-24T12:00:00Z".parse().expect("a time"))
            };
            let news = news(&object, &facts, &shown(alias));
            news.into_iter().map(|note| note.reason).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(told(&Status::default(), "p"), none, "p.test is meant");
        assert_eq!(told(&Status::default(), "docs"), ["UnknownHost"]);
        assert_eq!(told(&shown("docs"), "docs"), none);
    }

    #[test]
    fn what_may_remain_at_an_old_address_is_told_with_the_next_write() {
        let mut object = object();
        object.status = Some(ready("False", "Unreachable"));
        let applied: Applied = serde_json::from_value(json!({
            "time": "2026-11-24T10:00:00Z", "reason": "Created", "generation": 1, "uid": "me", "url": "https://q.test",
            "schedule": {
                "storageType": "Local", "cronParams": {"period": "EveryDay", "hour": 3, "day": 0}, "backupsStored": 7,
                "dump": false,
            },
        }))
        .expect("an applied schedule");
        let told = |ownership, lost: Option<&str>, written| {
            let facts = Facts {
                ownership,
                lost_elsewhere: lost.map(Into::into),
                ..Facts::new(&object.spec, "2026-11-24T12:00:00Z".parse().expect("a time"))
            };
            let outcome = Kept {
                applied: written,
                ..Kept::of(Verdict::new(Reason::InSync, "what happened"))
            };
            let mut notes = notes(&object, &facts, &outcome, &ready("True", "InSync"));
            notes.retain(|note| note.reason == "ScheduleLeftBehind");
            notes.pop().map(|note| note.text)
        };
        let names = |text: Option<String>, url: &str| {
            text.is_some_and(|text| text.contains(&format!("old address {url} may remain")))
        };
        let (there, created) = (Ownership::Elsewhere(&applied), Some(AppliedReason::Created));
        assert!(names(told(there, None, created), "https://q.test"));
        // Nobody knows whether a write to it was carried out.
        assert!(names(
            told(Ownership::None, Some("https://r.test"), created),
            "https://r.test"
        ));
        assert_eq!(told(there, None, None), None, "nothing was written yet");
        assert_eq!(told(Ownership::Ours(&applied), None, created), None);
    }
}
