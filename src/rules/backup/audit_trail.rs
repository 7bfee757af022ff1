//! Backup runs in the audit trail, and which archives a person made.

use jiff::{SignedDuration, Timestamp};

use crate::portal::Archive;

/// The longest time between the end of a run in the trail and its archive: the trail is written with a delay.
pub const SAME_RUN: SignedDuration = SignedDuration::from_mins(15);

/// Times in ascending order, so that those about a time are found without a walk through all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(Vec<Timestamp>);

impl FromIterator<Timestamp> for Times {
    fn from_iter<I: IntoIterator<Item = Timestamp>>(times: I) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

impl Times {
    /// The last one.
    pub fn last(&self) -> Option<Timestamp> {
        self.0.last().copied()
    }

    /// The first one at or after this time.
    fn first_from(&self, time: Timestamp) -> Option<Timestamp> {
        self.0.get(self.first_at(time)).copied()
    }

    /// How far the nearest one is from this time.
    fn apart(&self, time: Timestamp) -> Option<SignedDuration> {
        let at = self.first_at(time);
        let around = self.0.get(at.saturating_sub(1)..)?.iter().take(2);
        around.map(|near| near.duration_since(time).abs()).min()
    }

    fn first_at(&self, time: Timestamp) -> usize {
        self.0.partition_point(|other| *other < time)
    }
}

/// Backup runs in the audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditTrail {
    /// The time from which on it was read; `None` for all of it.
    pub from: Option<Timestamp>,
    /// Starts of manual runs.
    pub manual_started: Times,
    /// Successful ends of manual runs.
    pub manual_completed: Times,
    /// Failures of manual runs.
    pub manual_failed: Times,
    /// Successful ends of scheduled runs.
    pub completed: Times,
    /// Failures of scheduled runs.
    pub failed: Times,
}

impl AuditTrail {
    /// Whether a manual run started or ended about this time or later.
    pub fn manual_about(&self, time: Timestamp) -> bool {
        let all = [&self.manual_started, &self.manual_completed, &self.manual_failed];
        let last = all.into_iter().filter_map(Times::last).max();
        last.is_some_and(|last| time.duration_since(last) <= SAME_RUN)
    }

    /// Whether a manual run was running when a scheduled one was queued, or began before the worker started that one.
    pub fn manual_at(&self, queued: Timestamp) -> bool {
        let started = &self.manual_started.0;
        let before = started.partition_point(|time| time.duration_since(queued) <= SAME_RUN);
        started[..before].last().is_some_and(|started| {
            let ends = [&self.manual_completed, &self.manual_failed];
            let end = ends
                .into_iter()
                .filter_map(|ends| ends.first_from(*started))
                .min();
            end.is_none_or(|end| end >= queued)
        })
    }

    /// Whether it holds the end of the run that made the archive, if that event has been written.
    pub fn covers(&self, archive: &Archive) -> bool {
        self.from
            .is_none_or(|from| archive.created_on.duration_since(from) > SAME_RUN)
    }

    /// Whether a person made the archive: the nearest end of a run is that of a manual one.
    pub fn is_manual(&self, archive: &Archive) -> bool {
        let nearest = |ends: &Times| {
            let apart = ends.apart(archive.created_on);
            apart.filter(|apart| *apart <= SAME_RUN)
        };
        match (nearest(&self.manual_completed), nearest(&self.completed)) {
            (Some(manual), Some(scheduled)) => manual < scheduled,
            (manual, _) => manual.is_some(),
        }
    }
}
