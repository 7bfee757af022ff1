//! The keys of objects and slots.

use kube::{ResourceExt, runtime::reflector::ObjectRef};

use crate::{
    api::{DocSpaceBackupSchedule, DocSpaceBackupScheduleSpec},
    controller::watched::Guarded,
    portal::Address,
};

/// Namespace and name of an object.
pub type Key = ObjectRef<Guarded>;

/// Namespace and name of an object.
pub fn key_of(object: &DocSpaceBackupSchedule) -> Key {
    let key = ObjectRef::new(&object.name_any());
    key.within(object.metadata.namespace.as_deref().unwrap_or_default())
}

/// A schedule in DocSpace: one for each portal, and one for dumps of the whole installation, independent of the Host
/// (trap 1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlotKey {
    address: Address,
    dump: bool,
}

impl SlotKey {
    /// The slot at this address; `None` if the address is invalid.
    pub fn new(url: &str, host_header: Option<&str>, dump: bool) -> Option<Self> {
        let address = Address::parse(url, host_header.filter(|_| !dump)).ok()?;
        Some(Self { address, dump })
    }

    /// The slot that the spec names; `None` if its address is invalid.
    pub fn of(spec: &DocSpaceBackupScheduleSpec) -> Option<Self> {
        Self::new(&spec.portal.url, spec.portal.host_header.as_deref(), spec.dump)
    }

    /// The slot of dumps at the spec's address.
    pub fn of_dump(spec: &DocSpaceBackupScheduleSpec) -> Option<Self> {
        Self::new(&spec.portal.url, None, true)
    }

    /// Whether it is for dumps.
    pub fn is_of_dump(&self) -> bool {
        self.dump
    }

    /// Whether both have the same URL, independent of the Host.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.address.url() == other.address.url()
    }
}
