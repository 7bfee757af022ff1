//! The end of a story: the disturbances end, everything settles, rests for a week, and goes.

use std::collections::VecDeque;

use super::{World, events::key_at};
use crate::{
    claims::{enforces, oldest_owner, owned, uid_of},
    settled::End,
    story::OBJECTS,
};

const HOUR: i64 = 3600;
/// How many looks an object may need after the last disturbance, those at which it waits for a quiet day aside.
const MOST_LOOKS: usize = 40;

/// How long everything takes to settle, in seconds, where objects are checked every so many hours: the longest way is that
/// somebody changed a corrected schedule. A check sees it; a day later the correction may be repeated; a stalled object is
/// checked at twice its interval, at most every 24 hours. Checks are spread by a tenth. The hour is for what is left: a lost
/// write (10 minutes), an accepted one that is not shown yet, and the check of others (a minute each).
fn settles_within(interval: i64) -> i64 {
    let stalled = (2 * interval).min(24);
    (24 + 1) * HOUR + (interval + stalled) * HOUR * 11 / 10
}

impl World<'_> {
    /// Ends all disturbances, and waits until everything must have settled.
    pub fn settles(&mut self) -> Result<(), String> {
        self.calm();
        self.journal.looks.clear();
        let intervals = self.manifests.iter().flatten().map(|manifest| manifest.interval);
        self.pass_time(settles_within(intervals.max().unwrap_or(1)));
        self.stop_if_wrong()?;
        for (uid, (_, last)) in self.journal.looks.clone() {
            self.journal.seen.most_looks = self.journal.seen.most_looks.max(last);
            if last > MOST_LOOKS {
                self.journal
                    .fails(format!("{uid} still changes after {last} looks"));
            }
        }
        self.judge();
        self.stop_if_wrong()
    }

    fn calm(&mut self) {
        self.journal.tell(format!("{:.0} calm", self.now));
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

    /// Days in which nothing is written, to portals or to statuses.
    pub fn rests(&mut self, days: i64) -> Result<(), String> {
        self.journal.tell(format!("{:.0} {days} days of rest", self.now));
        let is_refused = |at: &usize| {
            let object = self.kubernetes.get(&key_at(*at));
            let status = object.as_ref().and_then(|object| object.status.as_ref());
            let ready = docspace_backup_operator::api::condition(status, "Ready");
            ready.is_some_and(|ready| ready.reason == "WouldDeleteArchives")
        };
        // Where archives expire meanwhile, a write may become harmless.
        let open = (0..OBJECTS.len()).filter(is_refused);
        let open = open.filter_map(|at| Some(self.manifests[at]?.slot()));
        self.journal.quiet = Some(open.collect());
        self.pass_time(days * 24 * HOUR);
        self.stop_if_wrong()?;
        self.judge();
        self.stop_if_wrong()
    }

    /// All objects go: with them the schedules that they made, and no others.
    pub fn goes(&mut self) -> Result<(), String> {
        self.journal.tell(format!("{:.0} all objects go", self.now));
        self.journal.quiet = None;
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
        let owner = oldest_owner(slot, &self.kubernetes);
        let deletes = owner.filter(|owner| {
            enforces(owner)
                && owner.spec.deletion_policy == Default::default()
                && owned(owner).is_some_and(|applied| holds.schedule.is_as_applied(&applied.schedule))
                && self
                    .journal
                    .is_of(uid_of(owner), slot, text.as_deref().unwrap_or_default())
                && self.has_valid_key(owner)
        });
        (text, deletes.map(|_| Left::Nothing))
    }

    fn has_valid_key(&self, object: &docspace_backup_operator::api::DocSpaceBackupSchedule) -> bool {
        let portal = usize::from(object.spec.portal.api_key_secret_ref.name != "key-0");
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let key = self.kubernetes.key(namespace, portal);
        key.is_some_and(|(number, _)| self.installation.accepts(portal, number))
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
