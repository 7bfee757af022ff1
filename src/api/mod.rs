//! The `DocSpaceBackupSchedule` resource, group `docspace.onlyoffice.com`, version `v1alpha1`.

mod backups;
mod crd;
mod portal;
mod spec;
mod status;
mod validation;

pub use backups::*;
pub use crd::{crd, crd_yaml};
pub use portal::*;
pub use spec::*;
pub use status::*;

/// The operator adds it just before the first write to a portal and removes it once the portal needs no more cleanup.
pub const FINALIZER: &str = "docspace.onlyoffice.com/backup-schedule";

/// Annotation of an object: any new value requests a reconcile now.
pub const REQUESTED_AT: &str = "docspace.onlyoffice.com/requestedAt";

/// Annotation of a Secret: the origins that it may be sent to, separated by commas; after each a blank and the Host header
/// where one is used.
pub const PORTAL_ORIGIN: &str = "docspace.onlyoffice.com/portal-origin";
