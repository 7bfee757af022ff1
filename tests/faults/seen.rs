//! Every version of the object that the API server had, seen past the faults.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use futures::{StreamExt, pin_mut};
use kube::{
    Api,
    runtime::watcher::{self, Event},
};
use tokio::{sync::Notify, task::JoinHandle};

/// A version, and when it was seen; none: the object is gone.
pub type Version = (Instant, Option<Arc<DocSpaceBackupSchedule>>);

/// The versions of the only object of a namespace.
pub struct Seen {
    versions: Arc<Mutex<Vec<Version>>>,
    changed: Arc<Notify>,
    watch: JoinHandle<()>,
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Seen {
    /// Begins to watch.
    pub fn of(api: Api<DocSpaceBackupSchedule>) -> Self {
        let (versions, changed) = (Arc::<Mutex<Vec<Version>>>::default(), Arc::<Notify>::default());
        let (seen, tell) = (versions.clone(), changed.clone());
        let watch = tokio::spawn(async move {
            let events = watcher::watcher(api, watcher::Config::default());
            pin_mut!(events);
            let mut listed = false;
            while let Some(event) = events.next().await {
                let version = match event {
                    Ok(Event::Apply(object)) => Some(Arc::new(object)),
                    Ok(Event::InitApply(object)) => {
                        listed = true;
                        Some(Arc::new(object))
                    }
                    Ok(Event::Init) => {
                        listed = false;
                        continue;
                    }
                    // A new list does not tell what went meanwhile.
                    Ok(Event::InitDone) if !listed => None,
                    Ok(Event::Delete(_)) => None,
                    // It is repeated.
                    Ok(Event::InitDone) | Err(_) => continue,
                };
                seen.lock()
                    .expect("nobody panicked")
                    .push((Instant::now(), version));
                tell.notify_waiters();
            }
        });
        Self {
            versions,
            changed,
            watch,
        }
    }

    /// The object now; none if it is gone, or was never seen.
    pub fn newest(&self) -> Option<Arc<DocSpaceBackupSchedule>> {
        self.versions
            .lock()
            .expect("nobody panicked")
            .last()
            .and_then(|(_, version)| version.clone())
    }

    /// Everything until now.
    pub fn all(&self) -> Vec<Version> {
        self.versions.lock().expect("nobody panicked").clone()
    }

    /// Waits for the next version.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
