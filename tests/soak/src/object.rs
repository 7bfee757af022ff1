//! An object with its portal, and what has happened to it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, condition};
use simulated_portal::{ApiKey, Portal, SimulatedPortal, Tenant};
use tokio::time::Instant;

use crate::{judge::SETTLES_WITHIN, samples::Span};

/// The conditions that are True while an object is in order. Ready alone stays True for an hour of failed looks.
const IN_ORDER: [&str; 3] = ["Ready", "CredentialsValid", "Synced"];

/// An object, its Secret and its portal.
pub struct Object {
    /// Name of the object; the Secret has the same.
    pub name: String,
    /// The shard that it belongs to.
    pub shard: &'static str,
    /// Its portal.
    pub portal: Portal,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// All that its Secret ever held; the last one is valid.
    keys: Vec<String>,
    /// Something is done to it right now.
    is_taken: bool,
    /// Until then its last write may be lost, and is not repeated.
    loses_until: Option<Instant>,
    /// Its portal's failures that a call met.
    failures_met: usize,
    /// The changes of its schedule, with each creation.
    changes: usize,
    /// Its portal works again, but the object is not yet in order.
    recovers_from: Option<Healed>,
    /// Earlier failures, and how long the object then took to be in order.
    recovered: Vec<(Healed, Duration)>,
}

/// The end of a failure of a portal.
#[derive(Clone, Copy)]
struct Healed {
    at: Instant,
    refused: bool,
}

/// The time from the end of a portal's failure until its object was in order.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Name of the object.
    pub object: String,
    /// Its shard.
    pub shard: &'static str,
    /// The portal refused the key. Otherwise the failure was one that passes.
    pub refused: bool,
    /// Whether the object is in order. Otherwise the time is that so far.
    pub is_over: bool,
    /// When, since the start of the run, and how long.
    pub span: Span,
}

/// An object that nobody else may touch while this lives.
pub struct Taken(pub Arc<Object>);

impl Taken {
    /// Takes the object, if nothing is done to it now and its portal's last failure is over.
    pub fn of(object: &Arc<Object>) -> Option<Self> {
        let mut state = object.state.lock().unwrap();
        let loses = state.loses_until.is_some_and(|until| Instant::now() < until);
        let fits = !state.is_taken && !loses && state.recovers_from.is_none();
        state.is_taken |= fits;
        fits.then(|| Self(object.clone()))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().is_taken = false;
    }
}

impl Object {
    /// The object with this number, whose portal is on the server.
    pub fn new(number: usize, server: &SimulatedPortal) -> Self {
        let portal = server.add_tenant(Tenant::at(&format!("portal-{number:05}.test")));
        let state = State {
            keys: vec![portal.issue_key(ApiKey::named("soak"))],
            ..State::default()
        };
        Self {
            name: format!("object-{number:05}"),
            shard: if number.is_multiple_of(2) { "a" } else { "b" },
            portal,
            state: Mutex::new(state),
        }
    }

    /// All keys that ever were in its Secret.
    pub fn keys(&self) -> Vec<String> {
        self.state.lock().unwrap().keys.clone()
    }

    /// Records that its Secret has a new key, and revokes the old one.
    pub fn rotated(&self, key: String) {
        let keys = &mut self.state.lock().unwrap().keys;
        keys.push(key);
        self.portal.revoke_key(&keys[keys.len() - 2]);
    }

    /// Records that its schedule is changed or created.
    pub fn changed(&self) {
        self.state.lock().unwrap().changes += 1;
    }

    /// The changes of its schedule, with each creation.
    pub fn changes(&self) -> usize {
        self.state.lock().unwrap().changes
    }

    /// Records that its next write may be lost.
    pub fn loses_a_write(&self) {
        self.state.lock().unwrap().loses_until = Some(Instant::now() + SETTLES_WITHIN);
    }

    /// Records that its portal works again, and whether a call met the failure.
    pub fn healed(&self, refused: bool, met: bool) {
        let mut state = self.state.lock().unwrap();
        state.failures_met += usize::from(met);
        let at = Instant::now();
        state.recovers_from = Some(Healed { at, refused });
    }

    /// Its portal's failures that a call met.
    pub fn failures_met(&self) -> usize {
        self.state.lock().unwrap().failures_met
    }

    /// Records what the API server shows of it.
    pub fn shown(&self, shown: &DocSpaceBackupSchedule) {
        if !self.is_in_order(shown) {
            return;
        }
        let mut state = self.state.lock().unwrap();
        if let Some(healed) = state.recovers_from.take() {
            state.recovered.push((healed, healed.at.elapsed()));
        }
    }

    /// Its recoveries, also one that is not over.
    pub fn recoveries(&self, start: Instant) -> Vec<Recovery> {
        let state = self.state.lock().unwrap();
        let recovery = |healed: Healed, took: Option<Duration>| Recovery {
            object: self.name.clone(),
            shard: self.shard,
            refused: healed.refused,
            is_over: took.is_some(),
            span: Span {
                at: healed.at - start,
                took: took.unwrap_or_else(|| healed.at.elapsed()),
            },
        };
        let over = state
            .recovered
            .iter()
            .map(|(healed, took)| (*healed, Some(*took)));
        let open = state.recovers_from.map(|healed| (healed, None));
        over.chain(open)
            .map(|(healed, took)| recovery(healed, took))
            .collect()
    }

    /// Whether it is Ready as its spec is now, its last look succeeded with a valid key, and its portal holds what it
    /// says.
    pub fn is_in_order(&self, shown: &DocSpaceBackupSchedule) -> bool {
        self.trouble(shown).is_none()
    }

    /// Why it is not in order.
    pub fn trouble(&self, shown: &DocSpaceBackupSchedule) -> Option<String> {
        for kind in IN_ORDER {
            let Some(found) = condition(shown.status.as_ref(), kind) else {
                return Some(format!("no {kind}"));
            };
            if found.status != "True" || found.observed_generation != shown.metadata.generation {
                return Some(format!(
                    "{kind}={} {} {}",
                    found.status, found.reason, found.message
                ));
            }
        }
        let wanted = format!("0 0 {} ? * *", shown.spec.cron_params.hour);
        match self.portal.schedule(false) {
            Some(held) if held.cron == wanted => None,
            Some(held) => Some(format!("the portal holds {}, not {wanted}", held.cron)),
            None => Some("the portal holds no schedule".into()),
        }
    }
}
