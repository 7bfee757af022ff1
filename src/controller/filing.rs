//! What the events of a watch mean for the index and the memories.

use std::{collections::HashSet, sync::Arc};

use kube::{Api, Client, Resource, api::ObjectMeta};

use crate::{
    controller::{
        context::Context,
        index::{Filed, Listing, Source},
        key::Key,
        left_behind::left_behind,
        metrics::Metrics,
        publish::publish_event,
        watched::{Guarded, Metadata},
    },
    error::chain,
};

/// Why the watch no longer has an object.
#[derive(Clone, Copy)]
enum End {
    /// It is deleted.
    Deleted,
    /// Its labels no longer match the selector.
    Left,
    /// It is one of both.
    Either,
}

/// An object that owned its slot and ended without having been released.
struct Ended {
    key: Key,
    uid: Arc<str>,
    portal: Box<str>,
    end: End,
}

impl Context {
    /// Adds or updates an object, and wakes the objects whose slot it gave up; returns its key, and whether it must be
    /// reconciled.
    pub(super) fn file(&self, object: impl Resource + Into<Guarded>, source: Source) -> (Key, bool) {
        let Filed {
            key,
            is_news,
            others,
            replaced,
        } = self.index.file(object, source);
        if let Some(before) = replaced {
            self.tell_ended(self.ended(&key, before, End::Deleted));
        }
        self.wake(others);
        (key, is_news)
    }

    /// Forgets an object that the watch reports as deleted. With a selector, the watch reports the same of one whose labels
    /// no longer match, and in both cases shows it as it was before.
    pub(super) fn forget(&self, object: &impl Resource) {
        let end = match self.end() {
            End::Either if cannot_be_deleted(object.meta()) => End::Left,
            end => end,
        };
        self.tell_ended(self.end_of(&Key::of(object), end));
    }

    /// What is known of the end of an object that the watch no longer has.
    fn end(&self) -> End {
        match self.settings.selector.selects_all() {
            true => End::Deleted,
            false => End::Either,
        }
    }

    /// Forgets an object, and wakes objects that shared its slot.
    fn end_of(&self, key: &Key, end: End) -> Option<Ended> {
        let (before, others) = self.index.forget(key);
        self.wake(others);
        self.ended(key, before?, end)
    }

    /// Forgets what was remembered of an object that ended. One that owned its slot and was not released may leave a
    /// schedule behind, for example after somebody removed its finalizer.
    fn ended(&self, key: &Key, before: Listing, end: End) -> Option<Ended> {
        let uid = before.uid?;
        self.forget_memory(key);
        let is_leading = *self.filled.borrow();
        let portal = before.portal.filter(|_| is_leading && !before.released)?;
        Some(Ended {
            key: key.clone(),
            uid,
            portal,
            end,
        })
    }

    /// Tells of schedules that may be left behind.
    fn tell_ended(&self, ended: impl IntoIterator<Item = Ended>) {
        let ended: Vec<_> = ended.into_iter().collect();
        if ended.is_empty() {
            return;
        }
        let why = match self.end() {
            End::Deleted => {
                "the object was deleted without the operator, whose finalizer somebody had removed"
            }
            _ => {
                "the object was deleted without this operator: somebody had removed its finalizer, or changed its labels \
                 before"
            }
        };
        let (client, metrics) = (self.client(), self.metrics.clone());
        tokio::spawn(async move {
            // One after the other: many may end at once.
            for ended in ended {
                ended.tell(&client, &metrics, why).await;
            }
        });
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

    /// After a list of a scope: wakes the listed objects and forgets the others.
    pub(super) fn relisted(&self, scope: Option<&str>, listed: &HashSet<Key>) {
        let mut ended = Vec::new();
        for key in self.in_scope(scope) {
            if listed.contains(&key) {
                self.wake(vec![key]);
            } else {
                ended.extend(self.end_of(&key, self.end()));
            }
        }
        self.tell_ended(ended);
    }
}

/// Before the API server deletes an object that has finalizers, it marks it.
fn cannot_be_deleted(before: &ObjectMeta) -> bool {
    before.deletion_timestamp.is_none() && before.finalizers.as_ref().is_some_and(|all| !all.is_empty())
}

impl Ended {
    async fn tell(self, client: &Client, metrics: &Metrics, why: &str) {
        let (name, namespace) = (self.key.name(), self.key.namespace());
        let left = match self.end {
            End::Deleted => Ok(false),
            End::Left => Ok(true),
            End::Either => self.is_there(client).await,
        };
        match left {
            Ok(false) => {
                let note = left_behind(metrics, &self.key, &self.portal, why);
                let object = self.key.reference(&self.uid);
                publish_event(client, metrics, object, note).await;
            }
            Ok(true) => tracing::info!(
                name,
                namespace,
                "the labels no longer match; this operator no longer handles the object"
            ),
            Err(error) => tracing::warn!(
                name,
                namespace,
                portal = &*self.portal,
                error = chain(&error),
                "the object is deleted, or its labels no longer match; if it is deleted, a schedule may remain in the portal"
            ),
        }
    }

    /// Whether the object still exists.
    async fn is_there(&self, client: &Client) -> kube::Result<bool> {
        let api = Api::<Metadata>::namespaced(client.clone(), self.key.namespace());
        let now = api.get_opt(self.key.name()).await?;
        Ok(now.is_some_and(|now| now.metadata.uid.as_deref() == Some(&*self.uid)))
    }
}
