//! The state of the program for the liveness and readiness probes.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::time::sleep;

/// How often the main loop reports that it runs.
const BEAT: Duration = Duration::from_secs(1);
/// Without a report for this long, the main loop counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A watch, identified by its resource and namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch {
    /// The watched kind, in the plural.
    pub kind: &'static str,
    /// The namespace; `None` for all.
    pub namespace: Option<String>,
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} in namespace {namespace}", self.kind),
            None => write!(f, "{} in all namespaces", self.kind),
        }
    }
}

/// The state of the program.
#[derive(Debug)]
pub struct Health {
    beat: Mutex<Instant>,
    start: Mutex<Start>,
}

/// The progress of the start.
#[derive(Debug)]
enum Start {
    /// The cluster does not know the CRD yet.
    NoCrd,
    /// The watches whose first list is not complete; for failing ones, since when and with which status.
    Listing(BTreeMap<Watch, Option<(Timestamp, String)>>),
    /// Every object is known.
    Done,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            beat: Mutex::new(Instant::now()),
            start: Mutex::new(Start::NoCrd),
        }
    }
}

impl Health {
    fn start(&self) -> MutexGuard<'_, Start> {
        self.start.lock().unwrap_or_else(PoisonError::into_inner)
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
        *self.start() = Start::Listing(watches.into_iter().map(|watch| (watch, None)).collect());
    }

    /// A watch has completed its list.
    pub fn listed(&self, watch: &Watch) {
        if let Start::Listing(missing) = &mut *self.start() {
            missing.remove(watch);
        }
    }

    /// A watch fails: with this HTTP status, or `none`.
    pub fn failing(&self, watch: &Watch, code: &str, now: Timestamp) {
        if let Start::Listing(missing) = &mut *self.start()
            && let Some(failing) = missing.get_mut(watch)
        {
            let since = failing.as_ref().map_or(now, |(since, _)| *since);
            *failing = Some((since, code.into()));
        }
    }

    /// All objects are known and can be reconciled.
    pub fn filled(&self) {
        *self.start() = Start::Done;
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

    /// Whether the objects are known.
    ///
    /// # Errors
    /// What is missing, one line each.
    pub fn ready(&self) -> Result<(), String> {
        let missing = match &*self.start() {
            Start::Done => return Ok(()),
            Start::NoCrd => "waiting for the CRD of DocSpaceBackupSchedule".into(),
            Start::Listing(missing) if missing.is_empty() => {
                "all objects are listed; reconciles begin soon".into()
            }
            Start::Listing(missing) => {
                let lines: Vec<_> = missing.iter().map(line).collect();
                lines.join("\n")
            }
        };
        Err(missing)
    }
}

/// The cause of a failing watch is only in the log, because callers of a probe may have no right to read it.
fn line((watch, failing): (&Watch, &Option<(Timestamp, String)>)) -> String {
    match failing {
        None => format!("listing {watch}"),
        Some((since, code)) => {
            format!("the watch of {watch} has been failing since {since:.0} (HTTP status: {code})")
        }
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
        health.failing(&secrets, "403", first);
        assert_eq!(health.ready(), Ok(()));
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
