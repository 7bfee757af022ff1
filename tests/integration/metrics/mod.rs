//! What Prometheus and the kubelet see of the operator.

mod log;
mod open_metrics;
mod probes;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use harness::{DEADLINE, promtool};
use serde_json::{Value, json};
use simulated_portal::ApiKey;
use tokio::time::timeout;

use self::open_metrics::Scrape;
use crate::world::{Setup, World, at};

/// The page of metrics and alerts.
const PAGE: &str = include_str!("../../../docs/monitoring.md");

/// Every series of an object.
const OF_AN_OBJECT: [&str; 10] = [
    "ready",
    "fresh",
    "stalled",
    "suspended",
    "archives",
    "last_backup_timestamp_seconds",
    "next_backup_timestamp_seconds",
    "expected_interval_seconds",
    "deadline_timestamp_seconds",
    "key_expiry_timestamp_seconds",
];

impl World {
    async fn scrape(&self) -> Scrape {
        let (status, text) = self.operator.only().get("/metrics").await;
        assert_eq!(status, 200);
        Scrape::of(&text)
    }

    /// The value of an object's series.
    async fn series(&self, metric: &str, object: &str) -> Option<f64> {
        let scrape = self.scrape().await;
        let labels = [("namespace", self.namespace.name()), ("name", object)];
        scrape.value(&format!("docspace_backup_{metric}"), &labels)
    }

    /// Waits until an object's series has this value: what a status says is shown a little later.
    async fn shows(&self, metric: &str, object: &str, value: f64) {
        let metric = format!("docspace_backup_{metric}");
        let labels = [("namespace", self.namespace.name()), ("name", object)];
        self.scraped(|scrape| scrape.value(&metric, &labels) == Some(value))
            .await;
    }

    /// Which status BackupFresh has.
    async fn shown_fresh(&self, object: &str) -> Vec<String> {
        let scrape = self.scrape().await;
        let mut shown = Vec::new();
        for status in ["True", "False", "Unknown"] {
            let namespace = self.namespace.name();
            let labels = [("namespace", namespace), ("name", object), ("status", status)];
            match scrape.value("docspace_backup_fresh", &labels) {
                Some(1.0) => shown.push(status.into()),
                value => assert!(value.is_none_or(|value| value == 0.0)),
            }
        }
        shown
    }

