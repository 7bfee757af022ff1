//! Backup runs in the audit trail, and which archives a person made.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::portal::Archive;

/// The longest time between the end of a run in the trail and its archive: the trail is written with a delay.
pub const SAME_RUN: SignedDuration = SignedDuration::from_mins(15);

/// Backup runs in the audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditTrail {
    /// The time from which on it was read; `None` for all of it.
    pub from: Option<Timestamp>,
    /// Starts of manual runs.
    pub manual_started: BTreeSet<Timestamp>,
    /// Successful ends of manual runs.
    pub manual_completed: BTreeSet<Timestamp>,
    /// Failures of manual runs.
    pub manual_failed: BTreeSet<Timestamp>,
    /// Successful ends of scheduled runs.
    pub completed: BTreeSet<Timestamp>,
    /// Failures of scheduled runs.
    pub failed: BTreeSet<Timestamp>,
}

impl AuditTrail {
    /// Whether a manual run started or ended about this time or later.
    pub fn manual_about(&self, time: Timestamp) -> bool {
        let all = [&self.manual_started, &self.manual_completed, &self.manual_failed];
        let newest = all.into_iter().filter_map(BTreeSet::last);
        newest.max().is_some_and(|event| *event >= time - SAME_RUN)
    }

    /// Whether a manual run was running when a scheduled one was queued, or began before the worker started that one.
    pub fn manual_at(&self, queued: Timestamp) -> bool {
        let started = self
            .manual_started
            .iter()
            .filter(|time| time.duration_since(queued) <= SAME_RUN);
        started.max().is_some_and(|started| {
            let ends = self.manual_completed.iter().chain(&self.manual_failed);
            let end = ends.filter(|end| *end >= started).min();
            end.is_none_or(|end| *end >= queued)
        })
    }

    /// Whether it holds the end of the run that made the archive, if that event has been written.
    pub fn covers(&self, archive: &Archive) -> bool {
        self.from
            .is_none_or(|from| archive.created_on.duration_since(from) > SAME_RUN)
    }

    /// Whether a person made the archive: the nearest end of a run is that of a manual one.
    pub fn is_manual(&self, archive: &Archive) -> bool {
        let made = archive.created_on;
        let nearest = |ends: &BTreeSet<Timestamp>| {
            let around = [ends.range(..made).next_back(), ends.range(made..).next()];
            let apart = around
                .into_iter()
                .flatten()
                .map(|end| end.duration_since(made).abs());
            apart.min().filter(|apart| *apart <= SAME_RUN)
        };
        match (nearest(&self.manual_completed), nearest(&self.completed)) {
            (Some(manual), Some(scheduled)) => manual < scheduled,
            (manual, _) => manual.is_some(),
        }
    }
}
