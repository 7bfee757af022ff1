//! The parts of a story: the initial state, and the steps.

use docspace_backup_operator::api::{AdoptionPolicy, ManagementPolicy};

use crate::in_process::{ArchiveSeed, Manifest, Terms};

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
