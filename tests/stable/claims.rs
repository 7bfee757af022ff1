//! Who may have a slot, by the contract ("Whose slot?") and by what Kubernetes holds; not by the operator's own index.

use std::{collections::HashMap, sync::Arc};

use docspace_backup_operator::{
    api::{Applied, DocSpaceBackupSchedule, ManagementPolicy, condition},
    controller::Key,
};
use jiff::Timestamp;

use crate::{installation::Installation, kubernetes::Kubernetes};

/// The keys that a process has seen portals accept, by [`claim`].
pub type Accepted = HashMap<String, String>;

/// The place of the slot that the object wants in [`crate::in_process::SLOTS`].
pub fn slot_of(object: &DocSpaceBackupSchedule) -> usize {
    match object.spec.dump {
        true => 2,
        false => portal_of(object),
    }
}

/// The portal that a spec names, by the name of the Secret with its key.
pub fn portal_of(object: &DocSpaceBackupSchedule) -> usize {
    match &*object.spec.portal.api_key_secret_ref.name {
        "key-0" => 0,
        "key-1" => 1,
        other => unreachable!("no portal has the key {other}"),
    }
}

/// Whether the object's Secret has the portal's present key.
pub fn has_valid_key(
    object: &DocSpaceBackupSchedule,
    kubernetes: &Kubernetes,
    installation: &Installation<'_>,
) -> bool {
    let portal = portal_of(object);
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let key = kubernetes.key(namespace, portal);
    key.is_some_and(|(number, _)| installation.keys[portal] == number)
}

/// The uid.
pub fn uid_of(object: &DocSpaceBackupSchedule) -> &str {
    object.metadata.uid.as_deref().unwrap_or_default()
}

fn normal(url: &str) -> &str {
    url.strip_suffix(":443").unwrap_or(url)
}

/// The object and the address that it wants.
pub fn claim(object: &DocSpaceBackupSchedule) -> String {
    let portal = &object.spec.portal;
    let host = portal.host_header.as_deref().unwrap_or_default();
    format!(
        "{} {} {host} {}",
        uid_of(object),
        normal(&portal.url),
        object.spec.dump
    )
}

/// What the object applied to the address that it wants.
pub fn owned(object: &DocSpaceBackupSchedule) -> Option<&Applied> {
    let portal = &object.spec.portal;
    let applied = object.status.as_ref()?.applied.as_ref()?;
    let same = applied.uid == uid_of(object)
        && normal(&applied.url) == normal(&portal.url)
        && applied.host_header == portal.host_header;
    same.then_some(applied)
}

/// Whether the operator may write for it.
pub fn enforces(object: &DocSpaceBackupSchedule) -> bool {
    object.spec.management_policy == ManagementPolicy::Enforce && !object.spec.suspend
}

fn competes(object: &DocSpaceBackupSchedule) -> bool {
    let valid = condition(object.status.as_ref(), "CredentialsValid");
    enforces(object)
        && object.metadata.deletion_timestamp.is_none()
        && valid.is_some_and(|valid| {
            valid.status == "True" && valid.observed_generation == object.metadata.generation
        })
}

/// Its rank at its slot, the least first: owners, then the oldest.
fn rank(object: &DocSpaceBackupSchedule) -> (bool, Timestamp, &str) {
    let created = object.metadata.creation_timestamp.as_ref();
    let created = created.map_or(Timestamp::MAX, |created| created.0);
    (owned(object).is_none(), created, uid_of(object))
}

/// Whether two addresses of a slot are the same in any spelling; otherwise only the key tells that they are one portal.
fn is_same_address(one: &DocSpaceBackupSchedule, other: &DocSpaceBackupSchedule) -> bool {
    normal(&one.spec.portal.url) == normal(&other.spec.portal.url)
}

/// How sure it is that an object is in another's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// The operator may not know it: its claim is of another namespace and not verified, or only the key tells.
    No,
    /// The operator knows it.
    Yes,
}

/// The objects that come before this one at its slot.
pub fn in_the_way(
    me: &DocSpaceBackupSchedule,
    kubernetes: &Kubernetes,
    accepted: &Accepted,
) -> Vec<(Key, Sure)> {
    let is_known = |other: &DocSpaceBackupSchedule| accepted.contains_key(&claim(other));
    let others = kubernetes.keys().into_iter();
    let others = others.filter_map(|key| Some((kubernetes.get(&key)?, key)));
    let others = others.filter(|(other, _)| {
        uid_of(other) != uid_of(me)
            && slot_of(other) == slot_of(me)
            && (owned(other).is_some() || competes(other))
            && rank(other) < rank(me)
    });
    let sure = others.map(|(other, key)| {
        let counts = other.metadata.namespace == me.metadata.namespace || is_known(&other);
        let sure = match counts && is_same_address(me, &other) {
            true => Sure::Yes,
            false => Sure::No,
        };
        (key, sure)
    });
    sure.collect()
}

/// The owners of a slot, the oldest first.
pub fn owners(slot: usize, kubernetes: &Kubernetes) -> Vec<Arc<DocSpaceBackupSchedule>> {
    let all = kubernetes.keys().into_iter();
    let all = all.filter_map(|key| kubernetes.get(&key));
    let owns = |object: &Arc<DocSpaceBackupSchedule>| slot_of(object) == slot && owned(object).is_some();
    let mut owners: Vec<_> = all.filter(owns).collect();
    owners.sort_by(|one, other| rank(one).cmp(&rank(other)));
    owners
}
