//! A backup schedule as manifest and portal both mean it: compared, shown and told apart here, and nowhere else.

pub mod timetable;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::api::{
    CronParams, DocSpaceBackupScheduleSpec, Period, ShownCron, ShownParam, ShownSchedule, Status,
    StorageParam, StorageType, to_second,
};

/// What stands in place of a value that may be a secret.
pub const HIDDEN: &str = "(hidden)";

/// The keys of storage parameters whose values are shown. No manifest may take them from a Secret.
pub const SHOWN_KEYS: [&str; 5] = ["folderId", "filePath", "module", "bucket", "region"];

/// A manifest has at most 32 parameters; a portal may hold any number, and a status has its limits.
const MOST_SHOWN: usize = 64;

/// A schedule: what a manifest asks for, or what a portal holds.
///
/// Storage types and periods are DocSpace's numbers, because a portal may hold numbers that have no name (R 42–44).
#[derive(Clone, Debug)]
pub struct Schedule {
    /// DocSpace's number of the storage type.
    pub storage_type: i64,
    /// Storage parameters by key.
    pub params: BTreeMap<String, Param>,
    /// DocSpace's number of the period.
    pub period: i64,
    /// Hour on the portal's wall clock.
    pub hour: i64,
    /// Day of the week or month; 0 for every day, as DocSpace gives it back (trap 8).
    pub day: i64,
    /// How many archives are kept.
    pub backups_stored: i64,
    /// Whether it is the installation's schedule.
    pub dump: bool,
}

/// The value of a storage parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// The value, as text.
    pub value: SecretString,
    /// Whether it must not be shown: a manifest takes or took it from a Secret, or it holds a secret that is in use.
    pub secret: bool,
    /// Whether its key holds a secret that is in use, and no manifest has that key.
    pub hides_key: bool,
}

impl Param {
    /// A value that is no secret of a manifest.
    pub fn plain(value: impl Into<String>) -> Self {
        Self {
            value: value.into().into(),
            secret: false,
            hides_key: false,
        }
    }

    /// A value that a manifest takes from a Secret.
    pub fn secret(value: SecretString) -> Self {
        Self {
            value,
            secret: true,
            hides_key: false,
        }
    }
}

/// What a portal holds: a schedule, and when it last queued a backup.
#[derive(Clone, Debug)]
pub struct Held {
    /// The schedule.
    pub schedule: Schedule,
    /// When the portal last queued a backup; `None` for never since the last write (trap 2).
    pub last_backup_time: Option<Timestamp>,
}

/// What differs between a wanted and a held schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// A line for each field, for people; values that may be secret read `(hidden)`.
    pub lines: Vec<String>,
    /// A value that the manifest takes from a Secret differs.
    pub in_secret: bool,
}

impl Difference {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Schedule {
    /// What a manifest asks for, with these values of its storage parameters.
    pub fn new(spec: &DocSpaceBackupScheduleSpec, params: BTreeMap<String, Param>) -> Self {
        Self {
            storage_type: spec.storage_type.number(),
            params,
            period: spec.cron_params.period.number(),
            hour: spec.cron_params.hour.into(),
            day: Self::day_of(&spec.cron_params),
            backups_stored: spec.backups_stored.into(),
            dump: spec.dump,
        }
    }

    /// What a manifest asks for, as far as it can be told without its Secrets: enough to show it.
    pub fn without_secrets(spec: &DocSpaceBackupScheduleSpec) -> Self {
        let param = |param: &StorageParam| match &param.value {
            Some(value) => Param::plain(value.to_string()),
            None => Param::secret(SecretString::default()),
        };
        Self::new(
            spec,
            spec.storage_params
                .iter()
                .map(|item| (item.key.clone(), param(item)))
                .collect(),
        )
    }

    /// The day as DocSpace keeps it: none for every day.
    fn day_of(cron: &CronParams) -> i64 {
        match cron.period {
            Period::EveryDay => 0,
            Period::EveryWeek | Period::EveryMonth => cron.day.unwrap_or_default().into(),
        }
    }

