//! Schedules that no manifest can say: DocSpace stores what the API server refuses.

use secrecy::ExposeSecret;

use crate::{
    api::{Period, StorageType, is_shown_key},
    schedule::{Param, Schedule, Storage},
    text::clean,
};

/// The most parameters of a manifest.
const MOST_PARAMS: usize = 32;
/// The longest key of a parameter, in characters.
const KEY_CHARS: usize = 64;
/// The longest value of a parameter, in characters.
const VALUE_CHARS: usize = 1024;
/// The longest `filePath`, in characters, as DocSpace accepts it.
const PATH_CHARS: usize = 255;

/// Why the API server would refuse every manifest of this schedule, and what the manifest would need: see
/// `api::validation`.
pub fn cannot_be_a_manifest(schedule: &Schedule) -> Option<String> {
    storage(schedule)
        .or_else(|| time(schedule))
        .or_else(|| number(schedule.backups_stored))
        .or_else(|| params(schedule))
}

fn number(backups_stored: i64) -> Option<String> {
    (!(1..=30).contains(&backups_stored))
        .then(|| format!("its backupsStored is {backups_stored}; a manifest has 1 to 30"))
}

fn time(schedule: &Schedule) -> Option<String> {
    let (hour, day) = (schedule.hour, schedule.day);
    let days = match Period::ALL
        .into_iter()
        .find(|known| known.number() == schedule.period)
    {
        None => return Some(format!("its period is {}, which has no name", schedule.period)),
        // Not written.
        Some(Period::EveryDay) => day..=day,
        Some(Period::EveryWeek) => 1..=7,
        Some(Period::EveryMonth) => 1..=31,
    };
    if !(0..=23).contains(&hour) {
        return Some(format!("its hour is {hour}; a manifest has 0 to 23"));
    }
    let (first, last) = (days.start(), days.end());
    (!days.contains(&day)).then(|| format!("its day is {day}; a manifest has {first} to {last}"))
}

/// The storage type has a name, and the parameter that this type needs.
fn storage(schedule: &Schedule) -> Option<String> {
    let known = match schedule.storage_type {
        Storage::Other(number) => return Some(format!("its storageType is {number}, which has no name")),
        Storage::Known(known) => known,
    };
    let (key, is_valid, wanted): (_, fn(&str) -> bool, _) = match known {
        StorageType::Documents => ("folderId", is_folder_number, "a number"),
        StorageType::ThridpartyDocuments => ("folderId", is_folder_text, "a text that is no number"),
        StorageType::Local => ("filePath", is_path, "a path of at most 255 characters"),
        StorageType::ThirdPartyConsumer => ("module", is_module, "a name in lower case"),
        StorageType::CustomCloud | StorageType::DataStore => return None,
    };
    let value = schedule.params.get(key).map(|param| param.value.expose_secret());
    (!value.is_some_and(is_valid)).then(|| format!("storageType {known:?} needs {key}, {wanted}"))
}

