//! The end of a story: the disturbances end, everything settles, rests, and goes.

use std::{collections::VecDeque, sync::Arc};

use docspace_backup_operator::{
    api::{DeletionPolicy, DocSpaceBackupSchedule, condition},
    rules::decide::removed_by_portal::month,
};
use jiff::SignedDuration;

use super::{World, events::key_at};
use crate::{
    claims::{enforces, has_valid_key, owned, owners, slot_of, uid_of},
    settled::End,
    story::{Manifest, OBJECTS},
};

const HOUR: i64 = 3600;
/// One object's end may be what another one sees only at its next check, and that one's a third one's.
const MOST_ROUNDS: usize = 4;
/// How many calls a look makes on average at most, and how many looks a day the backups may cause.
const CALLS: f64 = 2.5;
const LOOKS_FOR_BACKUPS: f64 = 12.0;

/// How long an object takes to settle, in seconds, where objects are checked every so many hours: a stalled object is checked
/// at twice its interval, at most every 24 hours. Checks are spread by a tenth. The hour is for what is left: a lost write
/// (10 minutes), an accepted one that is not shown yet, and the check of others (a minute each).
fn settles_within(interval: i64) -> i64 {
    let stalled = (2 * interval).min(24);
    stalled * HOUR * 11 / 10 + HOUR
}

/// The longest way is that somebody changed a corrected schedule: a day later the correction may be repeated.
fn contest_ends_within(interval: i64) -> i64 {
    24 * HOUR + settles_within(interval)
}

