//! The state of the watches: which have completed their lists, and which fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};

/// A watch without a further failure for this long works again: failing ones are repeated twice a minute.
const FORGIVEN_AFTER: Duration = Duration::from_secs(120);

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

impl EncodeLabelSet for Watch {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), fmt::Error> {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        [("kind", self.kind), ("namespace", namespace)].encode(encoder)
    }
}

/// The state of the watches.
#[derive(Debug, Default)]
pub struct Watches {
    start: Start,
    /// All of them.
    known: BTreeSet<Watch>,
    /// Those that never completed a list.
    missing: BTreeSet<Watch>,
    failing: BTreeMap<Watch, Failing>,
}

/// The progress of the start.
#[derive(Debug, Default)]
enum Start {
    /// The cluster does not know the CRD yet.
    #[default]
    NoCrd,
    /// Waits for these watches to complete their lists.
    Listing(BTreeSet<Watch>),
    /// Every object is known that can be listed.
    Done,
}

/// A failing watch.
#[derive(Debug)]
struct Failing {
    since: Timestamp,
    /// The last failure: a watch that works again does not say so until something changes.
    last: Instant,
    /// The HTTP status, or `none`.
    code: String,
}

impl Failing {
    fn lasts(&self) -> bool {
        self.last.elapsed() < FORGIVEN_AFTER
    }

    /// Whether the API server refuses the request: the namespace is gone, or the right. Other failures concern all
    /// watches, and pass.
    fn is_refused(&self) -> bool {
        matches!(self.code.as_str(), "403" | "404")
    }
}

impl Watches {
    /// The CRD exists; these watches must complete their lists.
    pub fn lists(&mut self, watches: impl IntoIterator<Item = Watch>) {
        self.known = watches.into_iter().collect();
        self.missing = self.known.clone();
        self.start = Start::Listing(self.known.clone());
    }

    /// These watches must complete their lists once more; those that never did are not waited for again.
    pub fn lists_again(&mut self, watches: impl IntoIterator<Item = Watch>) {
        let again = watches.into_iter().filter(|watch| !self.missing.contains(watch));
        self.start = Start::Listing(again.collect());
    }

    /// A watch has completed its list.
    pub fn listed(&mut self, watch: &Watch) {
        self.missing.remove(watch);
        if let Start::Listing(awaited) = &mut self.start {
            awaited.remove(watch);
        }
    }

    /// A watch has received something; returns whether that is news.
    pub fn works(&mut self, watch: &Watch) -> bool {
        self.failing.remove(watch).is_some()
    }

    /// A watch fails: with this HTTP status, or `none`. Returns whether that is news.
    pub fn fails(&mut self, watch: &Watch, code: &str, now: Timestamp) -> bool {
        let before = self.failing.get(watch).filter(|failing| failing.lasts());
        let is_news = before.is_none_or(|failing| failing.code != code);
        let failing = Failing {
            since: before.map_or(now, |failing| failing.since),
            last: Instant::now(),
            code: code.into(),
        };
        self.failing.insert(watch.clone(), failing);
        is_news
    }

    /// All watches, and whether each fails.
    pub fn all(&self) -> Vec<(Watch, bool)> {
        let fails = |watch: &Watch| self.failing.get(watch).is_some_and(Failing::lasts);
        let all = self.known.iter().map(|watch| (watch.clone(), fails(watch)));
        all.collect()
    }

