//! The largest status that a portal can cause.

use super::*;
use crate::{
    api::{ApiKeyStatus, Candidate, InForce, LastBackup, LastFailure, LastRun, PortalStatus},
    portal::{Credential, KeyInfo, PortalSettings},
    rules::credentials::Identity,
    schedule::Param,
    text::{NAME_CHARS, clean, cut},
};

/// As much as a reader of answers keeps of a text, in characters of which as many bytes as possible are stored.
fn text() -> String {
    let text = "\"\"\u{10000}".repeat(1000);
    clean(&text)
}

fn name() -> String {
    cut(&text(), NAME_CHARS)
}

/// A schedule with as many and as long parameters as are read.
fn swollen() -> Held {
    let mut held = held(5).expect("a schedule");
    let (storage, number) = (i64::from(i32::MIN), i64::from(i32::MIN));
    let schedule = &mut held.schedule;
    (schedule.storage_type, schedule.period, schedule.hour) = (storage.into(), number, number);
    (schedule.day, schedule.backups_stored) = (number, number);
    let long = |key: String| (key, Param::plain(text().repeat(2)));
    let keys = (0..64).map(|number| format!("{}{number:02}", "k".repeat(63)));
    let shown = ["folderId", "filePath", "module", "bucket", "region"].map(String::from);
    schedule.params = keys.chain(shown).map(long).collect();
    held.last_backup_time = Some(now());
    held
}

#[test]
fn it_is_small() {
    let mut object = object(1, json!({}));
    let time = Time(now());
    let backup = LastBackup {
        id: "i".repeat(64),
        file_name: text(),
        created_on: time.clone(),
        storage_type: "ThirdPartyConsumer".into(),
        warning: Some(text() + &"w".repeat(250)),
    };
    let applied = Applied {
        time: time.clone(),
        reason: AppliedReason::Corrected,
        generation: 1,
        uid: "me".into(),
        url: object.spec.portal.url.clone(),
        host_header: None,
        schedule: Schedule::without_secrets(&object.spec).shown_as_applied(),
        secrets: Vec::new(),
    };
    object.status = Some(Status {
        applied: Some(applied),
        time_zone: Some(name()),
        candidate: Some(Candidate {
            id: backup.id.clone(),
            first_listed: time.clone(),
            created_on: time.clone(),
            warning: backup.warning.clone(),
        }),
        last_failure: Some(LastFailure {
            time: time.clone(),
            message: text(),
        }),
        last_run: Some(LastRun {
            id: backup.id.clone(),
            first_seen: Some(time.clone()),
        }),
        last_backup: Some(backup),
        in_force: Some(InForce {
            since: time.clone(),
            schedule: swollen().schedule.in_words(Some(&name())),
            storage_type: "Local".into(),
            dump: false,
            url: object.spec.portal.url.clone(),
            host_header: None,
        }),
        vanished_since: Some(time.clone()),
        missed_backup_time: Some(time.clone()),
        audit_trail_failing_since: Some(time.clone()),
        drift: Some(Drift {
            since: time.clone(),
            correction_waits: true,
            removed_by_portal: true,
        }),
        ..Status::default()
    });
    let facts = Facts {
        held: Asked::Answered(Some(swollen())),
        record: Record::of(object.status.as_ref().expect("a status"), None),
        identity: Some(Identity {
            settings: Some(PortalSettings {
                time_zone: Some(name()),
                version: Some(name()),
                standalone: Some(true),
                alias: Some(name()),
                base_domain: Some(text()),
            }),
            credential: Some(Credential::ApiKey(KeyInfo {
                id: "i".repeat(64),
                name: name(),
                may_write: false,
                expires_at: Some(now()),
            })),
            is_to_be_repeated: false,
            mapped_domain: None,
        }),
        ..facts(&object)
    };
    // What is told of a refusal: address, DocSpace's words, advice.
    let message = format!("https://p.test: HTTP 403: {}; {}", text(), "advice ".repeat(40));
    let outcome = Kept {
        verdict: Verdict::new(Reason::UserNotAllowed, &message),
        request: Some(LastRequest {
            operation: Operation::CreateSchedule,
            time,
            url: Some(object.spec.portal.url.clone()),
            host_header: None,
            dump: false,
            status_code: Some(403),
            message,
            outcome_unknown: true,
        }),
        replaced: Some(swollen()),
        ..outcome(Reason::UserNotAllowed)
    };
    let (status, _) = report(&object, &facts, &outcome, None).status();
    let has_all = status.observed.is_some()
        && status.replaced.is_some()
        && status.difference.len() > 5
        && status.last_backup.is_some()
        && status.candidate.is_some()
        && status.last_failure.is_some()
        && matches!(&status.portal, Some(PortalStatus { alias: Some(_), .. }))
        && matches!(&status.api_key, Some(ApiKeyStatus { id: Some(_), .. }));
    assert!(has_all, "{status:#?}");
    let size = serde_json::to_string(&status).expect("JSON").len();
    assert!((8 << 10..=16 << 10).contains(&size), "{size} bytes: {status:#?}");
}
