use jiff::Timestamp;
use serde_json::{Value, json, value::to_raw_value};

use crate::portal::{AuditAction, Expiry, parse::*, redact::Secrets};

/// What is read of this response, with nothing to hide.
fn of<T>(response: &Value, read: impl FnOnce(Content, &Redactor) -> Read<T>) -> Read<T> {
    let response = to_raw_value(response).expect("JSON");
    read(Content::Response(&response), &Redactor::of(&Secrets::default()))
}

fn read(response: Value) -> Read<Held> {
    of(&response, schedule)?.ok_or_else(|| unexpected("none"))
}

#[test]
fn names_texts_and_missing_fields_are_read_as_docspace_reads_them() {
    let held = read(json!({
        "storageType": "thirdpartyCONSUMER",
        "storageParams": {"module": "s3", "n": 5, "gone": null},
        "cronParams": {"period": "everyweek", "hour": "22", "day": " 1 "},
        "backupsStored": "30",
        "dump": "False",
        "lastBackupTime": "2026-11-23T10:05:00.123"
    }));
    let held = held.expect("a schedule");
    let schedule = &held.schedule;
    assert_eq!(
        (
            schedule.storage_type,
            schedule.period,
            schedule.hour,
            schedule.day
        ),
        (5.into(), 1, 22, 1)
    );
    assert_eq!((schedule.backups_stored, schedule.dump), (30, false));
    assert_eq!(schedule.params.keys().collect::<Vec<_>>(), ["module", "n"]);
    assert_eq!(
        held.last_backup_time.map(|time| time.to_string()).as_deref(),
        Some("2026-11-23T10:05:00.123Z")
    );

    let bare = read(json!({"cronParams": {}})).expect("a schedule").schedule;
    assert_eq!(
        (bare.storage_type, bare.period, bare.hour, bare.day),
        (0.into(), 0, 0, 0)
    );
    assert_eq!((bare.backups_stored, bare.dump, bare.params.len()), (1, false, 0));
    let odd = read(json!({"storageType": -1, "cronParams": {"period": 99}})).expect("a schedule");
    assert_eq!(
        (odd.schedule.storage_type, odd.schedule.period),
        ((-1).into(), 99)
    );
}

#[test]
fn what_no_schedule_holds_is_not_taken_for_one() {
    for response in [
        json!({}),
        json!([]),
        json!(true),
        json!("text"),
        json!({"cronParams": []}),
        json!({"cronParams": {"hour": 3.5}}),
        json!({"cronParams": {"hour": 1e300}}),
        json!({"cronParams": {"period": "Hourly"}}),
        json!({"cronParams": {}, "dump": 1}),
        json!({"cronParams": {}, "storageParams": "x"}),
        json!({"cronParams": {}, "storageParams": {"a": {}}}),
        json!({"cronParams": {}, "lastBackupTime": "yesterday"}),
    ] {
        assert!(read(response.clone()).is_err(), "{response}");
    }
}

#[test]
fn never_is_the_first_instant_in_every_form() {
    let parsed = |text: &str| {
        let held = read(json!({"cronParams": {}, "lastBackupTime": text}));
        let time = held.expect(text).last_backup_time;
        time.map(|time| time.to_string())
    };
    for never in [
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00.0000000+00:00",
    ] {
        assert_eq!(parsed(never), None, "{never}");
    }
    assert_eq!(
        parsed("2026-11-23T12:05:00+02:00").as_deref(),
        Some("2026-11-23T10:05:00Z")
    );
    assert_eq!(
        parsed("2026-11-23T10:05:00.1234567").as_deref(),
        Some("2026-11-23T10:05:00.1234567Z")
    );
}

#[test]
fn an_archive_that_cannot_be_read_spoils_the_history() {
    let good = json!({"id": "a", "createdOn": "2026-11-23T03:10:00"});
    assert_eq!(of(&json!([good]), history).map(|read| read.len()), Ok(1));
    for bad in [
        json!(5),
        json!({"createdOn": "2026-11-23T03:10:00Z"}),
        json!({"id": "a"}),
        json!({"id": "a", "createdOn": "0001-01-01T00:00:00"}),
        json!({"id": "a", "createdOn": "yesterday"}),
        json!({"id": "a", "createdOn": "2026-11-23T03:10:00Z", "expiresOn": "soon"}),
    ] {
        assert!(of(&json!([good, bad]), history).is_err(), "{bad}");
    }
    assert!(history(Content::Nothing, &Redactor::of(&Secrets::default())).is_err());
}

