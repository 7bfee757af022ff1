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

/// Also of values that differ only in what is not seen: else a change of the manifest looks like somebody else's.
#[test]
fn what_is_applied_is_told_to_the_letter() {
    let with = |value| schedule(StorageType::CustomCloud, &[("custom", Param::plain(value))]);
    let values = ["", "\t", "\n", "ab", "a\nb", "a\u{0}b", "a\u{7f}b"].map(with);
    for (number, one) in values.iter().enumerate() {
        for (other, two) in values.iter().enumerate() {
            assert_eq!(one.is_as_applied(&two.shown_as_applied()), number == other);
        }
    }
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
fn a_key_that_holds_a_secret_is_hidden_unless_the_manifest_has_it() {
    let in_s3 = |params: &[(&str, Param)]| schedule(StorageType::ThirdPartyConsumer, params);
    let custom = |hides_key| {
        let param = Param {
            hides_key,
            ..Param::plain("v")
        };
        in_s3(&[("custom", param)])
    };
    for (hides_key, wanted, shown) in [
        (true, None, HIDDEN),
        (true, Some(in_s3(&[])), HIDDEN),
        (true, Some(custom(false)), "custom"),
        (false, Some(in_s3(&[])), "custom"),
    ] {
        let mut held = Held {
            schedule: custom(hides_key),
            last_backup_time: None,
        };
        held.conceal(&BTreeSet::new(), wanted.as_ref());
        assert_eq!(
            held.shown().storage_params[0].key,
            shown,
            "{hides_key} {wanted:?}"
        );
    }
}

#[test]
fn a_day_counts_where_the_period_has_days() {
    for (period, day, number) in [
        (Period::EveryDay, Some(7), 0),
        (Period::EveryWeek, Some(7), 7),
        (Period::EveryMonth, Some(31), 31),
    ] {
        let cron = CronParams { period, hour: 3, day };
        assert_eq!(Schedule::day_of(&cron), number, "{cron:?}");
    }
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

#[test]
fn of_many_or_long_parameters_a_part_is_shown() {
    let named = |key: &str, count: usize, value: &str| -> Schedule {
        let mut schedule = schedule(StorageType::ThirdPartyConsumer, &[]);
        let params = (0..count).map(|number| (format!("{key}{number:03}"), Param::plain(value)));
        schedule.params.extend(params);
        schedule
    };
    for (schedule, shown, left) in [
        (named("k", 32, "v"), 32, 0),
        (named("k", 33, "v"), 32, 1),
        (named("k", 64, "v"), 32, 32),
        (named(&"k".repeat(60), 64, "v"), 14, 50),
    ] {
        let held = Held {
            schedule: schedule.clone(),
            last_backup_time: None,
        };
        let params = held.shown().storage_params;
        let more = params
            .get(shown)
            .map(|more| (more.key.as_str(), more.value.clone()));
        let expected = (left > 0).then(|| ("…", format!("{left} more")));
        assert_eq!((params.len(), more), (shown + usize::from(left > 0), expected));
        let lines = lines(&named("k", 0, ""), &schedule);
        let bytes: usize = lines.iter().map(String::len).sum();
        assert!(lines.len() <= 33 && bytes < 1600, "{lines:#?}");
    }
    let shown = |key: &str, value: String| {
        let held = Held {
            schedule: schedule(StorageType::ThirdPartyConsumer, &[(key, Param::plain(value))]),
            last_backup_time: None,
        };
        let param = held.shown().storage_params.remove(0);
        (param.key.chars().count(), param.value.chars().count())
    };
    assert_eq!(shown("bucket", "b".repeat(300)), (6, 256));
    assert_eq!(shown(&"k".repeat(65), "b".repeat(300)), (64, HIDDEN.len()));
    // What is applied is compared, so it is whole.
    let applied = named("k", 32, &"v".repeat(1024)).shown_as_applied();
    assert!(
        applied
            .storage_params
            .iter()
            .all(|param| param.value.len() == 1024)
    );
    assert_eq!(applied.storage_params.len(), 32);
}

#[test]
fn schedules_have_the_same_digest_where_nothing_differs() {
    let path = |key| (key, Param::plain("/backups"));
    let wanted = schedule(StorageType::Local, &[path("filePath")]);
    let held = schedule(
        StorageType::Local,
        &[path("filePath"), path("folderId"), path("tenantId")],
    );
    assert_eq!(wanted.digest(), held.digest());
    let changes: [fn(&mut Schedule); 7] = [
        |other| other.storage_type = 99.into(),
        |other| other.period = 1,
        |other| other.hour = 4,
        |other| other.day = 1,
        |other| other.backups_stored = 8,
        |other| other.dump = true,
        |other| drop(other.params.insert("acl".into(), Param::plain(""))),
    ];
    for change in changes {
        let mut other = wanted.clone();
        change(&mut other);
        assert_ne!(other.digest(), wanted.digest(), "{other:?}");
    }
}
