//! What lists, watches and this operator's own writes mean for the index and the memories.

use std::{collections::HashSet, sync::PoisonError};

use crate::controller::{
    context::Context,
    index::{Listing, Source},
    key::Key,
    left_behind::left_behind,
    publish::publish_event,
    watched::Guarded,
};

impl Context {
    /// Adds or updates an object, and wakes the objects whose slot it gave up; returns whether it must be reconciled.
    pub(super) fn file(&self, object: Guarded, source: Source) -> bool {
        let key = Key::of(&object);
        let filed = self.index.file(object, source);
        if let Some(before) = filed.replaced {
            self.ended(&key, before);
        }
        self.wake(filed.others);
        filed.is_news
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
            .remove(key);
        let is_leading = *self.filled.borrow();
        let Some(portal) = before.portal.filter(|_| is_leading && !before.released) else {
            return;
        };
        let why = "the object was deleted without the operator, whose finalizer somebody had removed";
        let note = left_behind(&self.metrics, key, &portal, why);
        let object = key.reference(&uid);
        let (client, metrics) = (self.client(), self.metrics.clone());
        tokio::spawn(async move { publish_event(&client, &metrics, object, note).await });
    }

    /// Wakes the objects of a scope: changes from before a list of Secrets become known only with it.
    pub(super) fn wake_all(&self, scope: Option<&str>) {
        self.wake(self.in_scope(scope));
    }

    fn in_scope(&self, scope: Option<&str>) -> Vec<Key> {
        let mut keys = self.index.keys();
        keys.retain(|key| scope.is_none_or(|scope| key.namespace() == scope));
        keys
    }

    /// After a list of a scope: wakes the listed objects and forgets the deleted ones.
    pub(super) fn relisted(&self, scope: Option<&str>, listed: &HashSet<Key>) {
        for key in self.in_scope(scope) {
            if listed.contains(&key) {
                self.wake(vec![key]);
            } else {
                self.forget(&key);
            }
        }
    }
}