impl World<'_> {
    /// Ends all disturbances, and waits until everything must have settled.
    pub fn settles(&mut self) -> Result<(), String> {
        self.calm();
        self.journal.calm.begin();
        let mut rounds = 0;
        loop {
            let changes = self.journal.calm.changes();
            self.pass_time(settles_within(self.interval()));
            if !self.refused("Contested").is_empty() {
                self.pass_time(contest_ends_within(self.interval()));
            }
            if self.journal.calm.changes() == changes || self.journal.wrong.is_some() {
                break;
            }
            rounds += 1;
            self.journal.at_most(MOST_ROUNDS, rounds, "rounds until it rests");
        }
        self.stop_if_wrong()?;
        self.journal.settles();
        self.judge();
        self.stop_if_wrong()
    }

    /// The longest interval.
    fn interval(&self) -> i64 {
        let intervals = self.manifests.iter().flatten().map(|manifest| manifest.interval);
        intervals.max().unwrap_or(1)
    }

    /// The objects whose Ready has this reason.
    fn refused(&self, reason: &str) -> Vec<Arc<DocSpaceBackupSchedule>> {
        let mut all = self.objects();
        all.retain(|object| {
            condition(object.status.as_ref(), "Ready").is_some_and(|ready| ready.reason == reason)
        });
        all
    }

    fn objects(&self) -> Vec<Arc<DocSpaceBackupSchedule>> {
        let keys = self.kubernetes.keys().into_iter();
        keys.filter_map(|key| self.kubernetes.get(&key)).collect()
    }

    fn calm(&mut self) {
        self.journal.tell(|| format!("{:.0} calm", self.now));
        self.quota = [0; 3];
        let installation = &mut self.installation;
        installation.troubles = [None; 2];
        installation.fates = Default::default();
        installation.shown = Default::default();
        installation.running = [None; 3];
        installation.next_read_fails = false;
        self.kubernetes.fates = VecDeque::new();
        self.with_operator(|operator, _| operator.crash = None);
    }

    fn judge(&mut self) {
        let operator = self.operator.as_ref().expect("a process");
        let end = End {
            kubernetes: &self.kubernetes,
            installation: &self.installation,
            journal: &self.journal,
            accepted: &operator.accepted,
        };
        let ends: Vec<_> = (0..OBJECTS.len()).map(|at| end.of(&key_at(at))).collect();
        for end in ends {
            match end {
                Ok(end) => self.journal.seen.count(format_args!("end {end}")),
                Err(wrong) => self.journal.fails(wrong),
            }
        }
    }

    /// Days in which nothing is written, to portals or to statuses: so many that each object is checked twice at least.
    pub fn rests(&mut self, days: i64) -> Result<(), String> {
        let hours = days * 24 + 22 * self.interval() / 10;
        self.journal
            .tell(|| format!("{:.0} {hours} hours of rest", self.now));
        // Where archives expire meanwhile, a write may become harmless; a new month allows a restoration.
        let mut spares = self.refused("WouldDeleteArchives");
        if self.month_ends_within(hours) {
            spares.extend(self.refused("RemovedByPortal"));
        }
        self.journal
            .calm
            .be_quiet(spares.iter().map(|object| slot_of(object)));
        let before = self.installation.calls;
        self.pass_time(hours * HOUR);
        self.stop_if_wrong()?;
        self.journal.rested(hours);
        self.judge_calls(self.installation.calls - before, hours as f64);
        self.judge();
        self.stop_if_wrong()
    }

    /// Whether a month ends, by any portal's clock.
    fn month_ends_within(&self, hours: i64) -> bool {
        const CLOCKS: i64 = 2;
        let months = [-CLOCKS, hours + CLOCKS].map(|at| month(self.now + SignedDuration::from_hours(at)));
        months[0] != months[1]
    }

    fn judge_calls(&mut self, calls: usize, hours: f64) {
        let looks =
            |manifest: &Manifest| hours / (0.9 * manifest.interval as f64) + LOOKS_FOR_BACKUPS * hours / 24.0;
        let expected: f64 = self.manifests.iter().flatten().map(looks).sum();
        let percent = 100.0 * calls as f64 / (CALLS * expected).max(1.0);
        self.journal
            .at_most(100, percent as usize, "percent of the allowed calls at rest");
    }

    /// All objects go: with them the schedules that they made, and no others.
    pub fn goes(&mut self) -> Result<(), String> {
        self.journal.tell(|| format!("{:.0} all objects go", self.now));
        let before: Vec<_> = (0..3).map(|slot| self.expects(slot)).collect();
        for at in 0..OBJECTS.len() {
            self.kubernetes.delete(&key_at(at), self.now);
        }
        self.pass_time(HOUR / 2);
        if !self.kubernetes.keys().is_empty() {
            let left = self.kubernetes.keys();
            self.journal.fails(format!("{left:?} are still there"));
        }
        for (slot, (held, expected)) in before.into_iter().enumerate() {
            let now = self.installation.text(slot);
            let is_right = match expected {
                Some(Left::Nothing) => now.is_none(),
                Some(Left::Same) => now == held,
                None => true,
            };
            if let Some(expected) = expected.filter(|_| held.is_some()) {
                let name = match expected {
                    Left::Nothing => "gone",
                    Left::Same => "foreign",
                };
                self.journal.seen.count(format_args!("end of a slot: {name}"));
            }
            if !is_right {
                self.journal.fails(format!(
                    "slot {slot} held {held:?} and holds {now:?} after all objects are gone"
                ));
            }
        }
        self.stop_if_wrong()
    }

    /// What the slot holds, and what must be left when all objects go.
    fn expects(&self, slot: usize) -> (Option<String>, Option<Left>) {
        let held = self.installation.held(slot);
        let text = self.installation.text(slot);
        let is_ours = |text: &String| self.journal.is_of_anybody(slot, text);
        let Some(holds) = held else {
            return (None, Some(Left::Same));
        };
        if !text.as_ref().is_some_and(is_ours) {
            return (text, Some(Left::Same));
        }
        let owners = owners(slot, &self.kubernetes);
        let may_delete = |owner: &DocSpaceBackupSchedule| {
            enforces(owner) && owner.spec.deletion_policy == DeletionPolicy::Delete
        };
        if !owners.iter().any(|owner| may_delete(owner)) {
            return (text, Some(Left::Same));
        }
        let deletes = owners.first().filter(|owner| {
            may_delete(owner)
                && owned(owner).is_some_and(|applied| holds.schedule.is_as_applied(&applied.schedule))
                && self
                    .journal
                    .is_of(uid_of(owner), slot, text.as_deref().unwrap_or_default())
                && has_valid_key(owner, &self.kubernetes, &self.installation)
        });
        (text, deletes.map(|_| Left::Nothing))
    }
}

/// What must be left in a slot.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// Nothing: it was ours.
    Nothing,
    /// What was there.
    Same,
}
