//! The parts of a story: the initial state, and the steps.

use docspace_backup_operator::{
    api::{AdoptionPolicy, DocSpaceBackupScheduleSpec, ManagementPolicy},
    schedule::{Param, Schedule},
};
use serde_json::json;
use simulated_portal::File;

/// The Host names of the two portals of the installation.
pub const HOSTS: [&str; 2] = ["a.test", "b.test"];

/// The initial state, and the steps.
#[derive(Clone, Debug)]
pub struct Story {
    /// Whether the database is PostgreSQL, where the cleaner deletes archives that never expire.
    pub postgresql: bool,
    /// The slots of the two portals, and the installation's dump.
    pub slots: [Slot; 3],
    /// The manifest.
    pub manifest: Manifest,
    /// The schedule that was applied before, and the portal (by its Host).
    pub applied: Option<(Terms, usize)>,
    /// Whether the object carries the operator's finalizer.
    pub finalizer: bool,
    /// The steps.
    pub steps: Vec<Step>,
}

/// The content of a slot.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The schedule.
    pub schedule: Option<Terms>,
    /// The records of archives.
    pub archives: Vec<ArchiveSeed>,
}

/// The distinguishing fields of a schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// backupsStored.
    pub number: i32,
    /// Every day at this hour.
    pub hour: i32,
    /// Which of [`STORAGES`].
    pub storage: usize,
    /// The value of the storage Secret, if the storage uses one.
    pub secret: u8,
}

/// The record of an archive.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveSeed {
    /// Its age.
    pub hours: i64,
    /// Whether the scheduler made it; otherwise a person did.
    pub scheduled: bool,
    /// DocSpace's number of its storage.
    pub storage: i32,
    /// Whether its file can be seen.
    pub file: File,
    /// Expiry. `None`: as a run writes it. `Some(None)`: never. Otherwise in this many hours.
    pub expires: Option<Option<i64>>,
    /// Whether its record was removed.
    pub struck: bool,
}

/// The manifest of the user.
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    /// The schedule.
    pub terms: Terms,
    /// Whether it backs up the installation instead of the portal.
    pub dump: bool,
    /// The portal.
    pub portal: usize,
    /// adoptionPolicy.
    pub adoption: AdoptionPolicy,
    /// managementPolicy.
    pub management: ManagementPolicy,
    /// suspend.
    pub suspend: bool,
}

/// An edit, followed by a reconcile.
#[derive(Clone, Debug)]
pub struct Step {
    /// The edit.
    pub edit: Edit,
    /// The circumstances of the reconcile.
    pub look: Look,
}

/// An event between two reconciles.
#[derive(Clone, Debug)]
pub enum Edit {
    /// The user changes backupsStored.
    Number(i32),
    /// The user changes the hour.
    Hour(i32),
    /// The user changes the storage.
    Storage(usize),
    /// A storage Secret gets another value.
    Secret(u8),
    /// The user changes the portal.
    Portal(usize),
    /// The user changes dump, which the API server accepts until status.applied is set.
    Dump(bool),
    /// The user changes adoptionPolicy.
    Adoption(AdoptionPolicy),
    /// The user changes managementPolicy.
    Management(ManagementPolicy),
    /// The user suspends or resumes the object.
    Suspend(bool),
    /// The object is restored from a backup: status.applied belongs to another object.
    Restored {
        /// Whether the finalizer is restored with it.
        finalizer: bool,
    },
    /// A person writes this schedule to the portal.
    Theirs(Terms),
    /// A person changes only the number of archives of the portal's schedule, if there is one.
    TheirNumber(i32),
    /// A person or the portal removes the schedule.
    Removed,
    /// Archives appear.
    Archives(Vec<ArchiveSeed>),
    /// The portal makes backups.
    Runs(usize),
    /// The portal's cleaner runs.
    Cleaner,
    /// Nothing.
    Nothing,
}

/// The circumstances of a reconcile.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Minutes since the last reconcile.
    pub minutes: i64,
    /// The user requested a reconcile.
    pub requested: bool,
    /// A backup is running.
    pub running: bool,
    /// The history can be read.
    pub history: bool,
    /// The outcome of a POST.
    pub post: Post,
}

/// The outcome of a POST.
#[derive(Clone, Copy, Debug)]
pub enum Post {
    /// It is carried out.
    Done,
    /// The portal rejects it.
    Refused,
    /// It is lost, and the operator does not know.
    Lost,
    /// It is carried out, and the operator does not know.
    Unseen,
}

/// Storages, with their parameters that come from no Secret.
pub const STORAGES: [(&str, &[(&str, &str)]); 4] = [
    ("Local", &[("filePath", "/backups")]),
    ("Documents", &[("folderId", "5")]),
    ("DataStore", &[]),
    ("ThirdPartyConsumer", &[("module", "s3")]),
];
const SECRET_KEY: &str = "ssekey";

impl Manifest {
    /// The object's spec.
    pub fn spec(&self) -> DocSpaceBackupScheduleSpec {
        let (storage_type, known) = STORAGES[self.terms.storage];
        let known = known
            .iter()
            .map(|(key, value)| json!({"key": key, "value": value}));
        let secret = json!({"key": SECRET_KEY, "valueFrom": {"secretKeyRef": {"name": "s3", "key": "sse"}}});
        let secret = (storage_type == "ThirdPartyConsumer").then_some(secret);
        let spec = json!({
            "portal": {
                "url": "https://docs.test",
                "hostHeader": HOSTS[self.portal],
                "apiKeySecretRef": {"name": "key"},
            },
            "storageType": storage_type,
            "storageParams": known.chain(secret).collect::<Vec<_>>(),
            "cronParams": {"period": "EveryDay", "hour": self.terms.hour},
            "backupsStored": self.terms.number,
            "dump": self.dump,
            "suspend": self.suspend,
            "managementPolicy": self.management,
            "adoptionPolicy": self.adoption,
        });
        serde_json::from_value(spec).expect("a valid spec")
    }

    /// The schedule, with the values of its Secrets.
    pub fn wanted(&self) -> Schedule {
        let mut wanted = Schedule::without_secrets(&self.spec());
        let value = format!("secret {}", self.terms.secret);
        wanted
            .params
            .entry(SECRET_KEY.into())
            .and_modify(|param| *param = Param::secret(value.into()));
        wanted
    }
}
