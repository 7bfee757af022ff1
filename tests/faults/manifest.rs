//! What the user wants at the moment: the object and its Secrets.

use docspace_backup_operator::api::{DocSpaceBackupSchedule, StorageParam};
use serde_json::{Value, json};
use simulated_portal::{Schedule, SimulatedPortal};

use crate::row::{Kind, Row};

/// The object's name.
pub const NAME: &str = "nightly";
/// The Secret with the value of the storage.
pub const STORAGE: &str = "storage";

/// The Secret with the portal's CA.
pub const CA: &str = "portal-ca";

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The hour of the backup.
    pub hour: i32,
    /// How many archives are kept.
    pub stored: i32,
    /// The value of the parameter `ssekey`, from a Secret.
    pub storage_key: String,
}

impl Manifest {
    /// The object for the portal of a row.
    pub fn object(&self, server: &SimulatedPortal, row: &Row) -> DocSpaceBackupSchedule {
        let mut object: DocSpaceBackupSchedule = harness::nightly(&server.url());
        match row.kind {
            Kind::Cloud => object.spec.portal.host_header = Some(server.first().host()),
            Kind::Tls => {
                let ca = json!({"name": CA, "key": "ca.crt"});
                object.spec.portal.ca_secret_ref = serde_json::from_value(ca).expect("a reference");
            }
            Kind::Standalone | Kind::Named | Kind::AtStake => {}
        }
        object.spec.interval = serde_json::from_value(json!("1m")).expect("a duration");
        object.spec.cron_params.hour = self.hour;
        object.spec.backups_stored = self.stored;
        let reference =
            json!({"key": "ssekey", "valueFrom": {"secretKeyRef": {"name": STORAGE, "key": "sse"}}});
        let reference: StorageParam = serde_json::from_value(reference).expect("a parameter");
        object.spec.storage_params.push(reference);
        object
    }

    /// Whether the portal's row is what is wanted.
    pub fn is(&self, held: &Schedule) -> bool {
        held.cron == format!("0 0 {} ? * *", self.hour)
            && held.storage_params.get("ssekey") == Some(&self.storage_key)
            && held.storage_params.get("bucket").map(String::as_str) == Some("backups")
            && held.backups_stored == self.stored
    }

    /// What a body of createbackupschedule asks for.
    pub fn of_body(body: &Value) -> Option<Self> {
        let params = body["storageParams"].as_array()?;
        let storage_key = params.iter().find(|param| param["key"] == "ssekey")?;
        let number = |value: &Value| value.as_i64()?.try_into().ok();
        Some(Self {
            hour: number(&body["cronParams"]["hour"])?,
            stored: number(&body["backupsStored"])?,
            storage_key: storage_key["value"].as_str()?.into(),
        })
    }
}
