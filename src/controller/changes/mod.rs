//! The objects of a namespace: a complete list, then each change. The events are those of kube's watcher, and so is what
//! happens after failures. It differs from kube's in what a list may cost:
//!
//! - The API server streams the list, so one object at a time is in memory. The list is as recent as the request, while
//!   kube's watcher would take any older one: a new leader must see its predecessor's writes.
//! - An API server that cannot stream lists (before Kubernetes 1.34, unless it is told to) sends them in small pages.
//! - One list runs at a time, however many namespaces are watched.

use std::{
    collections::VecDeque,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    Stream, StreamExt,
    stream::{BoxStream, unfold},
};
use kube::{
    Api, Resource,
    api::{ListParams, WatchEvent, WatchParams},
    runtime::watcher::{Error, Event, Result},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// The number of lists at a time. An object has at most 1.5 MiB, and is in memory three times while it is read.
const LISTS: usize = 1;
/// The number of objects in a page: up to 9 MiB. 10,000 objects take about 10 s.
pub const PAGE: u32 = 2;
/// A streamed list without a sign of life for this long is no streamed list: the API server does not know its end.
const NEXT_TAKES: Duration = Duration::from_secs(5);
/// How long lists come in pages after one that was not streamed: the API server may only have been busy.
const PAGES_FOR: Duration = Duration::from_secs(600);
/// The time for a page.
const PAGE_TAKES: Duration = Duration::from_secs(30);
/// The API server ends a watch after this many seconds.
const WATCH_TAKES: u32 = 290;
/// A watch that lasts longer than that by this time is dead.
const GRACE: Duration = Duration::from_secs(5);
/// The annotation of the event at the end of a streamed list.
const END_OF_LIST: &str = "k8s.io/initial-events-end";

/// What all lists share; cheap to clone.
#[derive(Clone, Debug)]
pub struct Lists {
    turns: Arc<Semaphore>,
    /// Until when lists come in pages, if the API server did not stream one.
    pages_until: Arc<Mutex<Option<Instant>>>,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(LISTS)),
            pages_until: Arc::default(),
        }
    }
}

/// The changes of a watch.
type Changes<K> = BoxStream<'static, kube::Result<WatchEvent<K>>>;
/// Held while a list runs.
type Turn = Option<OwnedSemaphorePermit>;

enum State<K> {
    /// The next step is a list.
    Begin,
    Streamed(Turn, Changes<K>),
    Paged(Turn, Page<K>),
    /// The next step is a watch from this version on.
    Listed(String),
    Watching(String, Changes<K>),
}

/// A page whose objects are handed on one by one.
struct Page<K> {
    objects: VecDeque<K>,
    /// Where the next page begins; `None` for the first one.
    next: Option<String>,
    /// The version of the list, once its last page is there.
    version: Option<String>,
}

/// What is listed and watched.
struct Objects<K> {
    api: Api<K>,
    /// A label selector.
    labels: Option<String>,
}

impl<K> Objects<K> {
    fn watch(&self, list: bool) -> WatchParams {
        WatchParams {
            label_selector: self.labels.clone(),
            timeout: Some(WATCH_TAKES),
            send_initial_events: list,
            ..WatchParams::default()
        }
    }

    fn page(&self, next: Option<String>) -> ListParams {
        ListParams {
            label_selector: self.labels.clone(),
            limit: Some(PAGE),
            continue_token: next,
            ..ListParams::default()
        }
    }
}

/// The events of these objects, without an end. After an error, the next poll tries again; the caller makes pauses.
/// Only objects whose labels match are listed and watched.
pub fn changes<K>(
    api: Api<K>,
    lists: Lists,
    labels: Option<String>,
) -> impl Stream<Item = Result<Event<K>>> + Send
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let objects = Objects { api, labels };
    unfold(
        (objects, lists, State::Begin),
        async |(objects, lists, mut state)| {
            loop {
                let (event, next) = step(&objects, &lists, state).await;
                state = next;
                if let Some(event) = event {
                    return Some((event, (objects, lists, state)));
                }
            }
        },
    )
}

type Step<K> = (Option<Result<Event<K>>>, State<K>);

async fn step<K>(objects: &Objects<K>, lists: &Lists, state: State<K>) -> Step<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    match state {
        State::Begin => begin(objects, lists).await,
        State::Streamed(turn, list) => streamed(lists, turn, list).await,
        State::Paged(turn, page) => paged(objects, turn, page).await,
        State::Listed(version) => match objects.api.watch(&objects.watch(false), &version).await {
            Ok(changes) => (None, State::Watching(version, changes.boxed())),
            Err(error) => {
                let next = match &error {
                    kube::Error::Api(status) => after_refusal(status.code, version),
                    _ => State::Listed(version),
                };
                (Some(Err(Error::WatchStartFailed(error))), next)
            }
        },
        State::Watching(version, changes) => watching(version, changes).await,
    }
}