    /// Those that are waited for.
    pub fn awaited(&self) -> Vec<Watch> {
        match &self.start {
            Start::Listing(awaited) => awaited.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// All objects are known that can be listed, and can be reconciled.
    pub fn filled(&mut self) {
        self.start = Start::Done;
    }

    /// Whether the objects are known; one line for each watch that fails nevertheless.
    ///
    /// # Errors
    /// What is missing, one line each.
    pub fn ready(&self) -> Result<Vec<String>, String> {
        Err(match &self.start {
            Start::Done => return Ok(self.failures()),
            Start::NoCrd => "waiting for the CRD of DocSpaceBackupSchedule".into(),
            Start::Listing(awaited) if awaited.is_empty() => {
                "all objects are listed; reconciles begin soon".into()
            }
            Start::Listing(awaited) => {
                let lines: Vec<_> = awaited
                    .iter()
                    .map(|watch| line(watch, self.failing.get(watch)))
                    .collect();
                lines.join("\n")
            }
        })
    }

    /// Whether the wait for the lists is over; `impatient` if it has lasted long enough for those that the API server
    /// refuses.
    pub fn settled(&self, impatient: bool) -> bool {
        let Start::Listing(awaited) = &self.start else {
            return true;
        };
        let refused = |watch: &Watch| self.failing.get(watch).is_some_and(Failing::is_refused);
        awaited.is_empty() || impatient && awaited.iter().all(refused) && self.lists_a_namespace(awaited)
    }

    /// Whether there is a namespace whose watches have all completed their lists.
    fn lists_a_namespace(&self, awaited: &BTreeSet<Watch>) -> bool {
        let of_nothing: BTreeSet<_> = awaited
            .union(&self.missing)
            .map(|watch| &watch.namespace)
            .collect();
        self.known
            .iter()
            .any(|watch| !of_nothing.contains(&watch.namespace))
    }

    /// One line for each failing watch.
    fn failures(&self) -> Vec<String> {
        let lasting = self.failing.iter().filter(|(_, failing)| failing.lasts());
        lasting
            .map(|(watch, failing)| line(watch, Some(failing)))
            .collect()
    }
}

/// The cause of a failing watch is only in the log, because callers of a probe may have no right to read it.
fn line(watch: &Watch, failing: Option<&Failing>) -> String {
    match failing {
        None => format!("listing {watch}"),
        Some(Failing { since, code, .. }) => {
            format!("the watch of {watch} has been failing since {since:.0} (HTTP status: {code})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(namespace: &str) -> Watch {
        Watch {
            kind: "objects",
            namespace: Some(namespace.into()),
        }
    }

    fn fails(watches: &mut Watches, namespace: &str, code: &str) {
        watches.fails(&watch(namespace), code, Timestamp::now());
    }

    /// Of three namespaces, a is listed.
    fn a_of_three() -> Watches {
        let mut watches = Watches::default();
        watches.lists(["a", "b", "c"].map(watch));
        watches.listed(&watch("a"));
        watches
    }

    #[test]
    fn only_refused_lists_are_given_up_and_only_after_a_while() {
        let mut watches = a_of_three();
        fails(&mut watches, "b", "403");
        assert!(!watches.settled(true), "c is still being listed");
        fails(&mut watches, "c", "500");
        assert!(!watches.settled(true), "c may follow");
        fails(&mut watches, "c", "404");
        assert!(!watches.settled(false));
        assert!(watches.settled(true));
        assert_eq!(watches.awaited(), ["b", "c"].map(watch));
        watches.listed(&watch("b"));
        watches.listed(&watch("c"));
        assert!(watches.settled(false));
    }

    #[test]
    fn a_new_leader_waits_for_those_that_were_listed_once() {
        let mut watches = a_of_three();
        fails(&mut watches, "b", "403");
        watches.listed(&watch("c"));
        assert!(watches.settled(true));
        watches.lists_again(["a", "b", "c"].map(watch));
        assert_eq!(watches.awaited(), ["a", "c"].map(watch));
        watches.listed(&watch("a"));
        assert!(!watches.settled(true));
        watches.listed(&watch("c"));
        assert!(watches.settled(false));
    }

    #[test]
    fn it_waits_while_no_namespace_is_listed() {
        let mut watches = Watches::default();
        let secrets = Watch {
            kind: "Secrets",
            ..watch("a")
        };
        watches.lists([watch("a"), secrets.clone()]);
        watches.listed(&watch("a"));
        watches.fails(&secrets, "403", Timestamp::now());
        assert!(!watches.settled(true));
        watches.listed(&secrets);
        watches.lists_again([watch("a")]);
        fails(&mut watches, "a", "403");
        assert!(!watches.settled(true));
    }

    #[test]
    fn a_failure_is_news_once() {
        let (mut watches, now) = (a_of_three(), Timestamp::now());
        assert!(watches.fails(&watch("a"), "403", now));
        assert!(!watches.fails(&watch("a"), "403", now));
        assert!(watches.fails(&watch("a"), "none", now));
        let failing: Vec<_> = watches.all().into_iter().map(|(_, fails)| fails).collect();
        assert_eq!(failing, [true, false, false]);
        assert!(watches.works(&watch("a")) && !watches.works(&watch("a")));
        assert!(watches.fails(&watch("a"), "none", now));
    }
}
