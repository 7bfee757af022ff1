use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json, value::to_raw_value};

use crate::{
    portal::{AuditAction, Expiry, parse::*, redact::Secrets},
    secret::SharedSecret,
};

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
        // A day more covers all time zones.
        "0001-01-02T00:00:00Z",
    ] {
        assert_eq!(parsed(never), None, "{never}");
    }
    assert_eq!(
        parsed("0001-01-02T00:00:01Z").as_deref(),
        Some("0001-01-02T00:00:01Z")
    );
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

#[test]
fn switches_come_as_texts_too() {
    for (given, meant) in [
        (json!(true), Some(true)),
        (json!("True"), Some(true)),
        (json!(false), Some(false)),
        (json!("FALSE"), Some(false)),
        (json!("yes"), None),
        (json!(1), None),
        (json!(null), None),
    ] {
        let read = of(&json!({"enabled": given}), |content, _| service_is_on(content));
        assert_eq!(read.ok(), meant, "{given}");
    }
}

#[test]
fn numbers_are_as_large_as_docspaces() {
    let hour = |hour: Value| read(json!({"cronParams": {"hour": hour}})).map(|held| held.schedule.hour);
    for largest in [i64::from(i32::MAX), i64::from(i32::MIN)] {
        assert_eq!(hour(json!(largest)), Ok(largest));
        assert_eq!(hour(json!(largest.to_string())), Ok(largest));
        assert!(hour(json!(largest + largest.signum())).is_err());
    }
    let kind = |kind: Value| read(json!({"storageType": kind, "cronParams": {}}));
    assert!(kind(json!(i64::from(i32::MAX) + 1)).is_err());
    assert!(kind(json!(true)).is_err());
}

#[test]
fn a_zone_has_its_own_spelling_and_an_unknown_one_is_shown() {
    let zone = |zone: Value| of(&json!({"timezone": zone}), settings).map(|read| read.time_zone);
    assert_eq!(zone(json!("europe/BERLIN")), Ok(Some("Europe/Berlin".into())));
    assert_eq!(zone(json!("Middle\u{7}Earth")), Ok(Some("Middle Earth".into())));
    assert_eq!(zone(json!("")), Ok(None));
    assert_eq!(zone(json!(5)), Ok(None));
}

#[test]
fn a_key_may_write_with_all_permissions_or_that_one() {
    for (permissions, may) in [
        (json!(["*"]), true),
        (json!(["*:read", "*:write"]), true),
        (json!(["*:read"]), false),
        (json!(["files:write"]), false),
        (json!([5]), true),
        (json!([]), true),
        (json!(null), true),
    ] {
        let read = of(&json!({"id": "a", "permissions": permissions}), key);
        let Ok(Credential::ApiKey(key)) = read else {
            panic!("{read:?}")
        };
        assert_eq!(key.may_write, may, "{permissions}");
    }
    assert!(of(&json!({"name": "a"}), key).is_err());
}

#[test]
fn of_parameters_as_much_is_kept_as_shows_that_they_differ() {
    let params = |params: Value| {
        let held = read(json!({"cronParams": {}, "storageParams": params})).expect("a schedule");
        held.schedule.params
    };
    let map = |count: usize| -> serde_json::Map<_, _> {
        (0..count)
            .map(|number| (format!("{number:03}"), json!("x")))
            .collect()
    };
    assert_eq!(params(map(MOST_PARAMS).into()).len(), MOST_PARAMS);
    assert_eq!(params(map(MOST_PARAMS + 1).into()).len(), MOST_PARAMS);

    let long = params(json!({("ü".repeat(KEY_CHARS + 1)): "ü".repeat(VALUE_CHARS + 1)}));
    let (key, param) = long.iter().next().expect("a parameter");
    assert_eq!(*key, "ü".repeat(KEY_CHARS));
    assert_eq!(param.value.expose_secret(), "ü".repeat(VALUE_CHARS));
    let plain = params(json!({"b": true, "n": 5, "null": null}));
    let values: Vec<_> = plain
        .iter()
        .map(|(key, param)| (key.as_str(), param.value.expose_secret()))
        .collect();
    assert_eq!(values, [("b", "true"), ("n", "5")]);
}

#[test]
fn a_parameter_with_a_secret_in_it_is_marked() {
    let secrets = Secrets::of_key(&SharedSecret::from("s3cret-of-ours".to_owned()));
    let response = json!({"cronParams": {}, "storageParams": {"a": "x s3cret-of-ours", "b": "x", "s3cret-of-ours": "x"}});
    let response = to_raw_value(&response).expect("JSON");
    let held = schedule(Content::Response(&response), &Redactor::of(&secrets));
    let params = held.expect("an answer").expect("a schedule").schedule.params;
    let marks: Vec<_> = params
        .values()
        .map(|param| (param.secret, param.hides_key))
        .collect();
    assert_eq!(marks, [(true, false), (false, false), (false, true)]);
}

#[test]
fn a_longer_list_than_docspace_has_is_none() {
    let archives = |count: usize| {
        let archive = json!({"id": "a", "createdOn": "2026-11-23T03:10:00"});
        of(&json!(vec![archive; count]), history).map(|read| read.len())
    };
    assert_eq!(archives(5_000), Ok(5_000));
    assert!(archives(5_001).is_err());

    let from: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
    let trail = |count: usize| {
        let event = json!({"actionId": 5126, "date": "2026-11-21T03:05:00Z"});
        let list = json!(vec![event; count]);
        of(&list, |content, _| {
            events(content, AuditAction::BackupFailed, from)
        })
    };
    assert_eq!(
        trail(MOST_EVENTS).map(|read| read.map(|read| read.len())),
        Ok(Some(MOST_EVENTS))
    );
    assert!(trail(MOST_EVENTS + 1).is_err());
}

#[test]
fn an_event_has_the_first_number_of_its_target() {
    let from: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
    let target = |target: Value| {
        let event = json!([{"actionId": 5126, "date": "2026-11-21T03:05:00Z", "target": target}]);
        let events = of(&event, |content, _| {
            events(content, AuditAction::BackupFailed, from)
        });
        events.expect("an answer").expect("a trail")[0].target
    };
    assert_eq!(target(json!(["3", "4"])), Some(3));
    assert_eq!(target(json!([])), None);
    assert_eq!(target(json!("3")), None);
}
