//! What is known of names for a while.

use std::{
    collections::HashMap,
    net::IpAddr,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::portal::names::question::{Found, Unresolved};

/// How long addresses are known: as long as DNS says, within these limits. It is short, because pods move.
const FOUND: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(30);
/// How long it is known that there are none, or that DNS did not answer.
const UNRESOLVED: Duration = Duration::from_secs(10);
/// So many names are known, whosever they are. What is forgotten early costs one more question.
const NAMES: usize = 2_048;

/// The result of a look-up; cheap to clone.
pub type Outcome = Result<Arc<[IpAddr]>, Unresolved>;

/// What is known of a name.
#[derive(Clone, Debug)]
pub enum Known {
    /// It is being looked up; the outcome follows.
    Asked(watch::Receiver<Option<Outcome>>),
    /// It was looked up.
    Told(Outcome),
}

impl Known {
    /// Waits for it, if need be.
    pub async fn outcome(self) -> Outcome {
        let mut asked = match self {
            Self::Told(outcome) => return outcome,
            Self::Asked(asked) => asked,
        };
        let told = asked.wait_for(Option::is_some).await;
        // Without an outcome, the look-up broke off.
        let outcome = told.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or(Err(Unresolved::NoAnswer))
    }
}

/// What is known of names.
#[derive(Debug, Default)]
pub struct Memory {
    asked: HashMap<Arc<str>, watch::Receiver<Option<Outcome>>>,
    told: HashMap<Arc<str>, (Outcome, Instant)>,
}

impl Memory {
    /// What is known of a name at this time.
    pub fn get(&self, name: &str, now: Instant) -> Option<Known> {
        if let Some((outcome, _)) = self.told.get(name).filter(|(_, until)| now < *until) {
            return Some(Known::Told(outcome.clone()));
        }
        // A look-up that ended without an outcome is none.
        let asked = self.asked.get(name).filter(|asked| asked.has_changed().is_ok());
        asked.cloned().map(Known::Asked)
    }

    /// Notes that a name is being looked up.
    pub fn ask(&mut self, name: Arc<str>, outcome: watch::Receiver<Option<Outcome>>) {
        self.asked.insert(name, outcome);
    }

    /// Keeps what a look-up found.
    pub fn tell(&mut self, name: &Arc<str>, found: Result<Found, Unresolved>, now: Instant) -> Outcome {
        self.asked.remove(name);
        let (outcome, ttl) = match found {
            Ok(found) => (
                Ok(found.addresses.into()),
                found.ttl.clamp(*FOUND.start(), *FOUND.end()),
            ),
            Err(unresolved) => (Err(unresolved), UNRESOLVED),
        };
        self.make_room(now);
        self.told.insert(name.clone(), (outcome.clone(), now + ttl));
        outcome
    }

    /// Forgets what is too old, and then what would be so next.
    fn make_room(&mut self, now: Instant) {
        if self.told.len() < NAMES {
            return;
        }
        self.told.retain(|_, (_, until)| now < *until);
        if self.told.len() < NAMES {
            return;
        }
        let next = self.told.iter().min_by_key(|(_, (_, until))| *until);
        if let Some(name) = next.map(|(name, _)| name.clone()) {
            self.told.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(seconds: u64) -> Result<Found, Unresolved> {
        Ok(Found {
            addresses: vec![[10, 0, 0, 1].into()],
            ttl: Duration::from_secs(seconds),
        })
    }

    #[test]
    fn addresses_are_known_as_long_as_dns_says_within_limits() {
        let start = Instant::now();
        for (outcome, known) in [
            (found(0), 5),
            (found(12), 12),
            (found(86_400), 30),
            (found(u64::from(u32::MAX)), 30),
            (Err(Unresolved::NoSuchName), 10),
            (Err(Unresolved::NoAnswer), 10),
        ] {
            let mut memory = Memory::default();
            _ = memory.tell(&"portal".into(), outcome.clone(), start);
            let at = |seconds| {
                memory
                    .get("portal", start + Duration::from_secs(seconds))
                    .is_some()
            };
            assert!(at(known - 1) && !at(known), "{outcome:?}");
        }
    }

    #[test]
    fn a_look_up_that_broke_off_is_forgotten() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let (told, outcome) = watch::channel(None);
        memory.ask("portal".into(), outcome);
        assert!(matches!(memory.get("portal", now), Some(Known::Asked(_))));
        drop(told);
        assert!(memory.get("portal", now).is_none());
    }

    #[test]
    fn only_so_many_names_are_known() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        _ = memory.tell(&"first".into(), found(30), start);
        _ = memory.tell(&"second".into(), found(29), start);
        for number in 0..NAMES + 100 {
            let name = format!("name-{number}");
            _ = memory.tell(&name.as_str().into(), Err(Unresolved::NoAnswer), start);
            assert!(memory.told.len() <= NAMES);
        }
        assert!(memory.get("first", start).is_some() && memory.get("second", start).is_some());
        // What is too old makes room at once.
        _ = memory.tell(&"new".into(), found(30), start + Duration::from_secs(15));
        assert_eq!(memory.told.len(), 3);
        assert!(memory.asked.is_empty());
    }
}
