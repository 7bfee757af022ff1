//! The contract of the scheduler: at which instants it finds a schedule due.

use std::{collections::BTreeMap, fs};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use simulated_portal::{Installation, Pass, Portal, Schedule, SimulatedPortal};

use super::{exchange, folder};

/// A table of rows with the meaning of their columns.
#[derive(Deserialize)]
struct Table {
    columns: BTreeMap<String, String>,
    rows: Vec<Value>,
}

impl Table {
    /// Every table of the folder that has this column.
    fn with_column(name: &str) -> Vec<Self> {
        let files = exchange::files(&folder()).into_iter();
        let tables = files.filter_map(|file| serde_json::from_str(&fs::read_to_string(file).unwrap()).ok());
        tables
            .filter(|table: &Self| table.columns.contains_key(name))
            .collect()
    }
}

/// A row of either table.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    period: String,
    hour: i32,
    day: i32,
    cron: Option<String>,
    #[serde(default)]
    tenant_id: i32,
    portal_time_zone: Option<String>,
    last_backup_time_utc: Option<Timestamp>,
    now_utc: Option<Timestamp>,
    due: Option<bool>,
    watched_from_utc: Option<Timestamp>,
    due_at_utc: Option<Timestamp>,
    #[serde(default)]
    following: Vec<Following>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Following {
    due_at_utc: Timestamp,
}

impl Row {
    fn read(row: &Value) -> Self {
        Self::deserialize(row).unwrap_or_else(|error| panic!("{row}: {error}"))
    }

    fn cron(&self) -> String {
        let Self { hour, day, .. } = self;
        match self.period.as_str() {
            "EveryDay" => format!("0 0 {hour} ? * *"),
            "EveryWeek" => format!("0 0 {hour} ? * {day}"),
            "EveryMonth" => format!("0 0 {hour} {day} * ?"),
            other => panic!("period {other}"),
        }
    }

    /// Gives the portal this schedule.
    fn store(&self, portal: &Portal) {
        let cron = self.cron();
        assert!(self.cron.as_ref().is_none_or(|recorded| *recorded == cron));
        for dump in [false, true] {
            portal.remove_schedule(dump);
        }
        portal.change(|tenant| tenant.time_zone.clone_from(&self.portal_time_zone));
        portal.set_schedule(Schedule {
            cron,
            dump: self.tenant_id == -1,
            last_backup_time: self.last_backup_time_utc,
            ..Schedule::every_day(0)
        });
    }

    /// How long the watch went on before it gave up.
    fn patience(&self) -> SignedDuration {
        let days = match self.period.as_str() {
            "EveryDay" => 40,
            "EveryWeek" => 60,
            _ => 420,
        };
        SignedDuration::from_hours(24 * days)
    }
}

fn is_due(server: &SimulatedPortal, now: Timestamp) -> bool {
    server.clock().set(now);
    match server.run_scheduler().as_slice() {
        [] => false,
        [Pass::Queued { .. }] => true,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn recordings_of_due_instants_are_what_the_simulated_scheduler_finds() {
    let server = SimulatedPortal::start(Installation::default()).await;
    let portal = server.first();
    let mut wrong = Vec::new();
    let tables = Table::with_column("due");
    let rows = tables.iter().flat_map(|table| &table.rows);
    let mut asked = 0;
    for recorded in rows {
        let row = Row::read(recorded);
        row.store(&portal);
        asked += 1;
        if Some(is_due(&server, row.now_utc.expect("nowUtc"))) != row.due {
            wrong.push(recorded);
        }
    }
    println!("{asked} instants");
    assert!(asked > 0, "no instants in {}", folder().display());
    assert!(wrong.is_empty(), "{} of {asked} differ: {wrong:#?}", wrong.len());
}

/// The first due instant from a moment on. What is due changes at whole hours of a wall clock and at midnight UTC
/// alone, which are quarters of an hour everywhere.
fn first_due(server: &SimulatedPortal, from: Timestamp, patience: SignedDuration) -> Option<Timestamp> {
    const QUARTER: i64 = 15 * 60;
    let mut at = from;
    while at <= from + patience {
        if is_due(server, at) {
            return Some(at);
        }
        let next = (at.as_second().div_euclid(QUARTER) + 1) * QUARTER;
        at = Timestamp::from_second(next).expect("a time");
    }
    None
}

#[tokio::test]
async fn recordings_of_next_runs_are_what_the_simulated_scheduler_does() {
    let server = SimulatedPortal::start(Installation::default()).await;
    let portal = server.first();
    let mut wrong = Vec::new();
    let tables = Table::with_column("dueAtUtc");
    let rows = tables.iter().flat_map(|table| &table.rows);
    let (mut watched, mut instants) = (0, 0);
    for recorded in rows {
        let row = Row::read(recorded);
        row.store(&portal);
        let mut from = row.watched_from_utc.expect("watchedFromUtc");
        let following = row.following.iter().map(|following| Some(following.due_at_utc));
        let wanted: Vec<_> = [row.due_at_utc].into_iter().chain(following).collect();
        let mut found = Vec::new();
        for _ in &wanted {
            let due = first_due(&server, from, row.patience());
            found.push(due);
            from = due.unwrap_or(from);
        }
        watched += 1;
        instants += wanted.len();
        if found != wanted {
            wrong.push((recorded["id"].clone(), recorded["cron"].clone(), wanted, found));
        }
    }
    println!("{watched} schedules watched, {instants} instants");
    assert!(watched > 0, "no next runs in {}", folder().display());
    assert!(
        wrong.is_empty(),
        "{} of {watched} differ: {wrong:#?}",
        wrong.len()
    );
}
