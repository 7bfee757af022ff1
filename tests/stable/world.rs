//! The course of a story: events, time, and the operator between them.

mod ending;
mod events;

use std::time::Instant;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::runtime::Runtime;

use crate::{
    in_process::{ArchiveSeed, HOSTS, Manifest as Base, Portals, SLOTS, Terms},
    installation::Installation,
    journal::Journal,
    kubernetes::Kubernetes,
    operator::{Operator, Stopped, There},
    seen::Seen,
    story::{Manifest, Story},
};

/// When the portal makes backups and cleans up: minutes after midnight (UTC), soon after the hours of the schedules.
const PASSES: [i64; 2] = [7, 67];

/// A story under way.
pub struct World<'a> {
    kubernetes: Kubernetes,
    installation: Installation<'a>,
    journal: Journal,
    operator: Option<Operator>,
    now: Timestamp,
    epoch: (Instant, Timestamp),
    chance: u64,
    manifests: [Option<Manifest>; 4],
    requests: usize,
    /// How often the portal removes each slot's schedule when it is due.
    quota: [u8; 3],
}

impl<'a> World<'a> {
    /// The beginning of a story.
    pub fn new(story: &Story, runtime: &'a Runtime, tells: bool) -> Self {
        let noon: Timestamp = "2026-11-01T12:00:00Z".parse().expect("a time");
        let now = noon + SignedDuration::from_hours(24 * story.day);
        let installation = Installation {
            portals: Portals::new(runtime, story.postgresql, now),
            troubles: [None; 2],
            fates: Default::default(),
            late: Vec::new(),
            shown: Default::default(),
            running: [None; 3],
            keys: [0; 2],
            ahead: Default::default(),
            clocks_move: false,
            deletions: Vec::new(),
            trail: story.trail,
            next_read_fails: false,
            calls: 0,
        };
        let mut world = Self {
            kubernetes: Kubernetes::new(),
            installation,
            journal: Journal::default(),
            operator: None,
            now,
            epoch: (Instant::now(), now),
            chance: story.chance,
            manifests: [None; 4],
            requests: 0,
            quota: [0; 3],
        };
        world.journal.tells = tells;
        world.restart();
        for (slot, content) in story.slots.iter().enumerate() {
            if let Some(terms) = content.schedule {
                world.somebody_posts(slot, terms);
            }
            world.archives_appear(slot, &content.archives);
        }
        for (at, manifest) in story.objects.iter().enumerate() {
            if let Some(manifest) = manifest {
                world.create(at, *manifest);
                world.pass_time(1);
            }
        }
        world
    }

    /// Tells the whole story.
    ///
    /// # Errors
    /// The story so far, if a property does not hold.
    pub fn tell(mut self, story: &Story) -> Result<Seen, String> {
        self.journal
            .tell(|| format!("PostgreSQL {}, audit trail {}", story.postgresql, story.trail));
        for step in &story.steps {
            if let Some((slot, fate)) = step.fate {
                self.journal
                    .tell(|| format!("The next write to slot {slot} is {fate:?}"));
                self.installation.fates[slot].push_back(fate);
            }
            self.happens(&step.edit);
            self.pass_time(step.wait);
            self.stop_if_wrong()?;
        }
        self.settles()?;
        self.rests(story.rest)?;
        self.goes()?;
        let mut seen = self.journal.seen;
        (seen.stories, seen.calls) = (1, self.installation.calls);
        Ok(seen)
    }

    fn stop_if_wrong(&mut self) -> Result<(), String> {
        match self.journal.wrong.take() {
            None => Ok(()),
            Some(wrong) => {
                let told = self.journal.told.join("\n");
                Err(format!("a story with a bad end:\n{told}\n{wrong}"))
            }
        }
    }

    /// Starts a new process, which knows nothing but what Kubernetes and the portals tell.
    fn restart(&mut self) {
        let process = self.operator.take().map_or(1, |ended| ended.process + 1);
        self.journal.process = process;
        let (chance, epoch) = (self.chance, self.epoch);
        self.operator = Some(Operator::start(process, chance, epoch, &mut self.there().1));
    }

    fn there(&mut self) -> (Option<&mut Operator>, There<'_, 'a>) {
        let there = There {
            kubernetes: &mut self.kubernetes,
            installation: &mut self.installation,
            journal: &mut self.journal,
            now: self.now,
        };
        (self.operator.as_mut(), there)
    }

