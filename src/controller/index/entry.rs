//! What the index keeps of an object.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use kube::{Resource, core::error_boundary::InvalidObject};

use crate::{
    controller::{
        index::slot::SlotKey,
        key::Key,
        metrics::values::Values,
        secrets,
        watched::{Guarded, Packed},
    },
    rules::{
        ownership::{enforces, may_be_at},
        retry::own_interval,
    },
};

/// An object at rest.
pub struct Entry {
    /// Where it is indexed.
    pub listing: Listing,
    /// The object itself.
    pub packed: Packed,
    /// What the metrics show.
    pub values: Values,
    /// The number of its version.
    pub version: Option<u64>,
    /// The versions that this operator wrote and the watch has not shown yet.
    pub written: Vec<u64>,
    /// Only the metadata is of this version.
    pub is_partial: bool,
}

/// What is known of an object: where it is indexed, and what its end would leave.
#[derive(Clone, Debug)]
pub struct Listing {
    pub uid: Option<Arc<str>>,
    pub slot: Option<SlotKey>,
    /// Whether it may write there; if that ends, others on the slot must be woken.
    pub enforces: bool,
    /// The Secrets that it names.
    pub secrets: Vec<Key>,
    /// The portal where its schedule may remain if it goes without having been released.
    pub portal: Option<Box<str>>,
    /// Its own interval between checks of its portal.
    pub interval: Option<Duration>,
    /// The operator has released it.
    pub released: bool,
}

/// What the index knows of a version that comes to it.
pub enum Known {
    /// This version, or a later one; whether it is news all the same.
    Already { is_news: bool },
    /// Not this version; whether this operator wrote it.
    NotYet { is_own: bool },
}

impl Entry {
    /// The entry of an object. One that cannot be taken in becomes one that cannot be parsed: a fault at one object is
    /// no fault at others.
    pub fn of(object: &mut Guarded) -> Self {
        catch_unwind(AssertUnwindSafe(|| Self::new(object))).unwrap_or_else(|_| {
            let metadata = object.meta().clone();
            let error = "it meets a fault of the operator".into();
            object.object = Err(InvalidObject { error, metadata });
            Self::new(object)
        })
    }

    /// A list or a watch shows this version of the object.
    pub fn watched(&mut self, version: Option<u64>) -> Known {
        let is_own = version.is_some_and(|version| self.written.contains(&version));
        let is_behind = !self.written.is_empty() && version < self.version;
        self.written.retain(|written| Some(*written) > version);
        if is_behind {
            // What somebody else changed, this operator's own write came after.
            return Known::Already { is_news: !is_own };
        }
        let is_same = version.is_some() && version == self.version && !self.is_partial;
        if is_same {
            Known::Already { is_news: !is_own }
        } else {
            Known::NotYet { is_own }
        }
    }

    fn new(object: &Guarded) -> Self {
        Self {
            listing: Listing::of(object),
            packed: Packed::new(object),
            values: Values::of(object),
            version: version(object),
            written: Vec::new(),
            is_partial: false,
        }
    }
}

impl Listing {
    /// Takes over what is equal, so that there is one copy of it.
    pub fn share(&mut self, before: &Self) {
        if self.uid == before.uid {
            self.uid.clone_from(&before.uid);
        }
        if self.slot == before.slot {
            self.slot.clone_from(&before.slot);
        }
        if self.secrets == before.secrets {
            self.secrets.clone_from(&before.secrets);
        }
    }

    fn of(watched: &Guarded) -> Self {
        let object = watched.object.as_ref().ok();
        let spec = object.map(|object| &object.spec);
        let namespace = watched.meta().namespace.as_deref().unwrap_or_default();
        let names = spec.into_iter().flat_map(secrets::names);
        let mut secrets: Vec<_> = names.map(|name| Key::new(namespace, name)).collect();
        secrets.sort_unstable();
        secrets.dedup();
        secrets.shrink_to_fit();
        Self {
            uid: watched.meta().uid.as_deref().map(Into::into),
            slot: spec.and_then(SlotKey::of),
            enforces: spec.is_some_and(enforces),
            portal: object.and_then(may_be_at).map(Into::into),
            interval: spec.and_then(own_interval),
            released: false,
            secrets,
        }
    }
}

/// The number in a resource version, which grows with each change.
pub fn version(object: &impl Resource) -> Option<u64> {
    object.meta().resource_version.as_deref()?.parse().ok()
}
