//! The state of the server that a recording was made on.

use std::time::Duration;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;
use simulated_portal::{
    Archive, AuditEvent, Database, Expiry, File, Installation, Mode, Portal, Progress, Schedule,
    SimulatedPortal, Tenant, TenantStatus, User,
};

use super::{
    audit_trail,
    exchange::{BackupRow, Exchange},
};

/// When the recordings were made, for files that tell no time at all.
const RECORDED: &str = "2026-11-23T12:00:00Z";

/// Everything to set before the request is sent.
pub struct Setting {
    installation: Installation,
    tenant: Tenant,
    clock: Timestamp,
    schedules: Vec<Schedule>,
    archives: Vec<(i32, Archive)>,
    progress: Option<(bool, Progress)>,
    events: Vec<AuditEvent>,
    asked: String,
    /// The recording does not tell what the server held; its answer does.
    pub from_answer: bool,
}

impl Setting {
    pub fn of(exchanges: &[Exchange], index: usize) -> Self {
        let exchange = &exchanges[index];
        let mut setting = Self {
            installation: installation(exchange),
            tenant: tenant(exchange),
            clock: clock(exchanges),
            schedules: exchange
                .schedules_before
                .iter()
                .flatten()
                .map(super::exchange::Row::schedule)
                .collect(),
            archives: Vec::new(),
            progress: None,
            events: Vec::new(),
            asked: exchange.host().to_owned(),
            from_answer: false,
        };
        setting.books(exchange);
        if exchange.request.path.contains("/security/audit/") {
            setting.events = audit_trail::events(exchanges, index);
            setting.from_answer = !setting.events.is_empty();
        }
        setting
    }

    /// Archives and progress, and a schedule that no row tells of.
    fn books(&mut self, exchange: &Exchange) {
        let told = exchange.told();
        if exchange.is_to("GET", "getbackupschedule") && exchange.schedules_before.is_none() {
            self.schedules.extend(told.map(shown_schedule));
            self.from_answer |= told.is_some();
        }
        if exchange.is_to("GET", "getbackuphistory") {
            let listed: Vec<&Value> = told.and_then(Value::as_array).into_iter().flatten().collect();
            self.archives = match &exchange.backups_before {
                Some(rows) => rows.iter().map(|row| backup_row(row, &listed)).collect(),
                None => {
                    let id = if exchange.asks_for_dump() { -1 } else { 1 };
                    listed
                        .iter()
                        .map(|archive| (id, shown_archive(archive)))
                        .collect()
                }
            };
            self.from_answer |= !self.archives.is_empty();
        }
        if exchange.is_to("GET", "getbackupprogress") {
            self.progress = told.map(|told| (exchange.asks_for_dump(), shown_progress(told)));
            self.from_answer |= told.is_some();
        }
    }

    /// A server in this state: tenant 1 at portal.test, tenant 2 at second.test.
    pub async fn server(&self) -> SimulatedPortal {
        let second = Tenant {
            owner: User {
                id: "22222222-2222-2222-2222-222222222222".to_owned(),
                display_name: "Second Owner".to_owned(),
            },
            hosts: vec!["second.test".to_owned()],
            ..self.tenant.clone()
        };
        let server =
            SimulatedPortal::start_with(self.installation.clone(), vec![self.tenant.clone(), second]).await;
        server.clock().run_from(self.clock);
        let portals = server.tenants();
        let of = |id: i32| &portals[usize::try_from(id.max(1)).unwrap() - 1];
        for schedule in &self.schedules {
            of(schedule.tenant_id).set_schedule(schedule.clone());
        }
        for (id, archive) in &self.archives {
            of(*id).add_archive(*id == -1, archive.clone());
        }
        let asked: &Portal = portals
            .iter()
            .find(|portal| portal.host() == self.asked)
            .unwrap_or(of(1));
        if let Some((dump, progress)) = &self.progress {
            asked.set_progress(*dump, Some(progress.clone()));
        }
        for event in &self.events {
            asked.add_audit_event(event.clone());
        }
        server
    }
}

fn installation(exchange: &Exchange) -> Installation {
    let server = &exchange.server;
    let mode = match server.mode.as_str() {
        "standalone" => Mode::Standalone,
        "saas" => Mode::Saas,
        other => panic!("mode {other}"),
    };
    let database = match server.database.as_str() {
        "PostgreSQL" => Database::PostgreSql,
        "MariaDB" | "MySQL" => Database::MariaDb,
        other => panic!("database {other}"),
    };
    let known = Installation::default();
    let version = exchange
        .told()
        .and_then(|told| told["version"].as_str())
        .map_or_else(|| known.version.clone(), str::to_owned);
    Installation {
        mode,
        database,
        hidden_settings: server.hidden_settings.clone(),
        version,
        database_retries: Duration::from_millis(1),
        router: exchange.note.contains("nginx"),
        ..known
    }
}

fn tenant(exchange: &Exchange) -> Tenant {
    let server = &exchange.server;
    let told = |name: &str| {
        exchange
            .told()
            .and_then(|told| told[name].as_str())
            .map(str::to_owned)
    };
    let known = Tenant::at("portal.test");
    Tenant {
        alias: told("tenantAlias").unwrap_or(known.alias),
        time_zone: noted_zone(&exchange.note)
            .or_else(|| told("timezone"))
            .or_else(|| told("timeZone")),
        status: TenantStatus::from_number(server.tenant_status).expect("a known status"),
        limited_access_space: server.limited_access_space,
        paid: server.paid.unwrap_or(true),
        audit: !exchange.note.contains("\"audit\": false"),
        ..Tenant::at("portal.test")
    }
}

