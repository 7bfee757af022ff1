use serde_json::json;

use super::*;

fn read(response: Value) -> Read<Held> {
    let held = schedule(Content::Response(response))?;
    held.ok_or_else(|| unexpected("none"))
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
        (5, 1, 22, 1)
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
        (0, 0, 0, 0)
    );
    assert_eq!((bare.backups_stored, bare.dump, bare.params.len()), (1, false, 0));
    let odd = read(json!({"storageType": -1, "cronParams": {"period": 99}})).expect("a schedule");
    assert_eq!((odd.schedule.storage_type, odd.schedule.period), (-1, 99));
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
        let fields = json!({"t": text}).as_object().cloned().unwrap_or_default();
        time(&fields, "t").expect(text).map(|time| time.to_string())
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
    assert!(history(Content::Response(json!([{"id": "a"}, 5]))).is_err());
    assert!(history(Content::Response(json!([{"fileName": "a"}]))).is_err());
    assert!(history(Content::Nothing).is_err());
}
