//! What the audit trail tells of runs, and which archives are a person's.

use jiff::{SignedDuration, Timestamp};

use crate::portal::Archive;

/// An event of a run's end and the archive that it made are no further apart: the trail is written with a delay.
pub const SAME_RUN: SignedDuration = SignedDuration::from_mins(15);

/// What the audit trail tells of runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Runs that a person started: when they started, and when they ended well or not.
    pub manual_started: Vec<Timestamp>,
    /// Of these, ended well.
    pub manual_completed: Vec<Timestamp>,
    /// Of these, failed.
    pub manual_failed: Vec<Timestamp>,
    /// Scheduled runs that ended well.
    pub completed: Vec<Timestamp>,
    /// Scheduled runs that failed.
    pub failed: Vec<Timestamp>,
}

impl Trail {
    /// A person's run started or ended about this time or later.
    pub fn manual_about(&self, time: Timestamp) -> bool {
        let all = [&self.manual_started, &self.manual_completed, &self.manual_failed];
        all.into_iter().flatten().any(|event| *event >= time - SAME_RUN)
    }

    /// A person's run was under way when one was queued, or began before the worker came to that.
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

    /// Whether a person made the archive: the nearest end of a run is a manual one's.
    pub fn is_manual(&self, archive: &Archive) -> bool {
        let nearest = |ends: &[Timestamp]| {
            let apart = ends
                .iter()
                .map(|end| end.duration_since(archive.created_on).abs());
            apart.min().filter(|apart| *apart <= SAME_RUN)
        };
        match (nearest(&self.manual_completed), nearest(&self.completed)) {
            (Some(manual), Some(scheduled)) => manual < scheduled,
            (manual, _) => manual.is_some(),
        }
    }
}