/// The zone that a note names behind "portal time zone" or "portal zone".
fn noted_zone(note: &str) -> Option<String> {
    let (_, zone) = note
        .split_once("portal time zone ")
        .or_else(|| note.split_once("portal zone "))?;
    let zone = zone.split(';').next().unwrap_or_default().trim();
    (zone != "None").then(|| zone.to_owned())
}

/// The newest time that the answers of a file tell, which is close to when it was made.
fn clock(exchanges: &[Exchange]) -> Timestamp {
    fn newest(value: &Value) -> Option<Timestamp> {
        match value {
            Value::String(text) => time(text).filter(|time| (2000..2100).contains(&year(*time))),
            Value::Array(items) => items.iter().filter_map(newest).max(),
            Value::Object(fields) => fields
                .iter()
                .filter(|(name, _)| *name != "expiresOn")
                .filter_map(|(_, value)| newest(value))
                .max(),
            _ => None,
        }
    }
    let told = exchanges
        .iter()
        .filter_map(|exchange| newest(&exchange.response.body))
        .max();
    told.unwrap_or_else(|| RECORDED.parse().unwrap())
}

fn year(time: Timestamp) -> i16 {
    time.to_zoned(TimeZone::UTC).year()
}

/// A time of an answer: with an offset, or in UTC without one as on MariaDB.
pub fn time(text: &str) -> Option<Timestamp> {
    if !text.contains('T') {
        return None;
    }
    let without_offset = || {
        text.parse::<DateTime>()
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    text.parse().ok().or_else(without_offset)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> i32 {
    value
        .as_i64()
        .and_then(|number| number.try_into().ok())
        .unwrap_or_default()
}

/// The row behind a schedule that GET told: without what GET adds.
fn shown_schedule(told: &Value) -> Schedule {
    let cron = &told["cronParams"];
    let (hour, day) = (number(&cron["hour"]), number(&cron["day"]));
    let storage_type = number(&told["storageType"]);
    let params = told["storageParams"].as_object().into_iter().flatten();
    let own = |name: &String| name != "folderId" || matches!(storage_type, 0 | 1 | 5);
    let dump = told["dump"] == true;
    Schedule {
        tenant_id: if dump { -1 } else { 1 },
        dump,
        storage_type,
        storage_base_path: told["storageParams"]["folderId"].as_str().map(str::to_owned),
        storage_params: params
            .filter(|(name, _)| own(name))
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        cron: match number(&cron["period"]) {
            0 => format!("0 0 {hour} ? * *"),
            1 => format!("0 0 {hour} ? * {day}"),
            _ => format!("0 0 {hour} {day} * ?"),
        },
        backups_stored: number(&told["backupsStored"]),
        last_backup_time: told["lastBackupTime"]
            .as_str()
            .and_then(time)
            .filter(|time| year(*time) > 1),
    }
}

fn shown_archive(told: &Value) -> Archive {
    let created_on = time(&text(&told["createdOn"])).expect("a time");
    let expires_on = match told["expiresOn"].as_str().unwrap_or_default() {
        "0001-01-01T00:00:00" => Expiry::Never,
        "0001-01-01T00:00:00Z" => Expiry::AsWritten,
        end => Expiry::At(time(end).expect("a time")),
    };
    Archive {
        file_name: text(&told["fileName"]),
        expires_on,
        ..Archive::scheduled(&text(&told["id"]), created_on).in_storage(number(&told["storageType"]))
    }
}

/// A row of the books. Whether the file is there is told by the path, which the stand-in for storages looked at;
/// names and times by the answer, where it lists the archive.
fn backup_row(row: &BackupRow, listed: &[&Value]) -> (i32, Archive) {
    let told = listed.iter().find(|archive| archive["id"] == row.id.as_str());
    let known = told.map_or_else(
        || Archive::scheduled(&row.id, RECORDED.parse().unwrap()),
        |told| shown_archive(told),
    );
    let no_storage = ["nomodule", "nullparams", "no-tenantid"]
        .iter()
        .any(|mark| row.storage_path.contains(mark));
    let file = match row.storage_path.contains("present") {
        _ if no_storage => File::NoStorage,
        true => File::Present,
        false => File::Missing,
    };
    let removed = row.removed.starts_with('t') || row.removed == "1";
    let storage_type = row.storage_type.parse().expect("a number");
    (
        row.tenant_id.parse().expect("a number"),
        Archive {
            file,
            removed,
            ..known.in_storage(storage_type)
        },
    )
}

fn shown_progress(told: &Value) -> Progress {
    Progress {
        is_completed: told["isCompleted"] == true,
        progress: number(&told["progress"]),
        error: text(&told["error"]),
        warning: told["warning"].as_str().map(str::to_owned),
        link: text(&told["link"]),
        tenant_id: number(&told["tenantId"]),
        status: number(&told["status"]),
        task_id: text(&told["taskId"]),
    }
}
