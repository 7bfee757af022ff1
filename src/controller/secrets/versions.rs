//! The versions of all watched Secrets, to notice when one changes.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::core::v1::Secret;

use crate::controller::{key::Key, watched::Slim};

/// The resourceVersion of each Secret.
#[derive(Debug, Default)]
pub struct Versions(Mutex<HashMap<Key, Box<str>>>);

impl Versions {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, Box<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of a Secret; `None` if it does not exist.
    pub fn get(&self, secret: &Key) -> Option<String> {
        self.all().get(secret).map(|version| version.to_string())
    }

    /// Takes in a Secret; returns its key.
    pub fn set(&self, secret: &Slim<Secret>) -> Key {
        let version = secret.metadata.resource_version.as_deref().unwrap_or_default();
        let mut all = self.all();
        let key = Key::of(secret);
        // One copy of the key's text.
        let key = all.get_key_value(&key).map_or(key, |(known, _)| known.clone());
        all.insert(key.clone(), version.into());
        key
    }

    /// A Secret is gone.
    pub fn remove(&self, secret: &Key) {
        self.all().remove(secret);
    }

    /// Of a namespace, or of all, only these Secrets exist.
    pub fn retain(&self, namespace: Option<&str>, listed: &HashSet<Key>) {
        let is_there = |secret: &Key| {
            listed.contains(secret) || namespace.is_some_and(|namespace| namespace != secret.namespace())
        };
        self.all().retain(|secret, _| is_there(secret));
    }
}
