use std::collections::BTreeSet;

use crate::{api::Status, schedule::*};

fn schedule(storage: StorageType, params: &[(&str, Param)]) -> Schedule {
    Schedule {
        storage_type: Storage::Known(storage),
        params: params
            .iter()
            .map(|(key, param)| ((*key).into(), param.clone()))
            .collect(),
        period: Period::EveryDay.number(),
        hour: 3,
        day: 0,
        backups_stored: 7,
        dump: false,
    }
}

fn lines(wanted: &Schedule, held: &Schedule) -> Vec<String> {
    wanted.difference(Some(held)).lines
}

#[test]
fn what_docspace_adds_is_no_difference() {
    let path = |key| (key, Param::plain("/backups"));
    let wanted = schedule(StorageType::Local, &[path("filePath")]);
    let held = schedule(
        StorageType::Local,
        &[
            path("filePath"),
            path("folderId"),
            ("tenantId", Param::plain("1")),
        ],
    );
    assert_eq!(lines(&wanted, &held), Vec::<String>::new());
}

#[test]
fn a_folder_counts_where_it_means_something() {
    let folder = |id| schedule(StorageType::Documents, &[("folderId", Param::plain(id))]);
    assert_eq!(
        lines(&folder("5"), &folder("6")),
        ["storageParams[folderId]: 5 wanted, 6 in the portal"]
    );
}

#[test]
fn every_field_that_differs_has_its_line() {
    let wanted = schedule(StorageType::Local, &[("filePath", Param::plain("/a"))]);
    let mut held = schedule(StorageType::DataStore, &[("acl", Param::plain("x"))]);
    (held.period, held.hour, held.day, held.backups_stored, held.dump) = (1, 5, 2, 9, true);
    let expected = [
        "storageType: Local wanted, DataStore in the portal",
        "cronParams.period: EveryDay wanted, EveryWeek in the portal",
        "cronParams.hour: 3 wanted, 5 in the portal",
        "cronParams.day: 0 wanted, 2 in the portal",
        "backupsStored: 7 wanted, 9 in the portal",
        "dump: false wanted, true in the portal",
        "storageParams[filePath]: /a wanted, none in the portal",
        "storageParams[acl]: none wanted, (hidden) in the portal",
    ];
    assert_eq!(lines(&wanted, &held), expected);
    assert_eq!(
        wanted.difference(None).lines,
        ["schedule: wanted, none in the portal"]
    );
}

#[test]
fn a_secret_is_never_shown() {
    let secret = |value: &str| Param::secret(value.into());
    let wanted = schedule(
        StorageType::ThirdPartyConsumer,
        &[("bucket", secret("s3cret")), ("ssekey", secret("s3cret"))],
    );
    let equal = schedule(
        StorageType::ThirdPartyConsumer,
        &[
            ("bucket", Param::plain("s3cret")),
            ("ssekey", Param::plain("s3cret")),
        ],
    );
    let other = schedule(
        StorageType::ThirdPartyConsumer,
        &[
            ("bucket", Param::plain("other")),
            ("ssekey", Param::plain("other")),
        ],
    );
    assert!(wanted.difference(Some(&other)).in_secret);
    assert!(wanted.difference(Some(&equal)).is_empty());
    let mut held = Held {
        schedule: equal,
        last_backup_time: None,
    };
    held.conceal(&BTreeSet::new(), Some(&wanted));
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        wanted,
        wanted.difference(Some(&other)),
        wanted.shown_as_applied(),
        held.shown()
    );
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn what_was_hidden_stays_so_unless_the_manifest_says_it_in_clear() {
    let hidden = BTreeSet::from(["region"]);
    let region = |value: &str| [("region", Param::plain(value))];
    let in_s3 = |params: &[(&str, Param)]| schedule(StorageType::ThirdPartyConsumer, params);
    for (wanted, shown) in [
        (None, HIDDEN),
        (Some(in_s3(&[])), HIDDEN),
        (Some(in_s3(&region("eu"))), HIDDEN),
        (Some(in_s3(&region("s3cret"))), "s3cret"),
    ] {
        let mut held = Held {
            schedule: in_s3(&region("s3cret")),
            last_backup_time: None,
        };
        held.conceal(&hidden, wanted.as_ref());
        assert_eq!(held.shown().storage_params[0].value, shown, "{wanted:?}");
        let difference = wanted.unwrap_or(in_s3(&[])).difference(Some(&held.schedule));
        assert!(!difference.lines.join("").contains("s3cret"), "{difference:?}");
    }
    let applied = in_s3(&[
        ("region", Param::secret("s3cret".into())),
        ("ssekey", Param::secret("x".into())),
    ]);
    let status = Status {
        replaced: Some(applied.shown_as_applied()),
        hidden_params: vec!["bucket".into()],
        ..Status::default()
    };
    assert_eq!(status.hidden_params(), BTreeSet::from(["bucket", "region"]));
}

#[test]
fn numbers_without_a_name_are_shown_as_they_are() {
    assert_eq!(
        (storage_name(5), storage_name(99), period_name(-1)),
        ("ThirdPartyConsumer".into(), "99".into(), "-1".into())
    );
}

#[test]
fn a_schedule_reads_as_people_say_it() {
    let mut schedule = schedule(StorageType::DataStore, &[]);
    assert_eq!(schedule.in_words(Some("UTC")), "EveryDay 03:00 UTC");
    (schedule.period, schedule.day, schedule.hour) = (1, 1, 22);
    assert_eq!(
        schedule.in_words(Some("Europe/Berlin")),
        "EveryWeek Sunday 22:00 Europe/Berlin"
    );
    (schedule.period, schedule.day, schedule.hour) = (2, 31, 3);
    assert_eq!(schedule.in_words(None), "EveryMonth 31 03:00");
    (schedule.period, schedule.day, schedule.hour) = (1, 98, 99);
    assert_eq!(schedule.in_words(None), "EveryWeek 98 99:00");
}
