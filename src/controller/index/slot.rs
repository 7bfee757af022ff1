//! The slots of portals.

use crate::{api::DocSpaceBackupScheduleSpec, portal::Address};

/// A schedule in DocSpace: one for each portal, and one for dumps of the whole installation, independent of the Host
/// (trap 1). Clones share the address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