fn is_folder_number(text: &str) -> bool {
    (1..=10).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_folder_text(text: &str) -> bool {
    !text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_path(text: &str) -> bool {
    (1..=PATH_CHARS).contains(&text.chars().count())
}

fn is_module(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c == ' ' || c.is_ascii_uppercase())
}

fn params(schedule: &Schedule) -> Option<String> {
    let params = schedule.counting_params();
    if params.len() > MOST_PARAMS {
        return Some(format!(
            "it has {} storageParams; a manifest has at most {MOST_PARAMS}",
            params.len()
        ));
    }
    params
        .into_iter()
        .find_map(|(key, param)| self::param(key, param))
}

fn param(key: &str, param: &Param) -> Option<String> {
    if param.hides_key {
        return Some("the key of one of its storageParams holds the API key".into());
    }
    let shown = clean(key);
    if key.is_empty() || key.chars().count() > KEY_CHARS || key.contains(char::is_whitespace) {
        return Some(format!(
            "{shown:?} is no key of a manifest's storageParams: 1 to {KEY_CHARS} characters without whitespace"
        ));
    }
    if param.secret && is_shown_key(key) {
        return Some(format!(
            "the value of {shown} holds the API key, and a manifest has it in clear"
        ));
    }
    let too_long = param.value.expose_secret().chars().count() > VALUE_CHARS;
    too_long.then(|| format!("the value of {shown} has more than {VALUE_CHARS} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(storage_type: StorageType, params: &[(&str, &str)]) -> Schedule {
        let param = |(key, value): &(&str, &str)| ((*key).to_owned(), Param::plain(*value));
        Schedule {
            storage_type: Storage::Known(storage_type),
            params: params.iter().map(param).collect(),
            period: Period::EveryMonth.number(),
            hour: 23,
            day: 31,
            backups_stored: 30,
            dump: false,
        }
    }

    fn data_store(change: impl FnOnce(&mut Schedule)) -> Schedule {
        let mut schedule = schedule(StorageType::DataStore, &[("bucket", "b")]);
        change(&mut schedule);
        schedule
    }

    fn number(key: usize) -> (String, Param) {
        (format!("key-{key}"), Param::plain("v"))
    }

    #[test]
    fn what_the_api_server_accepts_can_be_a_manifest() {
        use StorageType::{Documents, Local, ThirdPartyConsumer, ThridpartyDocuments};
        let path = "ä".repeat(PATH_CHARS);
        for schedule in [
            data_store(|_| {}),
            data_store(|schedule| (schedule.hour, schedule.day, schedule.backups_stored) = (0, 1, 1)),
            data_store(|schedule| (schedule.period, schedule.day) = (Period::EveryDay.number(), 99)),
            data_store(|schedule| (schedule.period, schedule.day) = (Period::EveryWeek.number(), 7)),
            data_store(|schedule| schedule.params = (0..MOST_PARAMS).map(number).collect()),
            schedule(Documents, &[("folderId", "4242424242")]),
            schedule(ThridpartyDocuments, &[("folderId", "drive-7-|root")]),
            schedule(Local, &[("filePath", &path)]),
            schedule(ThirdPartyConsumer, &[("module", "s3"), ("ssekey", "")]),
        ] {
            assert_eq!(cannot_be_a_manifest(&schedule), None, "{schedule:?}");
        }
    }

    #[test]
    fn what_the_api_server_refuses_cannot_be_one() {
        use StorageType::{Documents, Local, ThirdPartyConsumer, ThridpartyDocuments};
        let (path, key) = ("p".repeat(PATH_CHARS + 1), "k".repeat(KEY_CHARS + 1));
        let value = "v".repeat(VALUE_CHARS + 1);
        for (schedule, told) in [
            (
                data_store(|schedule| schedule.storage_type = 6.into()),
                "its storageType is 6",
            ),
            (data_store(|schedule| schedule.period = 3), "its period is 3"),
            (data_store(|schedule| schedule.hour = 24), "its hour is 24"),
            (data_store(|schedule| schedule.hour = -1), "its hour is -1"),
            (data_store(|schedule| schedule.day = 32), "its day is 32"),
            (data_store(|schedule| schedule.day = 0), "its day is 0"),
            (
                data_store(|schedule| (schedule.period, schedule.day) = (Period::EveryWeek.number(), 8)),
                "its day is 8",
            ),
            (
                data_store(|schedule| schedule.backups_stored = 31),
                "backupsStored is 31",
            ),
            (
                data_store(|schedule| schedule.backups_stored = 0),
                "backupsStored is 0",
            ),
            (
                data_store(|schedule| schedule.params = (0..=MOST_PARAMS).map(number).collect()),
                "33",
            ),
            (schedule(Documents, &[]), "needs folderId"),
            (schedule(Documents, &[("folderId", "0")]), "needs folderId"),
            (
                schedule(Documents, &[("folderId", "12345678901")]),
                "needs folderId",
            ),
            (
                schedule(ThridpartyDocuments, &[("folderId", "12")]),
                "needs folderId",
            ),
            (schedule(Local, &[("filePath", "")]), "needs filePath"),
            (schedule(Local, &[("filePath", &path)]), "needs filePath"),
            (schedule(ThirdPartyConsumer, &[("module", "S3")]), "needs module"),
            (schedule(ThirdPartyConsumer, &[("module", "")]), "needs module"),
            (schedule(StorageType::DataStore, &[("", "v")]), "is no key"),
            (schedule(StorageType::DataStore, &[("a b", "v")]), "is no key"),
            (schedule(StorageType::DataStore, &[(&key, "v")]), "is no key"),
            (schedule(StorageType::DataStore, &[("Region", &value)]), "1024"),
        ] {
            let why = cannot_be_a_manifest(&schedule).expect(told);
            assert!(why.contains(told), "{why}");
        }
    }

    #[test]
    fn the_api_key_is_never_written() {
        let with =
            |key: &str, param: Param| data_store(|schedule| drop(schedule.params.insert(key.into(), param)));
        let marked = Param {
            secret: true,
            ..Param::plain("sk-1")
        };
        let key = Param {
            hides_key: true,
            ..Param::plain("v")
        };
        for schedule in [with("bucket", marked.clone()), with("sk-1", key)] {
            let why = cannot_be_a_manifest(&schedule).expect("it cannot");
            assert!(why.contains("API key") && !why.contains("sk-1"), "{why}");
        }
        assert_eq!(cannot_be_a_manifest(&with("ssekey", marked)), None);
    }
}
