//! What a manifest or a person wants of a portal, and what a portal has.

use docspace_backup_operator::{
    api::{AdoptionPolicy, DocSpaceBackupScheduleSpec, ManagementPolicy},
    schedule::{Param, Schedule},
};
use serde_json::json;
use simulated_portal::File;

/// The Host names of the two portals of the installation.
pub const HOSTS: [&str; 2] = ["a.test", "b.test"];

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

/// Storages, with their parameters that come from no Secret.
pub const STORAGES: [(&str, &[(&str, &str)]); 4] = [
    ("Local", &[("filePath", "/backups")]),
    ("Documents", &[("folderId", "5")]),
    ("DataStore", &[]),
    ("ThirdPartyConsumer", &[("module", "s3")]),
];
/// The storage parameter that comes from a Secret.
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