    /// The operator, and what is around it.
    fn with_operator<T>(&mut self, work: impl FnOnce(&mut Operator, &mut There<'_, 'a>) -> T) -> T {
        let (operator, mut there) = self.there();
        work(operator.expect("a process"), &mut there)
    }

    /// Lets so many seconds pass; the operator, the portals and late writes do what is due.
    fn pass_time(&mut self, seconds: i64) {
        let end = self.now + SignedDuration::from_secs(seconds);
        // Nothing may keep it busy for ever.
        const MOST: usize = 5_000;
        for _ in 0..MOST {
            self.with_operator(|operator, there| operator.hear(there));
            let next = self.with_operator(|operator, _| operator.next());
            let late = self.installation.late.iter().map(|late| late.at).min();
            let pass = next_pass(self.now);
            let first = [next.as_ref().map(|(due, _)| *due), late, Some(pass)];
            let first = first.into_iter().flatten().min().unwrap_or(end);
            if first > end || self.journal.wrong.is_some() {
                self.set_time(end);
                return;
            }
            self.set_time(first);
            if late == Some(first) {
                self.a_late_write_lands();
            } else if pass == first {
                self.portals_pass();
            } else if let Some((_, key)) = next {
                let done = self.with_operator(|operator, there| operator.reconcile(&key, there));
                if let Err(Stopped::Crashed) = done {
                    self.journal.tell(|| "    the operator ends".into());
                    self.restart();
                }
            }
        }
        self.journal
            .fails(format!("{MOST} reconciles in {seconds} seconds"));
    }

    fn set_time(&mut self, now: Timestamp) {
        self.now = now.max(self.now);
        self.installation.portals.set_time(self.now);
    }

    /// The portals make the backups that are due, or remove their schedules.
    fn portals_pass(&mut self) {
        for (slot, of) in SLOTS.into_iter().enumerate() {
            if self.quota[slot] > 0 && self.installation.portals.is_due(of) {
                self.quota[slot] -= 1;
                self.journal
                    .tell(|| format!("{:.0} the portal removes slot {slot}", self.now));
                self.journal.seen.count("the portal removes a schedule");
                self.journal.overtaken(slot);
                self.journal.removed(slot);
                self.installation.remove(slot, false);
            }
        }
        self.installation.portals.pass();
    }

    fn a_late_write_lands(&mut self) {
        let late = &mut self.installation.late;
        late.sort_by_key(|late| late.at);
        let late = late.remove(0);
        let slot = if late.schedule.dump { 2 } else { late.portal };
        self.journal.seen.count("a late write lands");
        self.journal
            .tell(|| format!("    a late write lands in slot {slot}"));
        self.installation.portals.post(late.portal, &late.schedule);
        self.journal.landed(slot, &late.schedule);
    }

    fn somebody_posts(&mut self, slot: usize, terms: Terms) {
        let (portal, dump) = SLOTS[slot];
        let theirs = Base {
            terms,
            dump,
            ..base_of_a_person()
        };
        let theirs = theirs.wanted();
        self.journal.tell(|| {
            format!(
                "Somebody writes to slot {slot} ({}): {}",
                HOSTS[portal],
                crate::installation::text(&theirs)
            )
        });
        self.journal.overtaken(slot);
        self.installation.portals.post(portal, &theirs);
    }

    fn archives_appear(&mut self, slot: usize, seeds: &[ArchiveSeed]) {
        for seed in seeds {
            self.installation.portals.add(SLOTS[slot], *seed);
        }
        if !seeds.is_empty() {
            self.journal
                .tell(|| format!("{} archives appear in slot {slot}", seeds.len()));
        }
    }
}

fn base_of_a_person() -> Base {
    Base {
        terms: Terms {
            number: 1,
            hour: 0,
            storage: 0,
            secret: 0,
        },
        dump: false,
        portal: 0,
        adoption: Default::default(),
        management: Default::default(),
        suspend: false,
    }
}

/// The next time when the portal makes backups.
fn next_pass(now: Timestamp) -> Timestamp {
    let midnight = TimeZone::UTC.to_datetime(now).date();
    let midnight = TimeZone::UTC
        .to_timestamp(midnight.at(0, 0, 0, 0))
        .expect("a day");
    let today = PASSES.map(|minutes| midnight + SignedDuration::from_mins(minutes));
    let tomorrow = today[0] + SignedDuration::from_hours(24);
    today.into_iter().find(|pass| *pass > now).unwrap_or(tomorrow)
}
