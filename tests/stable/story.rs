//! The parts of a story: the initial state, and the steps.

use docspace_backup_operator::api::{AdoptionPolicy, DeletionPolicy, ManagementPolicy};
use serde_json::{Value, json};

use crate::in_process::{self, ArchiveSeed, HOSTS, Terms};

/// Namespace and name of each object that a story may have.
pub const OBJECTS: [(&str, &str); 4] = [
    ("north", "one"),
    ("north", "two"),
    ("north", "three"),
    ("south", "four"),
];
/// The namespaces.
pub const NAMESPACES: [&str; 2] = ["north", "south"];

/// The initial state, and the steps.
#[derive(Clone, Debug)]
pub struct Story {
    /// Whether the database is PostgreSQL, where the cleaner deletes archives that never expire.
    pub postgresql: bool,
    /// Whether the portals have an audit trail.
    pub trail: bool,
    /// The slots of the two portals, and the installation's dump.
    pub slots: [Slot; 3],
    /// The object at each place of [`OBJECTS`], if it is there from the beginning.
    pub objects: [Option<Manifest>; 4],
    /// The steps.
    pub steps: Vec<Step>,
    /// How many days of the month are over.
    pub day: i64,
    /// How long nothing may be written once everything has settled, in days.
    pub rest: i64,
    /// For what is random in the operator: the spread of its waits.
    pub chance: u64,
}

/// The content of a slot.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The schedule.
    pub schedule: Option<Terms>,
    /// The records of archives.
    pub archives: Vec<ArchiveSeed>,
}

/// The manifest of the user.
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    /// The schedule, and how it is applied.
    pub base: in_process::Manifest,
    /// How the portal is addressed.
    pub spelling: Spelling,
    /// deletionPolicy.
    pub deletion: DeletionPolicy,
    /// interval, in hours.
    pub interval: i64,
}

/// Addresses of the same portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// The usual one.
    Plain,
    /// The same with its default port.
    WithPort,
    /// Another name. That it is the same portal shows by the API key. Not for dumps, whose key may be another portal's.
    Alias,
}

impl Manifest {
    /// The JSON of the object's spec.
    pub fn spec(&self) -> Value {
        let mut spec = serde_json::to_value(self.base.spec()).expect("a spec is JSON");
        let portal = self.base.portal;
        spec["portal"] = json!({
            "url": self.url(),
            "hostHeader": HOSTS[portal],
            "apiKeySecretRef": {"name": format!("key-{portal}"), "key": "apiKey"},
        });
        spec["deletionPolicy"] = json!(self.deletion);
        spec["interval"] = json!(format!("{}h", self.interval));
        spec
    }

    /// portal.url.
    pub fn url(&self) -> &'static str {
        match self.spelling {
            Spelling::Alias if !self.base.dump => "https://router.test",
            Spelling::WithPort => "https://docs.test:443",
            _ => "https://docs.test",
        }
    }
}

/// An event, with the time until the next one.
#[derive(Clone, Debug)]
pub struct Step {
    /// What becomes of the next write to a slot.
    pub fate: Option<(usize, Fate)>,
    /// The event.
    pub edit: Edit,
    /// The time after it, in seconds.
    pub wait: i64,
}

/// An event. Places of objects are those of [`OBJECTS`], of namespaces those of [`NAMESPACES`].
#[derive(Clone, Debug)]
pub enum Edit {
    /// Nothing.
    Nothing,
    /// A user creates the object, if it is not there.
    Create(usize, Manifest),
    /// A user deletes the object.
    Delete(usize),
    /// A user deletes the object and takes its finalizers off.
    DeleteByForce(usize),
    /// A user changes the manifest.
    Change(usize, Change),
    /// A user requests a reconcile.
    Request(usize),
    /// The object is restored from a backup with its status: a new object with another uid.
    Restored(usize),
    /// Somebody wipes the status.
    Wiped(usize),
    /// Somebody replaces the object (PUT), without its finalizers.
    Replaced(usize),
    /// The storage Secret of a namespace gets this value.
    StorageSecret(usize, u8),
    /// A portal's key is replaced; the Secrets have the old one.
    KeyRevoked(usize),
    /// The Secret of this namespace gets the portal's present key.
    KeyRenewed(usize, usize),
    /// The Secret of this namespace for this portal goes.
    KeyLost(usize, usize),
    /// A person writes this schedule to the slot.
    Theirs(usize, Terms),
    /// A person changes the number of archives of the slot's schedule, if there is one.
    TheirNumber(usize, i32),
    /// The slot's schedule goes: a person deletes it, or the portal does.
    Removed {
        /// Which.
        slot: usize,
        /// Whether a person does it, so that the audit trail shows it.
        by_person: bool,
    },
    /// Archives appear.
    Archives(usize, Vec<ArchiveSeed>),
    /// The portal's cleaner runs.
    Cleaner,
    /// A backup of the slot runs for this time, in seconds.
    Running(usize, i64),
    /// A portal fails for this time, in seconds.
    Trouble(usize, Trouble, i64),
    /// A portal's clock is so many seconds ahead.
    ClockOff(usize, i64),
    /// The free backups of the month are used up: so many times, the portal removes the slot's schedule when it is due.
    Quota(usize, u8),
    /// The operator restarts.
    Restart,
    /// The operator ends at this point of a later reconcile, and starts again.
    Crash(Point),
    /// What becomes of the next status writes.
    Status(Vec<StatusFate>),
}

/// A change of a manifest.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// backupsStored.
    Number(i32),
    /// The hour.
    Hour(i32),
    /// The storage.
    Storage(usize),
    /// The portal.
    Portal(usize),
    /// How the portal is addressed.
    Spelling(Spelling),
    /// dump, which the API server accepts until status.applied is set.
    Dump(bool),
    /// adoptionPolicy.
    Adoption(AdoptionPolicy),
    /// managementPolicy.
    Management(ManagementPolicy),
    /// deletionPolicy.
    Deletion(DeletionPolicy),
    /// suspend.
    Suspend(bool),
}

/// How a portal fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No connection.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// DocSpace fails.
    ServerError,
    /// The portal is being restored.
    Restoring,
    /// Too many requests; it asks to wait half an hour.
    RateLimited,
    /// Something else answers.
    NotDocSpace,
    /// The history alone fails.
    HistoryFails,
    /// The history alone is refused for good.
    HistoryRefused,
    /// It shows the schedule that it had when the trouble began.
    Stale,
    /// It shows no schedule.
    Blank,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// The portal refuses it.
    Refused,
    /// No answer; it is not carried out.
    Lost,
    /// No answer; it is carried out.
    Unseen,
    /// No answer; it is carried out, and the next read fails.
    UnseenTwice,
    /// No answer; it is carried out after this many seconds (DocSpace retries for 327 s, R 376).
    Late(i64),
    /// Accepted, and not carried out.
    Ignored,
    /// Accepted and carried out; reads show it after this many seconds.
    Shadowed(i64),
    /// Accepted and carried out; the next read fails.
    Blind,
}

/// Where the operator ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// After the finalizer, before the write.
    BeforeWrite,
    /// After the write, before the status.
    AfterWrite,
    /// After the status.
    AfterStatus,
}

/// What becomes of a status write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusFate {
    /// Kubernetes takes it.
    Taken,
    /// Kubernetes fails.
    Refused,
    /// Kubernetes takes it, and its answer is lost.
    Unseen,
}
