//! The portals: their real state, and the part that the operator sees.

use std::collections::BTreeSet;

use docspace_backup_operator::{
    portal::Archive as Listed,
    schedule::{Held, Param, Schedule},
};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::json;
use simulated_portal::{Archive, Expiry, File, Installation, Portal, SimulatedPortal, Tenant};
use tokio::runtime::Runtime;

use super::{ArchiveSeed, HOSTS};

/// A slot: the portal, and whether it is the installation's dump.
pub type SlotOf = (usize, bool);

/// Every slot of the installation.
pub const SLOTS: [SlotOf; 3] = [(0, false), (1, false), (0, true)];

/// An installation with two portals.
pub struct Portals<'a> {
    runtime: &'a Runtime,
    installation: Installation,
    server: Server,
    next_archive: usize,
}

impl<'a> Portals<'a> {
    /// Empty portals at this time.
    pub fn new(runtime: &'a Runtime, postgresql: bool, now: Timestamp) -> Self {
        let installation = match postgresql {
            true => Installation::on_postgresql(),
            false => Installation::default(),
        };
        let server = Server::start(runtime, &installation, now);
        Self {
            runtime,
            installation,
            server,
            next_archive: 1,
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.server.all.clock().now()
    }

    /// Advances the clock.
    pub fn wait(&self, minutes: i64) {
        self.server
            .all
            .clock()
            .advance(SignedDuration::from_mins(minutes));
    }

    /// The answer of `GET getbackupschedule`.
    pub fn held(&self, slot: SlotOf) -> Option<Held> {
        let row = self.server.portal(slot).schedule(slot.1)?;
        let hour = row.cron.split(' ').nth(2).and_then(|hour| hour.parse().ok());
        let params = row.storage_params.into_iter();
        let schedule = Schedule {
            storage_type: i64::from(row.storage_type).into(),
            params: params.map(|(key, value)| (key, Param::plain(value))).collect(),
            period: 0,
            hour: hour.expect("every day at an hour"),
            day: 0,
            backups_stored: row.backups_stored.into(),
            dump: row.dump,
        };
        Some(Held {
            schedule,
            last_backup_time: row.last_backup_time,
        })
    }

    /// The answer of `GET getbackuphistory`, which removes the records of archives whose file is missing.
    pub fn history(&self, slot: SlotOf) -> Vec<Listed> {
        let portal = self.server.portal(slot);
        for archive in portal.archives(slot.1) {
            if has_storage(&archive) && archive.file == File::Missing {
                portal.change_archive(slot.1, &archive.id, |archive| archive.removed = true);
            }
        }
        self.listed(slot)
    }

    /// What the history lists.
    pub fn listed(&self, slot: SlotOf) -> Vec<Listed> {
        let listed = self.server.portal(slot).archives(slot.1).into_iter();
        let listed = listed.filter(|archive| has_storage(archive) && !archive.removed);
        let shown = |archive: Archive| Listed {
            id: archive.id,
            file_name: archive.file_name.into(),
            storage_type: i64::from(archive.storage_type).into(),
            created_on: archive.created_on,
            expires: docspace_backup_operator::portal::Expiry::Never,
        };
        listed.map(shown).collect()
    }

    /// Carries out a POST.
    pub fn post(&self, portal: usize, schedule: &Schedule) {
        self.server.post(portal, schedule);
    }

    /// Removes a schedule.
    pub fn remove(&self, slot: SlotOf) {
        self.server.portal(slot).remove_schedule(slot.1);
    }

    /// Changes the number of a schedule.
    pub fn renumber(&self, slot: SlotOf, number: i32) {
        let portal = self.server.portal(slot);
        if let Some(mut row) = portal.schedule(slot.1) {
            row.backups_stored = number;
            portal.set_schedule(row);
        }
    }

    /// Adds the record of an archive, with a name.
    pub fn add(&mut self, slot: SlotOf, seed: ArchiveSeed) -> String {
        let id = format!("archive {}", self.next_archive);
        self.next_archive += 1;
        let created_on = self.now() - SignedDuration::from_hours(seed.hours);
        let expires_on = match seed.expires {
            None => Expiry::AsWritten,
            Some(None) => Expiry::Never,
            Some(Some(hours)) => Expiry::At(self.now() + SignedDuration::from_hours(hours)),
        };
        let archive = Archive {
            expires_on,
            scheduled: seed.scheduled,
            file: seed.file,
            removed: seed.struck,
            ..Archive::scheduled(&id, created_on).in_storage(seed.storage)
        };
        self.server.portal(slot).add_archive(slot.1, archive);
        id
    }

    /// How many archives of the slot the cleaner counts.
    pub fn counted(&self, slot: SlotOf) -> usize {
        let archives = self.server.portal(slot).archives(slot.1).into_iter();
        archives
            .filter(|archive| archive.scheduled && !archive.removed)
            .count()
    }

    /// Sets the clock.
    pub fn set_time(&self, now: Timestamp) {
        self.server.all.clock().set(now);
    }

    /// Whether the portal would make a backup of this slot now.
    pub fn is_due(&self, slot: SlotOf) -> bool {
        self.server.portal(slot).is_due(slot.1)
    }

    /// Makes the backups that are due, and runs the cleaner.
    pub fn pass(&self) {
        self.server.all.run_scheduler();
        self.server.all.run_worker();
        self.server.all.run_cleaner();
    }

    /// Runs the cleaner; returns the number of archives that it deleted.
    pub fn clean(&self) -> usize {
        self.server.all.run_cleaner().len()
    }

    /// The archives that the cleaner would delete now with this POST, and without it.
    pub fn with_and_without(&self, portal: usize, schedule: &Schedule) -> [BTreeSet<String>; 2] {
        let (with, without) = (self.copy(), self.copy());
        with.post(portal, schedule);
        [with, without].map(|server| {
            server
                .all
                .run_cleaner()
                .into_iter()
                .map(|archive| archive.id)
                .collect()
        })
    }

    fn copy(&self) -> Server {
        let copy = Server::start(self.runtime, &self.installation, self.now());
        for slot in SLOTS {
            let (from, to) = (self.server.portal(slot), copy.portal(slot));
            from.schedule(slot.1)
                .into_iter()
                .for_each(|row| to.set_schedule(row));
            let archives = from.archives(slot.1).into_iter();
            archives.for_each(|archive| to.add_archive(slot.1, archive));
        }
        copy
    }
}

/// The server, and its portals.
struct Server {
    all: SimulatedPortal,
    portals: [Portal; 2],
}

impl Server {
    fn start(runtime: &Runtime, installation: &Installation, now: Timestamp) -> Self {
        let tenants = HOSTS.map(Tenant::at).to_vec();
        let all = runtime.block_on(SimulatedPortal::start_with(installation.clone(), tenants));
        all.clock().set(now);
        let portals = all.tenants().try_into().expect("two portals");
        Self { all, portals }
    }

    fn portal(&self, slot: SlotOf) -> &Portal {
        &self.portals[slot.0]
    }

    fn post(&self, portal: usize, schedule: &Schedule) {
        let params = schedule.params.iter();
        let params = params.map(|(key, param)| json!({"key": key, "value": param.value.expose_secret()}));
        let body = json!({
            "storageType": schedule.storage_type.number(),
            "storageParams": params.collect::<Vec<_>>(),
            "backupsStored": schedule.backups_stored,
            "cronParams": {"period": schedule.period, "hour": schedule.hour, "day": schedule.day},
            "dump": schedule.dump,
        });
        self.portals[portal].set_schedule_as_posted(&body);
    }
}

/// Without a storage, DocSpace cannot check the file: it does not list the archive, remove its record or delete it.
fn has_storage(archive: &Archive) -> bool {
    archive.file != File::NoStorage && archive.storage_type != 2
}
