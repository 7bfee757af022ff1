//! The calls of DocSpace's API, and the body of `createbackupschedule`.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelValue;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::schedule::{Schedule, period_name};

/// A call of DocSpace's API.
#[derive(Clone, Copy, Debug, EncodeLabelValue, PartialEq, Eq, Hash)]
pub enum Call {
    /// `GET backup/getbackupschedule`
    Schedule,
    /// `POST backup/createbackupschedule`
    Create,
    /// `DELETE backup/deletebackupschedule`
    Delete,
    /// `GET backup/getbackuphistory`
    History,
    /// `GET backup/getbackupprogress`
    Progress,
    /// `GET settings`
    Settings,
    /// `GET keys/@self`
    Key,
    /// `GET security/audit/events/filter`
    Events,
    /// `GET backup/getbackupscount`
    BackupsCount,
    /// `GET backup/getservicestate`
    ServiceState,
    /// `GET portal`
    Portal,
}

impl Call {
    /// HTTP method.
    pub fn method(self) -> Method {
        match self {
            Self::Create => Method::POST,
            Self::Delete => Method::DELETE,
            _ => Method::GET,
        }
    }

    /// Path under `{portal}/api/2.0/`.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Schedule => "backup/getbackupschedule",
            Self::Create => "backup/createbackupschedule",
            Self::Delete => "backup/deletebackupschedule",
            Self::History => "backup/getbackuphistory",
            Self::Progress => "backup/getbackupprogress",
            Self::Settings => "settings",
            Self::Key => "keys/@self",
            Self::Events => "security/audit/events/filter",
            Self::BackupsCount => "backup/getbackupscount",
            Self::ServiceState => "backup/getservicestate",
            Self::Portal => "portal",
        }
    }

    /// Whether it changes the portal's schedule.
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Delete)
    }

    /// Its time limit.
    pub const fn timeout(self) -> Duration {
        if self.is_write() {
            WRITE_TIMEOUT
        } else {
            READ_TIMEOUT
        }
    }

    /// The largest accepted answer, in bytes. An archive of the history takes 200 to 300 bytes, so there is room for as
    /// many as are read. The largest other answers are a schedule's (DocSpace keeps at most 64 KiB of its parameters,
    /// which JSON may triple) and the audit trail's (100 events of less than 1 KiB).
    pub const fn max_body(self) -> usize {
        match self {
            Self::History => 1536 * 1024,
            _ => 256 * 1024,
        }
    }

    /// The most memory, in bytes, that what is read from a body of this size takes while it is in use.
    pub const fn kept(self, body: usize) -> usize {
        match self {
            // An archive of few bytes takes some three times as many.
            Self::History => 3 * body,
            Self::Schedule => body,
            _ => 0,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateBody<'a> {
    storage_type: NameOrNumber,
    storage_params: Vec<Item<'a>>,
    backups_stored: i64,
    cron_params: Cron,
    dump: bool,
}

#[derive(Serialize)]
struct Cron {
    period: NameOrNumber,
    hour: i64,
    day: i64,
}

#[derive(Serialize)]
struct Item<'a> {
    key: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum NameOrNumber {
    Name(String),
    Number(i64),
}

impl NameOrNumber {
    /// The name, or the number if there is no name.
    fn new(name: String, number: i64) -> Self {
        if name == number.to_string() {
            Self::Number(number)
        } else {
            Self::Name(name)
        }
    }
}

/// The body of `createbackupschedule`, without tenantId: DocSpace adds it itself, and fails if it is sent (R 185).
pub fn create_body(schedule: &Schedule) -> Vec<u8> {
    let params = schedule.params.iter().filter(|(key, _)| *key != "tenantId");
    let body = CreateBody {
        storage_type: NameOrNumber::new(schedule.storage_type.to_string(), schedule.storage_type.number()),
        storage_params: params
            .map(|(key, param)| Item {
                key,
                value: param.value.expose_secret(),
            })
            .collect(),
        backups_stored: schedule.backups_stored,
        cron_params: Cron {
            period: NameOrNumber::new(period_name(schedule.period), schedule.period),
            hour: schedule.hour,
            day: schedule.day,
        },
        dump: schedule.dump,
    };
    // Cannot fail: texts, numbers and lists always serialise.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Short, because reads are repeated anyway, and a failed database makes them hang for minutes (R 376).
pub const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// Longer than for reads, because an aborted write has an unknown outcome; shorter than DocSpace's 327 s (R 376) and
/// its router's 60 s (trap 17), because the slot stays locked meanwhile. Leader election limits it to
/// [`Leadership::longest_write`](crate::lease::Leadership::longest_write).
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::schedule::Param;

    fn sent(schedule: &Schedule) -> Value {
        serde_json::from_slice(&create_body(schedule)).expect("JSON")
    }

    #[test]
    fn a_schedule_is_sent_by_name_and_without_what_docspace_adds() {
        let mut schedule = Schedule {
            storage_type: 5.into(),
            params: Default::default(),
            period: 0,
            hour: 3,
            day: 0,
            backups_stored: 7,
            dump: true,
        };
        schedule.params.insert("module".into(), Param::plain("s3"));
        schedule
            .params
            .insert("ssekey".into(), Param::secret("a\"b".to_owned().into()));
        schedule.params.insert("tenantId".into(), Param::plain("1"));
        assert_eq!(
            sent(&schedule),
            json!({
                "storageType": "ThirdPartyConsumer",
                "storageParams": [{"key": "module", "value": "s3"}, {"key": "ssekey", "value": "a\"b"}],
                "backupsStored": 7,
                "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
                "dump": true
            })
        );
        schedule.storage_type = 99.into();
        schedule.period = 3;
        let body = sent(&schedule);
        assert_eq!(
            (&body["storageType"], &body["cronParams"]["period"]),
            (&json!(99), &json!(3))
        );
    }
}
