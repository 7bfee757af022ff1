//! The number of portal calls a day for one object, at the default interval, on days of different kinds.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulated_portal::{ApiKey, Archive, Fault, Installation, Outcome, SimulatedPortal};

use crate::operator::Operator;

/// The upper limit that the operator promises.
const MOST_CALLS_A_DAY: u64 = 200;
const DAYS: usize = 4;

fn daily(storage: Value) -> Value {
    let mut schedule = json!({"cronParams": {"period": "EveryDay", "hour": 3}, "backupsStored": 7});
    schedule
        .as_object_mut()
        .expect("an object")
        .extend(storage.as_object().expect("an object").clone());
    schedule
}

fn local() -> Value {
    daily(json!({"storageType": "Local", "storageParams": [{"key": "filePath", "value": "/backups"}]}))
}

/// Several days of a portal: the calls of each day, the total number of status writes, and the final verdict.
struct Days {
    calls: Vec<u64>,
    status_writes: usize,
    fresh: String,
}

/// Lets an operator manage a portal for some days, from noon to noon, after its first check.
async fn days(installation: Installation, schedule: &Value, after: impl FnOnce(&SimulatedPortal)) -> Days {
    let server = SimulatedPortal::start(installation).await;
    let key = server.first().issue_key(ApiKey::named("operator"));
    let noon: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
    server.clock().set(noon);
    let mut operator = Operator::new(&server.url(), &key, schedule);
    operator.look(noon).await;
    after(&server);
    let mut days = Days {
        calls: Vec::new(),
        status_writes: 0,
        fresh: String::new(),
    };
    for day in 1..=DAYS {
        let end = noon + SignedDuration::from_hours(24 * i64::try_from(day).expect("small"));
        let before = server.log().total();
        while server.clock().now() < end {
            let told = operator.look(server.clock().now()).await;
            days.fresh = told.fresh;
            let wait = told.wait.max(Duration::from_secs(1));
            server.live(SignedDuration::try_from(wait).expect("short"));
        }
        days.calls.push(server.log().total() - before);
    }
    days.status_writes = operator.status_writes;
    days
}

fn every_run(outcome: Outcome) -> impl FnOnce(&SimulatedPortal) {
    move |server| server.first().every_run(false, outcome)
}

#[tokio::test]
async fn a_portal_gets_fewer_than_200_calls_a_day() {
    // Checks are spread randomly.
    fastrand::seed(5);
    let saas = || Installation::saas();
    let store = || daily(json!({"storageType": "DataStore"}));
    let kinds = [
        (
            "good nights",
            days(Installation::default(), &local(), |_| {}).await,
            "BackupFound",
        ),
        (
            "on PostgreSQL",
            days(Installation::on_postgresql(), &local(), |_| {}).await,
            "Vanished",
        ),
        (
            "every night fails",
            days(
                Installation::default(),
                &local(),
                every_run(Outcome::Fails("No space left".into())),
            )
            .await,
            "Failed",
        ),
        (
            "every run is lost",
            days(Installation::default(), &local(), every_run(Outcome::Lost)).await,
            "Overdue",
        ),
        (
            "every run is lost, and there is a week's time",
            {
                let mut patient = local();
                patient["backupDeadline"] = json!("168h");
                days(Installation::default(), &patient, every_run(Outcome::Lost)).await
            },
            "NotDueYet",
        ),
        (
            "every run is lost, and people back up by hand",
            days(Installation::default(), &local(), |server| {
                let portal = server.first();
                portal.every_run(false, Outcome::Lost);
                for number in 0..3 {
                    let id = format!("by hand {number}");
                    portal.add_archive(false, Archive::manual(&id, server.clock().now()));
                    [5041, 5125]
                        .into_iter()
                        .for_each(|action| portal.add_event(action));
                    server.clock().advance(SignedDuration::from_mins(40));
                }
            })
            .await,
            "Overdue",
        ),
        (
            "a run that does not end",
            days(Installation::default(), &local(), every_run(Outcome::Hangs)).await,
            "Running",
        ),
        (
            "in the cloud",
            days(saas(), &store(), |_| {}).await,
            "BackupFound",
        ),
        (
            "in the cloud, without the audit trail, every run is lost",
            days(saas(), &store(), |server| {
                server.first().change(|tenant| tenant.audit = false);
                server.first().every_run(false, Outcome::Lost);
            })
            .await,
            "Overdue",
        ),
        (
            "CustomCloud",
            days(
                Installation::default(),
                &daily(json!({"storageType": "CustomCloud"})),
                |_| {},
            )
            .await,
            "Failed",
        ),
        (
            "no history",
            days(Installation::default(), &local(), |server| {
                server.order(Fault::bad_gateway().to("getbackuphistory"));
            })
            .await,
            "NoEvidence",
        ),
        (
            "a portal that is away",
            days(Installation::default(), &local(), |server| {
                server.order(Fault::bad_gateway());
            })
            .await,
            "NoEvidence",
        ),
        (
            "a schedule that would cost archives",
            days(Installation::default(), &local(), |server| {
                let portal = server.first();
                portal.remove_schedule(false);
                for number in 0..9 {
                    let made = server.clock().now() - SignedDuration::from_hours(24 * number);
                    portal.add_archive(false, Archive::scheduled(&number.to_string(), made));
                }
            })
            .await,
            "Overdue",
        ),
        (
            "removed by the portal, again and again",
            days(saas(), &store(), |server| {
                server.first().change(|tenant| tenant.free_backups = Some(0))
            })
            .await,
            "Overdue",
        ),
    ];
    for (kind, days, fresh) in kinds {
        println!(
            "{kind}: {:?} calls a day, {} writes of the status",
            days.calls, days.status_writes
        );
        assert_eq!(days.fresh, fresh, "{kind}");
        let most = days.calls.iter().max().expect("days");
        assert!(*most < MOST_CALLS_A_DAY, "{kind}: {:?}", days.calls);
        assert!(
            days.calls.iter().all(|calls| *calls > 24 * 3),
            "{kind}: {:?}",
            days.calls
        );
    }
}
