//! The objects and Secrets as Kubernetes keeps them: as JSON, with versions, generations, finalizers and defaults.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, LazyLock},
};

use docspace_backup_operator::{
    api::{DocSpaceBackupSchedule, REQUESTED_AT, crd},
    controller::Key,
};
use jiff::Timestamp;
use kube::api::Patch;
use serde_json::{Value, json};

use crate::story::{NAMESPACES, StatusFate};

/// The status that the CRD gives a new object.
static PENDING: LazyLock<Value> = LazyLock::new(|| {
    let crd = serde_json::to_value(crd()).expect("a CRD is JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["default"].clone()
});

/// A write that Kubernetes did not take, or whose answer was lost.
#[derive(Clone, Copy, Debug)]
pub struct Failed;

/// What a watch reports.
#[derive(Clone, Debug)]
pub enum Event {
    /// The object as it is now.
    Changed(Arc<DocSpaceBackupSchedule>),
    /// The object is gone.
    Gone(Key),
}

/// An object.
struct Stored {
    json: Value,
    /// The same, parsed.
    object: Arc<DocSpaceBackupSchedule>,
}

impl From<Value> for Stored {
    fn from(json: Value) -> Self {
        let object = serde_json::from_value(json.clone()).expect("a valid object");
        Self {
            json,
            object: Arc::new(object),
        }
    }
}

/// The API server's part.
#[derive(Default)]
pub struct Kubernetes {
    objects: BTreeMap<Key, Stored>,
    version: u64,
    created: u64,
    /// What the watch has not reported yet.
    pub events: VecDeque<Event>,
    /// What becomes of the next status writes.
    pub fates: VecDeque<StatusFate>,
    /// The storage Secret of each namespace: its value and version.
    storage: [(u8, u64); 2],
    /// The Secret of each namespace for the key of each portal: the number of the key and its version.
    keys: [[Option<(u32, u64)>; 2]; 2],
}

/// The place of a namespace in [`NAMESPACES`].
pub fn place(namespace: &str) -> usize {
    let place = NAMESPACES.iter().position(|name| *name == namespace);
    place.expect("a namespace of the story")
}

impl Kubernetes {
    /// No objects, and the first keys.
    pub fn new() -> Self {
        let mut new = Self::default();
        for namespace in 0..2 {
            new.set_storage(namespace, 0);
            (0..2).for_each(|portal| new.set_key(namespace, portal, Some(0)));
        }
        new
    }

    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// The objects by key.
    pub fn keys(&self) -> Vec<Key> {
        self.objects.keys().cloned().collect()
    }

    /// The object.
    pub fn get(&self, key: &Key) -> Option<Arc<DocSpaceBackupSchedule>> {
        let stored = self.objects.get(key)?;
        Some(stored.object.clone())
    }

    /// The object's JSON.
    pub fn json(&self, key: &Key) -> Option<&Value> {
        let stored = self.objects.get(key)?;
        Some(&stored.json)
    }

    /// Changes an object and tells the watch.
    fn change(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let version = self.next_version();
        if let Some(stored) = self.objects.get_mut(key) {
            let mut json = stored.json.take();
            change(&mut json);
            json["metadata"]["resourceVersion"] = json!(version.to_string());
            *stored = json.into();
            self.settle(key);
        }
    }

    /// Removes the object if nothing keeps it, and tells the watch.
    fn settle(&mut self, key: &Key) {
        let metadata = &self.objects[key].json["metadata"];
        let is_kept = metadata["finalizers"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        if !metadata["deletionTimestamp"].is_null() && !is_kept {
            self.objects.remove(key);
            self.events.push_back(Event::Gone(key.clone()));
        } else if let Some(object) = self.get(key) {
            self.events.push_back(Event::Changed(object));
        }
    }

    /// Creates an object.
    pub fn create(&mut self, key: &Key, spec: Value, now: Timestamp) {
        self.created += 1;
        // In no order of age.
        let uid = format!("{:03}-{}", (self.created * 619) % 997, self.created);
        let created = Timestamp::from_second(now.as_second()).expect("a time");
        let object = json!({
            "apiVersion": "docspace.onlyoffice.com/v1alpha1",
            "kind": "DocSpaceBackupSchedule",
            "metadata": {
                "namespace": key.namespace(), "name": key.name(), "uid": uid, "generation": 1,
                "creationTimestamp": created,
            },
            "spec": spec,
            "status": PENDING.clone(),
        });
        self.objects.insert(key.clone(), object.into());
        self.change(key, |_| ());
    }

    /// Creates the object anew, with the status and finalizers that it had.
    pub fn restore(&mut self, key: &Key, now: Timestamp) {
        let Some(Stored { json: before, .. }) = self.objects.remove(key) else {
            return;
        };
        self.events.push_back(Event::Gone(key.clone()));
        self.create(key, before["spec"].clone(), now);
        self.change(key, |object| {
            object["status"] = before["status"].clone();
            object["metadata"]["finalizers"] = before["metadata"]["finalizers"].clone();
        });
    }

    /// Changes the spec.
    pub fn set_spec(&mut self, key: &Key, spec: Value) {
        self.change(key, |object| {
            if object["spec"] != spec {
                object["spec"] = spec;
                next_generation(object);
            }
        });
    }

    /// Deletes an object; it stays while it has finalizers.
    pub fn delete(&mut self, key: &Key, now: Timestamp) {
        self.change(key, |object| {
            let metadata = &mut object["metadata"];
            if metadata["deletionTimestamp"].is_null() {
                metadata["deletionTimestamp"] =
                    json!(Timestamp::from_second(now.as_second()).expect("a time"));
                next_generation(object);
            }
        });
    }

    /// Takes all finalizers off.
    pub fn without_finalizers(&mut self, key: &Key) {
        self.change(key, |object| object["metadata"]["finalizers"] = Value::Null);
    }

    /// Sets the annotation requestedAt.
    pub fn request(&mut self, key: &Key, value: &str) {
        self.change(key, |object| {
            object["metadata"]["annotations"] = json!({REQUESTED_AT: value});
        });
    }

    /// Removes the status.
    pub fn wipe(&mut self, key: &Key) {
        self.change(key, |object| object["status"] = PENDING.clone());
    }

    /// The operator's patch of the finalizers.
    pub fn patch_finalizers(
        &mut self,
        key: &Key,
        patch: &Patch<Value>,
    ) -> Result<Arc<DocSpaceBackupSchedule>, Failed> {
        let Patch::Merge(patch) = patch else {
            unreachable!("finalizers are merged")
        };
        let metadata = &self.json(key).ok_or(Failed)?["metadata"];
        let same = |field: &str| patch["metadata"][field] == metadata[field];
        if !same("uid") || !same("resourceVersion") {
            return Err(Failed);
        }
        let before = self.json(key).cloned().unwrap_or_default();
        self.change(key, |object| json_patch::merge(object, patch));
        Ok(self.get(key).unwrap_or_else(|| {
            // Without its last finalizer, a deleted object is gone; the answer still shows it.
            let mut gone = before;
            json_patch::merge(&mut gone, patch);
            Stored::from(gone).object
        }))
    }

    /// The operator's patch of the status.
    pub fn patch_status(
        &mut self,
        key: &Key,
        patch: &Patch<Value>,
    ) -> Result<Arc<DocSpaceBackupSchedule>, Failed> {
        let Patch::Json::<Value>(patch) = patch else {
            unreachable!("a status is patched with a JSON patch")
        };
        let fate = self.fates.pop_front().unwrap_or(StatusFate::Taken);
        if fate == StatusFate::Refused {
            return Err(Failed);
        }
        let mut patched = self.json(key).ok_or(Failed)?.clone();
        json_patch::patch(&mut patched, patch).map_err(|_| Failed)?;
        self.change(key, |object| *object = patched);
        match fate {
            StatusFate::Unseen => Err(Failed),
            _ => self.get(key).ok_or(Failed),
        }
    }

    /// The value and the version of the namespace's storage Secret.
    pub fn storage(&self, namespace: &str) -> (u8, u64) {
        self.storage[place(namespace)]
    }

    /// Writes the storage Secret.
    pub fn set_storage(&mut self, namespace: usize, value: u8) {
        self.storage[namespace] = (value, self.next_version());
    }

    /// The number and the version of the key in the namespace's Secret for a portal.
    pub fn key(&self, namespace: &str, portal: usize) -> Option<(u32, u64)> {
        self.keys[place(namespace)][portal]
    }

    /// Writes the Secret with the key of this number, or removes it.
    pub fn set_key(&mut self, namespace: usize, portal: usize, key: Option<u32>) {
        let version = self.next_version();
        self.keys[namespace][portal] = key.map(|key| (key, version));
    }
}

fn next_generation(object: &mut Value) {
    let generation = &mut object["metadata"]["generation"];
    *generation = json!(generation.as_i64().unwrap_or_default() + 1);
}