    /// Waits until the scrape is as wanted: what it shows follows the watch.
    async fn scraped(&self, wanted: impl Fn(&Scrape) -> bool) {
        let shown = async {
            while !wanted(&self.scrape().await) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        if timeout(DEADLINE, shown).await.is_err() {
            panic!("{:#?}", self.scrape().await);
        }
    }
}

fn has_object(scrape: &Scrape, object: &str) -> bool {
    let named = |labels: &open_metrics::Labels| labels.get("name").is_some_and(|name| name == object);
    scrape.samples.keys().any(|(_, labels)| named(labels))
}

fn seconds(time: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time) -> Option<f64> {
    i32::try_from(time.0.as_second()).ok().map(Into::into)
}

#[tokio::test]
async fn an_objects_series_follow_its_status_go_with_it_and_are_there_after_a_restart() {
    let mut world = World::with_ready_at(13).await;
    world.operator.only().address().await;
    world.shows("ready", "nightly", 1.0).await;
    world.shows("stalled", "nightly", 0.0).await;
    assert_eq!(world.series("suspended", "nightly").await, Some(0.0));
    assert_eq!(world.shown_fresh("nightly").await, ["Unknown"]);
    world.shows("expected_interval_seconds", "nightly", 86400.0).await;
    assert_eq!(
        world.series("last_backup_timestamp_seconds", "nightly").await,
        None
    );
    assert_eq!(
        world.series("key_expiry_timestamp_seconds", "nightly").await,
        None
    );

    world.set_key("sk-bogus-0000").await;
    world.stalled("nightly", "Unauthorized").await;
    world.shows("ready", "nightly", 0.0).await;
    world.shows("stalled", "nightly", 1.0).await;
    world.set_key(&world.key).await;
    world.ready("nightly").await;

    let object = world.proved("11-23 13:20", "11-23 13:55").await;
    let status = object.status.expect("a status");
    let last = status.last_backup.and_then(|last| seconds(&last.created_on));
    let next = status.next_backup_time.as_ref().and_then(seconds);
    assert!(last.is_some() && next.is_some());
    world.operator.restart().await;
    world.scraped(|scrape| has_object(scrape, "nightly")).await;
    assert_eq!(world.shown_fresh("nightly").await, ["True"]);
    for (metric, value) in [
        ("last_backup_timestamp_seconds", last),
        ("next_backup_timestamp_seconds", next),
        ("archives", Some(1.0)),
    ] {
        assert_eq!(world.series(metric, "nightly").await, value, "{metric}");
    }

    world.patch("nightly", json!({"spec": {"suspend": true}})).await;
    world.shows("suspended", "nightly", 1.0).await;

    world.delete("nightly").await;
    world.gone("nightly").await;
    world.scraped(|scrape| !has_object(scrape, "nightly")).await;
}

#[tokio::test]
async fn the_expiry_of_a_key_is_told() {
    let world = World::new().await;
    let expires = jiff::Timestamp::from_second(4_000_000_000).expect("a time");
    let key = world.portal.issue_key(ApiKey::named("short").expiring(expires));
    world.set_key(&key).await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    world
        .shows("key_expiry_timestamp_seconds", "nightly", 4_000_000_000.0)
        .await;
}

#[tokio::test]
async fn reconciles_calls_and_writes_are_counted_by_what_came_of_them() {
    let world = World::with_ready_nightly().await;
    let count = |scrape: &Scrape, name: &str, labels: &[(&str, &str)]| {
        scrape.value(&format!("docspace_backup_{name}"), labels)
    };
    // A reconcile has ended a little after its status is there.
    let ended = async |result: &str, times: f64| {
        let enough = |scrape: &Scrape| {
            count(scrape, "reconciles_total", &[("result", result)]).is_some_and(|count| count >= times)
        };
        world.scraped(enough).await;
    };
    ended("Ready", 1.0).await;
    let scrape = world.scrape().await;
    let calls = |operation, code| [("operation", operation), ("code", code)];
    assert_eq!(
        count(&scrape, "portal_calls_total", &calls("Create", "200")),
        Some(1.0)
    );
    assert_eq!(
        count(&scrape, "portal_calls_total", &calls("Schedule", "200")),
        Some(2.0)
    );
    let all: f64 = scrape
        .samples
        .iter()
        .filter(|((name, _), _)| name == "docspace_backup_portal_calls_total")
        .map(|(_, count)| count)
        .sum();
    assert!((all - 6.0).abs() < 0.1, "a new object costs six calls, not {all}");
    assert_eq!(
        count(
            &scrape,
            "portal_call_duration_seconds_count",
            &[("operation", "Create")]
        ),
        Some(1.0)
    );
    let created = [("reason", "Created"), ("code", "200")];
    assert_eq!(count(&scrape, "portal_writes_total", &created), Some(1.0));
    assert_eq!(
        count(&scrape, "reconciles_total", &[("result", "Ready")]),
        Some(1.0)
    );
    assert_eq!(count(&scrape, "reconcile_duration_seconds_count", &[]), Some(1.0));

    world.set_key("sk-bogus-0000").await;
    world.stalled("nightly", "Unauthorized").await;
    ended("Stalled", 1.0).await;
    let scrape = world.scrape().await;
    assert!(count(&scrape, "portal_calls_total", &calls("Schedule", "401")).is_some());

    let mut unreachable = world.named("unreachable");
    unreachable.spec.portal.url = "http://127.0.0.1:9".into();
    world.create(&unreachable).await;
    world.told("unreachable", "Unreachable").await;
    let scrape = world.scrape().await;
    assert!(count(&scrape, "portal_calls_total", &calls("Schedule", "Connect")).is_some());

    world.set_key(&world.key).await;
    world.ready("nightly").await;
    world.delete("nightly").await;
    world.gone("nightly").await;
    let deleted = [("reason", "Deleted"), ("code", "200")];
    ended("Released", 1.0).await;
    let scrape = world.scrape().await;
    assert_eq!(count(&scrape, "portal_writes_total", &deleted), Some(1.0));
}

#[tokio::test]
async fn a_schedule_that_may_be_left_in_its_portal_is_counted() {
    let world = World::with_ready_nightly().await;
    let left_behind = "docspace_backup_schedules_left_behind_total";
    assert_eq!(world.scrape().await.value(left_behind, &[]), Some(0.0));
    world.leave_nightly_behind().await;
    world
        .scraped(|scrape| scrape.value(left_behind, &[]) == Some(1.0))
        .await;
}

#[tokio::test]
async fn failures_of_kubernetes_are_counted() {
    let world = Setup::default()
        .everywhere()
        .start(&[])
        .await
        .ready_nightly()
        .await;
    world.delete_namespace().await;
    // In a namespace that is being deleted no Event can be made.
    let labels = [("operation", "Event"), ("code", "403")];
    let refused = |scrape: &Scrape| {
        scrape
            .value("docspace_backup_kubernetes_errors_total", &labels)
            .is_some()
    };
    world.scraped(refused).await;
}

#[tokio::test]
async fn the_metrics_are_listed_in_the_docs_and_hold_no_secret() {
    let world = World::new().await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let (_, text) = world.operator.only().get("/metrics").await;
    for hidden in [world.key.as_str(), "Bearer", &world.server.url(), "127.0.0.1"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    let scrape = Scrape::of(&text);
    for metric in scrape.families.keys() {
        assert!(
            PAGE.contains(&format!("`{metric}")),
            "{metric} is not in docs/monitoring.md"
        );
    }
    for metric in OF_AN_OBJECT {
        assert!(
            scrape.families.contains_key(&format!("docspace_backup_{metric}")),
            "{metric}"
        );
    }
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(scrape.value("docspace_backup_build_info", &version), Some(1.0));
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_lowercase() && c != '_')
        .filter(|word| word.starts_with("docspace_backup_"))
        .collect()
}

/// What is in a folder.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path())
}