async fn begin<K>(objects: &Objects<K>, lists: &Lists) -> Step<K>
where
    K: Clone + Debug + DeserializeOwned + Send + 'static,
{
    // Never closed.
    let turn = lists.turns.clone().acquire_owned().await.ok();
    let first = || Page {
        objects: VecDeque::new(),
        next: None,
        version: None,
    };
    if lists.come_in_pages() {
        return (Some(Ok(Event::Init)), State::Paged(turn, first()));
    }
    // Without a version, the list is as recent as this request.
    match timeout(NEXT_TAKES, objects.api.watch(&objects.watch(true), "")).await {
        Ok(Ok(list)) => (Some(Ok(Event::Init)), State::Streamed(turn, list.boxed())),
        Ok(Err(error)) if !refuses_to_stream(&error) => {
            (Some(Err(Error::InitialListFailed(error))), State::Begin)
        }
        Ok(Err(_)) | Err(_) => {
            lists.was_not_streamed();
            (None, State::Begin)
        }
    }
}

/// Whether the request is invalid for this API server: it does not know it, or has it switched off.
fn refuses_to_stream(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 422))
}

impl Lists {
    fn come_in_pages(&self) -> bool {
        let until = *self.pages_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn was_not_streamed(&self) {
        let until = Instant::now().checked_add(PAGES_FOR);
        let before = std::mem::replace(
            &mut *self.pages_until.lock().unwrap_or_else(PoisonError::into_inner),
            until,
        );
        if before.is_none() {
            tracing::info!(
                "the API server did not stream a list; the operator reads lists in pages for ten minutes"
            );
        }
    }
}

async fn streamed<K>(lists: &Lists, turn: Turn, mut list: Changes<K>) -> Step<K> {
    match timeout(NEXT_TAKES, list.next()).await {
        Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
            (Some(Ok(Event::InitApply(object))), State::Streamed(turn, list))
        }
        // A new watch, because this one keeps room for its largest object.
        Ok(Some(Ok(WatchEvent::Bookmark(end)))) if end.metadata.annotations.contains_key(END_OF_LIST) => (
            Some(Ok(Event::InitDone)),
            State::Listed(end.metadata.resource_version),
        ),
        Ok(Some(Ok(WatchEvent::Bookmark(_) | WatchEvent::Deleted(_)))) => (None, State::Streamed(turn, list)),
        Ok(Some(Ok(WatchEvent::Error(status)))) => (Some(Err(Error::WatchError(status))), State::Begin),
        Ok(Some(Err(error))) => (Some(Err(Error::WatchFailed(error))), State::Begin),
        // The end is not told: the wish for a list was ignored.
        Ok(None) | Err(_) => {
            lists.was_not_streamed();
            (None, State::Begin)
        }
    }
}

async fn paged<K>(objects: &Objects<K>, turn: Turn, mut page: Page<K>) -> Step<K>
where
    K: Clone + Debug + DeserializeOwned,
{
    if let Some(object) = page.objects.pop_front() {
        return (Some(Ok(Event::InitApply(object))), State::Paged(turn, page));
    }
    if let Some(version) = page.version {
        return (Some(Ok(Event::InitDone)), State::Listed(version));
    }
    let wanted = objects.page(page.next);
    let list = match timeout(PAGE_TAKES, objects.api.list(&wanted)).await {
        Ok(Ok(list)) => list,
        Ok(Err(error)) => return (Some(Err(Error::InitialListFailed(error))), State::Begin),
        Err(late) => {
            let late = kube::Error::Service(late.into());
            return (Some(Err(Error::InitialListFailed(late))), State::Begin);
        }
    };
    let next = list.metadata.continue_.filter(|token| !token.is_empty());
    let version = list
        .metadata
        .resource_version
        .filter(|version| !version.is_empty());
    if next.is_none() && version.is_none() {
        return (Some(Err(Error::NoResourceVersion)), State::Begin);
    }
    let page = Page {
        objects: list.items.into(),
        version: version.filter(|_| next.is_none()),
        next,
    };
    (None, State::Paged(turn, page))
}

/// Where the version is too old (410), the objects must be listed again.
fn after_refusal<K>(code: u16, version: String) -> State<K> {
    match code {
        410 => State::Begin,
        _ => State::Listed(version),
    }
}

async fn watching<K: Resource>(version: String, mut changes: Changes<K>) -> Step<K> {
    let longest = Duration::from_secs(WATCH_TAKES.into()) + GRACE;
    let (object, event): (_, fn(K) -> Event<K>) = match timeout(longest, changes.next()).await {
        Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => (object, Event::Apply),
        Ok(Some(Ok(WatchEvent::Deleted(object)))) => (object, Event::Delete),
        Ok(Some(Ok(WatchEvent::Bookmark(mark)))) => {
            return (None, State::Watching(mark.metadata.resource_version, changes));
        }
        Ok(Some(Ok(WatchEvent::Error(status)))) => {
            let next = after_refusal(status.code, version);
            return (Some(Err(Error::WatchError(status))), next);
        }
        Ok(Some(Err(error))) => return (Some(Err(Error::WatchFailed(error))), State::Listed(version)),
        Ok(None) | Err(_) => return (None, State::Listed(version)),
    };
    match object.meta().resource_version.clone() {
        Some(version) if !version.is_empty() => (Some(Ok(event(object))), State::Watching(version, changes)),
        _ => (Some(Err(Error::NoResourceVersion)), State::Begin),
    }
}

#[cfg(test)]
mod tests;
