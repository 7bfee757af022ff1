//! What the events of a watch mean for the index and the memories.

use std::sync::PoisonError;

use k8s_openapi::api::core::v1::ObjectReference;

use crate::controller::{
    context::Context,
    index::{Listing, slot::Key},
    left_behind::left_behind,
    publish::publish_event,
    watched::Guarded,
};

impl Context {
    /// Adds or updates a watched object, and wakes the objects whose slot it gave up.
    pub(super) fn file(&self, object: &Guarded) {
        let filed = self.index.file(object);
        if let Some(before) = filed.replaced {
            self.ended(&Key::from_obj(object), before);
        }
        self.wake(filed.others);
    }

    /// Forgets a deleted object, and wakes objects that shared its slot.
    pub(super) fn forget(&self, key: &Key) {
        let (before, others) = self.index.forget(key);
        if let Some(before) = before {
            self.ended(key, before);
        }
        self.wake(others);
    }

    /// Forgets what was remembered of an object that is gone. One that owned its slot and was not released may leave a
    /// schedule behind, for example after somebody removed its finalizer.
    fn ended(&self, key: &Key, before: Listing) {
        let Some(uid) = before.uid else { return };
        self.memories
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&uid);
        let is_leading = *self.filled.borrow();
        let Some(portal) = before.portal.filter(|_| is_leading && !before.released) else {
            return;
        };
        let why = "the object was deleted without the operator, whose finalizer somebody had removed";
        let note = left_behind(&self.metrics, key, &portal, why);
        let object = ObjectReference {
            uid: Some(uid),
            ..key.clone().into()
        };
        let (client, metrics) = (self.client(), self.metrics.clone());
        tokio::spawn(async move { publish_event(&client, &metrics, object, note).await });
    }

    /// Wakes the objects of a scope: changes from before a list of Secrets become known only with it.
    pub(super) fn wake_all(&self, scope: Option<&str>) {
        self.wake(self.in_scope(scope));
    }

    fn in_scope(&self, scope: Option<&str>) -> Vec<Key> {
        let mut keys = self.index.keys();
        keys.retain(|key| scope.is_none() || key.namespace.as_deref() == scope);
        keys
    }

    /// After the objects were listed again: wakes the listed ones and forgets the deleted ones.
    pub(super) fn relisted(&self, scope: Option<&str>) {
        for key in self.in_scope(scope) {
            if self.index.is_there(&key) {
                self.wake(vec![key]);
            } else {
                self.forget(&key);
            }
        }
    }
}