    /// What differs between this wanted schedule and the one that the portal holds, as far as DocSpace minds.
    pub fn difference(&self, held: Option<&Schedule>) -> Difference {
        let Some(held) = held else {
            return Difference {
                lines: vec!["schedule: wanted, none in the portal".into()],
                in_secret: false,
            };
        };
        let mut difference = Difference::default();
        let mut compare = |field: &str, wanted: String, held: String| {
            if wanted != held {
                difference
                    .lines
                    .push(format!("{field}: {wanted} wanted, {held} in the portal"));
            }
        };
        compare(
            "storageType",
            storage_name(self.storage_type),
            storage_name(held.storage_type),
        );
        compare(
            "cronParams.period",
            period_name(self.period),
            period_name(held.period),
        );
        compare("cronParams.hour", self.hour.to_string(), held.hour.to_string());
        compare("cronParams.day", self.day.to_string(), held.day.to_string());
        compare(
            "backupsStored",
            self.backups_stored.to_string(),
            held.backups_stored.to_string(),
        );
        compare("dump", self.dump.to_string(), held.dump.to_string());

        let (ours, theirs) = (self.counting_params(), held.counting_params());
        for key in ours
            .keys()
            .chain(theirs.keys().filter(|key| !ours.contains_key(*key)))
        {
            let (ours, theirs) = (ours.get(key), theirs.get(key));
            if ours.map(|param| param.value.expose_secret())
                == theirs.map(|param| param.value.expose_secret())
            {
                continue;
            }
            let in_secret = ours.is_some_and(|param| param.secret);
            let show = |param: Option<&&Param>| {
                let hidden = || HIDDEN.to_owned();
                param.map_or("none".into(), |param| match in_secret {
                    true => hidden(),
                    false => bounded(shown_value(key, param)),
                })
            };
            difference.lines.push(format!(
                "storageParams[{}]: {} wanted, {} in the portal",
                ours.or(theirs)
                    .map_or_else(String::new, |param| shown_key(key, param)),
                show(ours),
                show(theirs)
            ));
            difference.in_secret |= in_secret;
        }
        difference.lines.truncate(MOST_SHOWN);
        difference
    }

    /// The parameters that count: DocSpace adds tenantId to a dump's, and folderId to any but a
    /// ThirdPartyConsumer's, where it means something to the two Documents types only (trap 8, R 13, 173).
    fn counting_params(&self) -> BTreeMap<&str, &Param> {
        let folder_counts = self.storage_type == StorageType::Documents.number()
            || self.storage_type == StorageType::ThridpartyDocuments.number();
        self.params
            .iter()
            .filter(|(key, _)| *key != "tenantId" && (folder_counts || *key != "folderId"))
            .map(|(key, param)| (key.as_str(), param))
            .collect()
    }

    /// As it is shown in `status.applied`: values out of the manifest as they stand there, those of Secrets hidden.
    pub fn shown_as_applied(&self) -> ShownSchedule {
        self.shown(|_, param| match param.secret {
            true => HIDDEN,
            false => param.value.expose_secret(),
        })
    }

    /// Whether this is what `applied` shows, as far as it tells: hidden values are not compared.
    pub fn is_as_applied(&self, applied: &ShownSchedule) -> bool {
        let hidden = |key: &str| applied.storage_params.iter().any(|param| param.hides(key));
        *applied
            == self.shown(|key, param| match hidden(key) {
                true => HIDDEN,
                false => param.value.expose_secret(),
            })
    }

    fn shown<'a>(&'a self, value: impl Fn(&str, &'a Param) -> &'a str) -> ShownSchedule {
        ShownSchedule {
            storage_type: storage_name(self.storage_type),
            cron_params: ShownCron {
                period: period_name(self.period),
                hour: self.hour,
                day: self.day,
            },
            backups_stored: self.backups_stored,
            dump: self.dump,
            last_backup_time: None,
            storage_params: self
                .counting_params()
                .into_iter()
                .take(MOST_SHOWN)
                .map(|(key, param)| ShownParam {
                    key: shown_key(key, param),
                    value: bounded(value(key, param)),
                })
                .collect(),
        }
    }