#[test]
fn year_1_with_an_offset_is_the_next_cleaning() {
    let expires = |expires_on: Value| {
        let archive = json!({"id": "a", "createdOn": "2026-11-23T03:10:00Z", "expiresOn": expires_on});
        let archives = of(&json!([archive]), history).expect("a history");
        archives[0].expires
    };
    for never in [
        json!(null),
        json!("0001-01-01T00:00:00"),
        json!("0001-01-01T00:00:00.0000000"),
    ] {
        assert_eq!(expires(never.clone()), Expiry::Never, "{never}");
    }
    for at_next_cleaning in [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00.0000000Z",
        "0001-01-01T00:00:00+00:00",
        "0001-01-01T00:00:00+02:00",
        "0001-01-01T00:00:00-05:00",
    ] {
        assert_eq!(
            expires(json!(at_next_cleaning)),
            Expiry::AtNextCleaning,
            "{at_next_cleaning}"
        );
    }
    let time = Expiry::At("2026-11-24T03:10:00Z".parse().expect("a time"));
    for same in ["2026-11-24T03:10:00Z", "2026-11-24T03:10:00"] {
        assert_eq!(expires(json!(same)), time, "{same}");
    }
}

#[test]
fn events_that_were_not_asked_for_are_no_trail() {
    let from: Timestamp = "2026-11-21T03:00:01Z".parse().expect("a time");
    let asked = |content: Content, _: &Redactor| events(content, AuditAction::BackupFailed, from);
    let read = |response: Value| of(&response, asked);
    let event = |id: Value, date: &str| json!({"actionId": id, "date": date});
    let good = event(json!(5126), "2026-11-21T04:05:00.0000000+01:00");
    for (other, trail) in [
        (event(json!("5126"), "2026-11-21T03:00:01Z"), true),
        // Less than a minute early, as it may be by rounding.
        (event(json!(5126), "2026-11-20T22:59:02-04:00"), true),
        (event(json!(5126), "2026-11-21T02:59:01Z"), false),
        (event(json!(5125), "2026-11-21T03:05:00Z"), false),
        (event(json!(0), "2026-11-21T03:05:00Z"), false),
    ] {
        let events = read(json!([good, other])).expect("an answer");
        assert_eq!(events.map(|events| events.len()), trail.then_some(2), "{other}");
    }
    assert_eq!(read(json!([])), Ok(Some(Vec::new())));
    for bad in [
        json!({}),
        json!([5]),
        json!([{"date": "2026-11-21T03:05:00Z"}]),
        json!([{"actionId": 5126}]),
        json!([event(json!(5126), "yesterday")]),
    ] {
        assert!(read(bad.clone()).is_err(), "{bad}");
    }
    assert!(events(Content::Nothing, AuditAction::BackupFailed, from).is_err());
}

#[test]
fn what_is_no_number_or_switch_or_portal_is_not_taken_for_one() {
    for (given, meant) in [(json!(2), Some(2)), (json!("2"), Some(2)), (json!(0), Some(0))] {
        assert_eq!(of(&given, |content, _| count(content)).ok(), meant);
    }
    for bad in [json!(1.5), json!("many"), json!([]), json!(true)] {
        assert!(of(&bad, |content, _| count(content)).is_err(), "{bad}");
    }
    for bad in [json!({}), json!(true), json!({"enabled": 1})] {
        assert!(of(&bad, |content, _| service_is_on(content)).is_err(), "{bad}");
    }
    assert!(of(&json!("docs.example.com"), mapped_domain).is_err());
    assert!(count(Content::Nothing).is_err() && service_is_on(Content::Nothing).is_err());
    assert!(mapped_domain(Content::Nothing, &Redactor::of(&Secrets::default())).is_err());
}
