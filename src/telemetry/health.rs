//! The state of the program for the liveness and readiness probes.

use std::{
    convert::Infallible,
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector, encoding::DescriptorEncoder, metrics::MetricType, registry::Registry,
};
use tokio::{sync::Notify, time::sleep};

use crate::telemetry::watches::{Watch, Watches};

/// How often the main loop reports that it runs.
const BEAT: Duration = Duration::from_secs(1);
/// Without a report for this long, the main loop counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);
/// A namespace that cannot be listed for this long holds up the others no longer.
const LISTS_TAKE: Duration = Duration::from_secs(30);

/// The state of the program.
#[derive(Debug)]
pub struct Health {
    beat: Mutex<Instant>,
    watches: Mutex<Watches>,
    /// Notified when a list is complete or a watch fails.
    changed: Notify,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            beat: Mutex::new(Instant::now()),
            watches: Mutex::default(),
            changed: Notify::new(),
        }
    }
}

/// Exports at each scrape which watches fail.
#[derive(Debug)]
struct FailingWatches(Arc<Health>);

impl Collector for FailingWatches {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Whether the watch of this kind in this namespace fails (empty for all namespaces)";
        let mut metric = encoder.encode_descriptor("watch_failing", help, None, MetricType::Gauge)?;
        // Not under the lock: the encoder waits for its reader.
        let all = self.0.watches().all();
        for (watch, fails) in &all {
            metric.encode_family(watch)?.encode_gauge(&i64::from(*fails))?;
        }
        Ok(())
    }
}

impl Health {
    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a gauge of the failing watches.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(FailingWatches(self.clone())));
    }

    /// Runs the main work and reports that it continues; if the work blocks, the reports stop.
    pub async fn watch_over<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            ended = work => ended,
            never = self.beat() => match never {},
        }
    }

    async fn beat(&self) -> Infallible {
        loop {
            *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            sleep(BEAT).await;
        }
    }

    /// The CRD exists; these watches must complete their lists.
    pub fn lists(&self, watches: impl IntoIterator<Item = Watch>) {
        self.watches().lists(watches);
    }

    /// These watches must complete their lists once more; those that never did are not waited for again.
    pub fn lists_again(&self, watches: impl IntoIterator<Item = Watch>) {
        self.watches().lists_again(watches);
    }

    /// A watch has completed its list.
    pub fn listed(&self, watch: &Watch) {
        self.watches().listed(watch);
        self.works(watch);
        self.changed.notify_waiters();
    }

    /// A watch has received something.
    pub fn works(&self, watch: &Watch) {
        if self.watches().works(watch) {
            tracing::info!(
                kind = watch.kind,
                namespace = watch.namespace,
                "the watch works again"
            );
        }
    }

    /// A watch fails: with this HTTP status, or `none`. Returns whether that is news.
    pub fn failing(&self, watch: &Watch, code: &str, now: Timestamp) -> bool {
        let is_news = self.watches().fails(watch, code, now);
        self.changed.notify_waiters();
        is_news
    }

    /// Waits until the watches have completed their lists. After LISTS_TAKE it goes on without those that the API server
    /// refuses, if another namespace is listed, and returns them.
    pub async fn settled(&self) -> Vec<Watch> {
        let mut patience = pin!(sleep(LISTS_TAKE));
        let mut impatient = false;
        loop {
            let changed = self.changed.notified();
            let mut changed = pin!(changed);
            // From here on, no change is missed.
            changed.as_mut().enable();
            if self.watches().settled(impatient) {
                break;
            }
            tokio::select! {
                () = changed => {}
                () = &mut patience, if !impatient => impatient = true,
            }
        }
        self.watches().awaited()
    }

    /// All objects are known that can be listed, and can be reconciled.
    pub fn filled(&self) {
        self.watches().filled();
    }

    /// Whether the main loop runs.
    ///
    /// # Errors
    /// How long it has been hanging.
    pub fn alive(&self, now: Instant) -> Result<(), String> {
        let beat = *self.beat.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = now.saturating_duration_since(beat);
        if silent < PATIENCE {
            Ok(())
        } else {
            Err(format!("the main loop has not run for {} s", silent.as_secs()))
        }
    }

    /// Whether the objects are known; one line for each watch that fails nevertheless.
    ///
    /// # Errors
    /// What is missing, one line each.
    pub fn ready(&self) -> Result<Vec<String>, String> {
        self.watches().ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(kind: &'static str, namespace: Option<&str>) -> Watch {
        Watch {
            kind,
            namespace: namespace.map(Into::into),
        }
    }

    #[test]
    fn it_is_ready_once_all_is_listed_and_says_what_is_missing_before() {
        let health = Health::default();
        let says = || health.ready().expect_err("not ready");
        assert!(says().contains("CRD"));
        let (objects, secrets) = (watch("objects", None), watch("Secrets", Some("docspace")));
        health.lists([objects.clone(), secrets.clone()]);
        assert_eq!(
            says(),
            "listing Secrets in namespace docspace\nlisting objects in all namespaces"
        );
        health.listed(&objects);
        let first: Timestamp = "2026-11-23T12:00:00.5Z".parse().expect("a time");
        health.failing(&secrets, "403", first);
        health.failing(&secrets, "none", first + BEAT);
        assert_eq!(
            says(),
            "the watch of Secrets in namespace docspace has been failing since 2026-11-23T12:00:00Z \
             (HTTP status: none)"
        );
        health.listed(&secrets);
        assert!(health.ready().is_err());
        health.filled();
        assert_eq!(health.ready(), Ok(Vec::new()));
        health.failing(&secrets, "403", first);
        let failing = health.ready().expect("ready");
        assert!(failing[0].starts_with("the watch of Secrets in namespace docspace"));
        health.works(&secrets);
        assert_eq!(health.ready(), Ok(Vec::new()));
    }

    #[tokio::test]
    async fn it_is_alive_while_its_work_goes_on() {
        let health = Health::default();
        let before = Instant::now();
        health.watch_over(sleep(Duration::from_millis(1))).await;
        assert_eq!(health.alive(before + PATIENCE), Ok(()));
        // Nobody runs the work any more.
        assert_eq!(
            health.alive(Instant::now() + PATIENCE),
            Err("the main loop has not run for 30 s".into())
        );
    }
}