/// The series, name and labels, that the tests of the alerts begin with.
fn of_alert_tests() -> BTreeSet<String> {
    let mut series = BTreeSet::new();
    for folder in entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart/alerts")) {
        for file in entries(&folder) {
            let text = fs::read_to_string(file).expect("it is text");
            let file: Value = serde_saphyr::from_str(&text).expect("it is YAML");
            let tests = file["tests"].as_array().into_iter().flatten();
            let inputs = tests.filter_map(|test| test["input_series"].as_array()).flatten();
            series.extend(inputs.filter_map(|input| Some(input["series"].as_str()?.to_owned())));
        }
    }
    series
}

/// Alerts and dashboard name what the page names: so says the chart's test.
#[tokio::test]
async fn what_the_docs_and_the_tests_of_alerts_name_is_exposed_with_these_labels() {
    // With a namespace go the rights in it, but for those everywhere.
    let world = Setup::default().everywhere().start(&[]).await;
    world.server.clock().set(at("11-23 12:00"));
    let expires = jiff::Timestamp::from_second(4_000_000_000).expect("a time");
    let key = world.portal.issue_key(ApiKey::named("short").expiring(expires));
    world.set_key(&key).await;
    world.create(&world.nightly_at(13)).await;
    world.ready("nightly").await;
    world.proved("11-23 13:20", "11-23 13:55").await;
    let last = "docspace_backup_last_backup_timestamp_seconds";
    let proved = |scrape: &Scrape| scrape.samples.keys().any(|(name, _)| name == last);
    world.scraped(proved).await;
    let mut exposed: Vec<_> = world.scrape().await.samples.into_keys().collect();
    world.delete_namespace().await;
    let errors = "docspace_backup_kubernetes_errors_total";
    let refused = |scrape: &Scrape| scrape.samples.keys().any(|(name, _)| name == errors);
    world.scraped(refused).await;
    exposed.extend(world.scrape().await.samples.into_keys());

    for name in named(PAGE) {
        let is = |exposed: &str| exposed == name || exposed.strip_suffix("_count") == Some(name);
        assert!(exposed.iter().any(|(exposed, _)| is(exposed)), "{name}");
    }

    let series = of_alert_tests();
    assert!(series.len() > 10, "{series:?}");
    for series in series {
        let (name, labels) = series.split_once('{').expect("labels");
        let (mut labels, _) = open_metrics::labels(labels);
        // Which Prometheus itself adds.
        labels.remove("pod");
        if name == "docspace_backup_leads" {
            labels.remove("namespace");
            labels.remove("service");
        }
        // Of a condition, only the present status and reason have a series.
        let told = match name {
            "docspace_backup_condition" => "type",
            _ => "status",
        };
        let is = |exposed: &open_metrics::Labels| {
            exposed.keys().eq(labels.keys())
                && labels
                    .get(told)
                    .is_none_or(|value| exposed.get(told) == Some(value))
        };
        let found = exposed
            .iter()
            .any(|(exposed, labels)| exposed == name && is(labels));
        assert!(found, "{series}");
    }
}

#[tokio::test]
async fn promtool_has_no_objections() {
    let world = World::with_ready_nightly().await;
    let plain = "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let (_, text) = world.operator.only().get_as("/metrics", plain).await;
    assert!(
        !text.contains("# EOF") && text.contains("docspace_backup_ready"),
        "{text}"
    );
    let said = promtool(&["check", "metrics"], &text).unwrap_or_else(|said| panic!("{said}"));
    assert!(said.is_empty(), "{said}");
}
