//! The object, its portals, and the events in a story.

mod operator;

use docspace_backup_operator::{
    api::{Applied, AppliedReason, Tally},
    schedule::Schedule,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::runtime::Runtime;

use crate::{
    in_process::{ArchiveSeed, HOSTS, Manifest, Portals, SLOTS, SlotOf, Terms},
    seen::Seen,
    story::{Edit, Story},
};

/// An object, the portals, and the history of the story.
pub struct World<'a> {
    portals: Portals<'a>,
    manifest: Manifest,
    applied: Option<Applied>,
    corrections: Option<Tally>,
    finalizer: bool,
    unknown_since: Option<Timestamp>,
    told: Vec<String>,
    /// Counts of the situations.
    pub seen: Seen,
}

impl<'a> World<'a> {
    /// The initial state of a story.
    pub fn new(story: &Story, runtime: &'a Runtime) -> Self {
        let start = "2026-11-24T12:00:00Z".parse().expect("a time");
        let mut world = Self {
            portals: Portals::new(runtime, story.postgresql, start),
            manifest: story.manifest,
            applied: None,
            corrections: None,
            finalizer: story.finalizer,
            unknown_since: None,
            told: Vec::new(),
            seen: Seen::default(),
        };
        let database = if story.postgresql { "PostgreSQL" } else { "MariaDB" };
        world.tell(format!("Two portals on {database}"));
        for (slot, content) in SLOTS.into_iter().zip(&story.slots) {
            if let Some(terms) = content.schedule {
                world.somebody_posts(slot, terms);
            }
            world.archives_appear(slot, &content.archives);
        }
        if let Some((terms, portal)) = story.applied {
            let then = Manifest {
                terms,
                portal,
                ..story.manifest
            };
            world.applied = Some(world.applied_now(AppliedReason::Created, &then));
            world.tell(format!(
                "{} was applied to {}",
                words(&then.wanted()),
                HOSTS[portal]
            ));
        }
        world.tell(format!(
            "The object, finalizer {}: {:?}",
            story.finalizer, story.manifest
        ));
        world
    }

    fn tell(&mut self, line: String) {
        self.told.push(line);
    }

    /// The slot that the object wants.
    fn slot(&self) -> SlotOf {
        (self.manifest.portal, self.manifest.dump)
    }

    /// Applies an edit.
    pub fn happens(&mut self, edit: &Edit) {
        let slot = self.slot();
        match *edit {
            Edit::Theirs(terms) => return self.somebody_posts(slot, terms),
            Edit::Archives(ref seeds) => return self.archives_appear(slot, seeds),
            Edit::Dump(_) if self.applied.is_some() => return,
            _ => self.tell(format!("{edit:?}")),
        }
        match *edit {
            Edit::Number(number) => self.manifest.terms.number = number,
            Edit::Hour(hour) => self.manifest.terms.hour = hour,
            Edit::Storage(storage) => self.manifest.terms.storage = storage,
            Edit::Secret(secret) => self.manifest.terms.secret = secret,
            Edit::Portal(portal) => self.manifest.portal = portal,
            Edit::Dump(dump) => self.manifest.dump = dump,
            Edit::Adoption(policy) => self.manifest.adoption = policy,
            Edit::Management(policy) => self.manifest.management = policy,
            Edit::Suspend(suspend) => self.manifest.suspend = suspend,
            Edit::Restored { finalizer } => (self.applied, self.finalizer) = (None, finalizer),
            Edit::TheirNumber(number) => self.portals.renumber(slot, number),
            Edit::Removed => self.portals.remove(slot),
            Edit::Runs(count) => self.portal_backs_up(slot, count),
            Edit::Cleaner => drop(self.portals.clean()),
            Edit::Theirs(_) | Edit::Archives(_) | Edit::Nothing => {}
        }
    }

    fn somebody_posts(&mut self, (portal, dump): SlotOf, terms: Terms) {
        let theirs = Manifest {
            terms,
            dump,
            ..self.manifest
        };
        let theirs = theirs.wanted();
        self.tell(format!(
            "Somebody writes to {}: {}",
            HOSTS[portal],
            words(&theirs)
        ));
        self.portals.post(portal, &theirs);
    }

    fn archives_appear(&mut self, slot: SlotOf, seeds: &[ArchiveSeed]) {
        for seed in seeds {
            let id = self.portals.add(slot, *seed);
            self.tell(format!("{} (dump {}) has {id}: {seed:?}", HOSTS[slot.0], slot.1));
        }
    }

    fn portal_backs_up(&mut self, slot: SlotOf, count: usize) {
        let run = ArchiveSeed {
            hours: 0,
            scheduled: true,
            storage: 3,
            file: simulated_portal::File::Present,
            expires: None,
            struck: false,
        };
        for _ in 0..count {
            self.portals.wait(1);
            self.archives_appear(slot, &[run]);
        }
    }

    /// The `status.applied` that this manifest produces now.
    fn applied_now(&self, reason: AppliedReason, manifest: &Manifest) -> Applied {
        let spec = manifest.spec();
        Applied {
            time: Time(self.portals.now()),
            reason,
            generation: 1,
            uid: "me".into(),
            url: spec.portal.url,
            host_header: spec.portal.host_header,
            schedule: manifest.wanted().shown_as_applied(),
            secrets: Vec::new(),
        }
    }
}

fn words(schedule: &Schedule) -> String {
    let (words, number, dump) = (schedule.in_words(None), schedule.backups_stored, schedule.dump);
    format!(
        "{words}, backupsStored {number}, dump {dump}, storageType {}",
        schedule.storage_type
    )
}