    /// For people: `EveryDay 03:00 UTC`, `EveryWeek Sunday 22:00 Europe/Berlin`, `EveryMonth 31 03:00 UTC`.
    pub fn in_words(&self, time_zone: Option<&str>) -> String {
        self.shown_as_applied().in_words(time_zone)
    }
}

impl ShownSchedule {
    /// For people, as [`Schedule::in_words`].
    pub fn in_words(&self, time_zone: Option<&str>) -> String {
        const DAYS: [&str; 7] = [
            "Sunday",
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
        ];
        let cron = &self.cron_params;
        let mut words = vec![cron.period.clone()];
        if cron.period == period_name(Period::EveryWeek.number()) {
            let day = usize::try_from(cron.day.saturating_sub(1))
                .ok()
                .and_then(|day| DAYS.get(day));
            words.push(day.map_or_else(|| cron.day.to_string(), ToString::to_string));
        } else if cron.period == period_name(Period::EveryMonth.number()) {
            words.push(cron.day.to_string());
        }
        words.push(format!("{:02}:00", cron.hour));
        words.extend(time_zone.map(Into::into));
        words.join(" ")
    }
}

impl Status {
    /// The parameters whose values are hidden, although such are shown: what was hidden once stays so.
    pub fn hidden_params(&self) -> BTreeSet<&str> {
        let applied = self.applied.as_ref().map(|applied| &applied.schedule);
        let shown = [applied, self.replaced.as_ref(), self.observed.as_ref()];
        let hides = |key: &&str| {
            let mut params = shown
                .into_iter()
                .flatten()
                .flat_map(|shown| &shown.storage_params);
            self.hidden_params.iter().any(|hidden| hidden == key) || params.any(|param| param.hides(key))
        };
        SHOWN_KEYS.into_iter().filter(hides).collect()
    }
}

impl ShownParam {
    /// Whether it is the parameter of this key, and its value is hidden.
    fn hides(&self, key: &str) -> bool {
        self.key == key && self.value == HIDDEN
    }
}

impl Held {
    /// Marks the values that must not be shown: those of parameters that the manifest takes from a Secret, and those of
    /// `hidden`, which an earlier manifest took from one. What the manifest itself says in clear is none of them.
    pub fn conceal(&mut self, hidden: &BTreeSet<&str>, wanted: Option<&Schedule>) {
        for (key, param) in &mut self.schedule.params {
            let wanted = wanted.and_then(|wanted| wanted.params.get(key));
            let is_told = wanted.is_some_and(|wanted| {
                !wanted.secret && wanted.value.expose_secret() == param.value.expose_secret()
            });
            let is_hidden = wanted.is_some_and(|wanted| wanted.secret) || hidden.contains(key.as_str());
            param.secret = !is_told && (is_hidden || param.secret);
            param.hides_key &= wanted.is_none();
        }
    }

    /// As it is shown in `status.observed` and `status.replaced`: only values that are known to be no secrets.
    pub fn shown(&self) -> ShownSchedule {
        ShownSchedule {
            last_backup_time: self.last_backup_time.map(to_second),
            ..self.schedule.shown(shown_value)
        }
    }
}

/// What a portal holds may be of any length, and hold anything; what a manifest may hold is left as it is.
fn bounded(text: &str) -> String {
    without_controls(text).take(1024).collect()
}

/// The text as status shows it, before it is cut.
pub fn without_controls(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_control())
}

fn shown_key(key: &str, param: &Param) -> String {
    if param.hides_key {
        HIDDEN.into()
    } else {
        bounded(key)
    }
}

fn shown_value<'a>(key: &str, param: &'a Param) -> &'a str {
    if SHOWN_KEYS.contains(&key) && !param.secret {
        param.value.expose_secret()
    } else {
        HIDDEN
    }
}

impl StorageType {
    const ALL: [Self; 6] = [
        Self::Documents,
        Self::ThridpartyDocuments,
        Self::CustomCloud,
        Self::Local,
        Self::DataStore,
        Self::ThirdPartyConsumer,
    ];

    /// DocSpace's number of this storage type.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

impl Period {
    const ALL: [Self; 3] = [Self::EveryDay, Self::EveryWeek, Self::EveryMonth];

    /// DocSpace's number of this period.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// DocSpace's name of a storage type, or the number where it has none.
pub fn storage_name(number: i64) -> String {
    let known = StorageType::ALL
        .into_iter()
        .find(|known| known.number() == number);
    known.map_or_else(|| number.to_string(), |known| format!("{known:?}"))
}

/// Whether there is a storage behind a storage type that is shown so: not behind CustomCloud, nor behind numbers that
/// DocSpace accepts and has no name for (trap 4).
pub fn can_back_up(storage_type: &str) -> bool {
    StorageType::ALL
        .into_iter()
        .any(|known| known != StorageType::CustomCloud && storage_name(known.number()) == storage_type)
}

/// DocSpace's name of a period, or the number where it has none.
pub fn period_name(number: i64) -> String {
    let known = Period::ALL.into_iter().find(|known| known.number() == number);
    known.map_or_else(|| number.to_string(), |known| format!("{known:?}"))
}

/// The number of a period that [`period_name`] shows so; one that is no period's where it is none.
pub fn period_number(name: &str) -> i64 {
    let known = Period::ALL
        .into_iter()
        .find(|period| period_name(period.number()) == name);
    known.map_or_else(|| name.parse().unwrap_or(-1), Period::number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(storage: StorageType, params: &[(&str, Param)]) -> Schedule {
        Schedule {
            storage_type: storage.number(),
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
        let secret = |value: &str| Param::secret(SecretString::from(value));
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
}
