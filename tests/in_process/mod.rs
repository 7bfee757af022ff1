//! An installation with two portals in this process, and manifests for them. Without HTTP: a story takes milliseconds.

mod portals;
mod random;
mod terms;

pub use self::{
    portals::{Portals, SLOTS, SlotOf},
    random::{adoptions, terms_with},
    terms::{ArchiveSeed, HOSTS, Manifest, STORAGES, Terms},
};
