//! The `DocSpaceBackupSchedule` resource, group `docspace.onlyoffice.com`, version `v1alpha1`.

mod crd;
mod portal;
mod spec;
mod status;
mod validation;

pub use crd::{crd, crd_yaml};
pub use portal::*;
pub use spec::*;
pub use status::*;

/// Put on an object just before its first write to a portal; taken off when the portal has been dealt with.
pub const FINALIZER: &str = "docspace.onlyoffice.com/backup-schedule";

/// Annotation of an object: any new value asks for a reconcile now.
pub const REQUESTED_AT: &str = "docspace.onlyoffice.com/requestedAt";

/// Annotation of a Secret: the origins, separated by commas, that its content may be sent to.
pub const PORTAL_ORIGIN: &str = "docspace.onlyoffice.com/portal-origin";
