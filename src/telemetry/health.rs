//! Whether the program is alive, and whether it is ready: what the probes tell.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::time::sleep;

/// The main loop tells this often that it turns,
const BEAT: Duration = Duration::from_secs(1);
/// and counts as hanging when it has not for this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A watch, by what it watches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch {
    /// What is watched, in the plural.
    pub kind: &'static str,
    /// Where; `None` for all namespaces.
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

/// What is known of the program's own state.
#[derive(Debug)]
pub struct Health {
    beat: Mutex<Instant>,
    start: Mutex<Start>,
}

/// How far the start has come.
#[derive(Debug)]
enum Start {
    /// The cluster does not know the CRD yet.
    NoCrd,
    /// The watches whose first list is not complete yet, and since when and how they fail, where they do.
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

    /// Does the main work, and notes that it goes on: what hangs there, hangs this.
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

    /// The CRD is there; these watches have to list what there is.
    pub fn lists(&self, watches: impl IntoIterator<Item = Watch>) {
        *self.start() = Start::Listing(watches.into_iter().map(|watch| (watch, None)).collect());
    }

    /// A watch has listed all that it watches.
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

    /// Every object is known, and can be worked on.
    pub fn filled(&self) {
        *self.start() = Start::Done;
    }

    /// Whether the main loop turns.
    ///
    /// # Errors
    /// Since when it does not.
    pub fn alive(&self, now: Instant) -> Result<(), String> {
        let beat = *self.beat.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = now.saturating_duration_since(beat);
        if silent < PATIENCE {
            Ok(())
        } else {
            Err(format!("the main loop has not turned for {} s", silent.as_secs()))
        }
    }

    /// Whether the objects are known.
    ///
    /// # Errors
    /// What is missing, a line each.
    pub fn ready(&self) -> Result<(), String> {
        let missing = match &*self.start() {
            Start::Done => return Ok(()),
            Start::NoCrd => "waiting for the CRD of DocSpaceBackupSchedule".into(),
            Start::Listing(missing) if missing.is_empty() => "all is listed; about to begin".into(),
            Start::Listing(missing) => {
                let lines: Vec<_> = missing.iter().map(line).collect();
                lines.join("\n")
            }
        };
        Err(missing)
    }
}

/// Why a watch fails is in the log; who asks a probe need not be who may read that.
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
            Err("the main loop has not turned for 30 s".into())
        );
    }
}
