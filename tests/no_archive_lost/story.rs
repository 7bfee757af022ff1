//! What a story is made of: how it begins, and what happens then.

use docspace_backup_operator::{
    api::{AdoptionPolicy, DocSpaceBackupScheduleSpec, ManagementPolicy},
    schedule::{Param, Schedule},
};
use serde_json::json;
use simulated_portal::File;

/// The Host names of the two portals of the installation.
pub const HOSTS: [&str; 2] = ["a.test", "b.test"];

/// How it begins, and what happens then.
#[derive(Clone, Debug)]
pub struct Story {
    /// On PostgreSQL the cleaner takes what never expires for long expired.
    pub postgresql: bool,
    /// The slots of the two portals, and the installation's dump.
    pub slots: [Slot; 3],
    /// The manifest.
    pub manifest: Manifest,
    /// What was applied before, and by the Host of which portal.
    pub applied: Option<(Terms, usize)>,
    /// Whether the object carries our finalizer.
    pub finalizer: bool,
    /// What happens then.
    pub steps: Vec<Step>,
}

/// What a slot holds.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The schedule.
    pub schedule: Option<Terms>,
    /// What is in the books.
    pub archives: Vec<ArchiveSeed>,
}

/// What tells one schedule from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// backupsStored.
    pub number: i32,
    /// Every day at this hour.
    pub hour: i32,
    /// Which of [`STORAGES`].
    pub storage: usize,
    /// Which value a storage Secret has, where the storage takes one.
    pub secret: u8,
}

/// An archive in the books.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveSeed {
    /// How old it is.
    pub hours: i64,
    /// Made by the scheduler; else by a person.
    pub scheduled: bool,
    /// DocSpace's number of its storage.
    pub storage: i32,
    /// Whether its file can be seen.
    pub file: File,
    /// `None`: as a run writes it. `Some(None)`: never. Else so many hours from now.
    pub expires: Option<Option<i64>>,
    /// Struck from the books.
    pub struck: bool,
}

/// What the user asks for.
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    /// The schedule.
    pub terms: Terms,
    /// Of the portal, or of the installation.
    pub dump: bool,
    /// Which portal.
    pub portal: usize,
    /// adoptionPolicy.
    pub adoption: AdoptionPolicy,
    /// managementPolicy.
    pub management: ManagementPolicy,
    /// suspend.
    pub suspend: bool,
}

/// Something happens, then the operator looks.
#[derive(Clone, Debug)]
pub struct Step {
    /// What happens.
    pub edit: Edit,
    /// What the operator meets with.
    pub look: Look,
}

/// What happens between two looks.
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
    /// The user names another portal.
    Portal(usize),
    /// The user changes dump, which the API server takes until something is applied.
    Dump(bool),
    /// The user changes adoptionPolicy.
    Adoption(AdoptionPolicy),
    /// The user changes managementPolicy.
    Management(ManagementPolicy),
    /// The user suspends the object, or no longer.
    Suspend(bool),
    /// The object is restored from a backup: what was applied is another object's.
    Restored {
        /// Its finalizer came with it.
        finalizer: bool,
    },
    /// Somebody writes this to the portal.
    Theirs(Terms),
    /// Somebody changes the portal's number alone, if there is a schedule.
    TheirNumber(i32),
    /// Somebody, or the portal, removes the schedule.
    Removed,
    /// Archives appear.
    Archives(Vec<ArchiveSeed>),
    /// The portal makes backups.
    Runs(usize),
    /// The portal's cleaner passes.
    Cleaner,
    /// Nothing.
    Nothing,
}

/// What the operator meets with at a look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// So many minutes have gone by.
    pub minutes: i64,
    /// The user asked for a look.
    pub requested: bool,
    /// A backup is running.
    pub running: bool,
    /// The history can be read.
    pub history: bool,
    /// What becomes of a POST.
    pub post: Post,
}

/// What becomes of a POST.
#[derive(Clone, Copy, Debug)]
pub enum Post {
    /// It is carried out.
    Done,
    /// It is refused.
    Refused,
    /// It is lost, and nobody knows.
    Lost,
    /// It is carried out, and nobody knows.
    Unseen,
}

/// Storages, with what they need besides Secrets.
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
