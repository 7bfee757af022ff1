//! What the status of an object claims, and which of two claims to a slot has precedence.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::DocSpaceBackupSchedule,
    rules::ownership::{enforces, is_owner},
};

/// What the status of an object claims of its slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// That the object owns it.
    pub owns: bool,
    /// That the object may take it if it is free: it enforces, and its portal last accepted its key.
    pub competes: bool,
    /// When it was created, and its uid: nobody can choose them.
    pub age: Age,
}

type Age = (Option<Timestamp>, Option<Arc<str>>);

/// The order of claims: owners come first, and the oldest of each kind.
pub type Rank = (bool, Age);

impl Claim {
    /// The claim of an object.
    pub fn of(object: &DocSpaceBackupSchedule) -> Self {
        let created = object.metadata.creation_timestamp.as_ref();
        Self {
            owns: is_owner(object),
            competes: competes(object),
            age: (
                created.map(|created| created.0),
                object.metadata.uid.as_deref().map(Into::into),
            ),
        }
    }

    /// Its rank; `None` for an object that claims nothing.
    pub fn rank(&self) -> Option<Rank> {
        (self.owns || self.competes).then(|| (!self.owns, self.age.clone()))
    }

    /// Whether the object with this claim must leave the slot to one of this rank: to the owner, or else to the oldest
    /// that may take it. This object is judged as if it might take it.
    pub fn yields_to(&self, (follows, age): &Rank) -> bool {
        let is_younger = *age < self.age;
        match (self.owns, !follows) {
            (true, false) => false,
            (false, true) => true,
            (true, true) | (false, false) => is_younger,
        }
    }
}

fn competes(object: &DocSpaceBackupSchedule) -> bool {
    let conditions = object.status.as_ref().map(|status| &status.conditions);
    let generation = object.metadata.generation;
    let accepted = |condition: &Condition| {
        condition.type_ == "CredentialsValid"
            && condition.status == "True"
            && condition.observed_generation == generation
    };
    enforces(&object.spec)
        && object.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|conditions| conditions.iter().any(accepted))
}
