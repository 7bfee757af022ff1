//! Which object is reconciled when. A wake is carried out at once; what is due by time alone is paced, so that many
//! objects that are due together, for example after a start or at one hour, do not gather.

mod due;

use std::{
    collections::{HashMap, hash_map::Entry},
    future::poll_fn,
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::JoinError,
    time::{Instant, sleep_until},
};
use tokio_util::{
    sync::CancellationToken,
    time::{DelayQueue, delay_queue},
};

use crate::controller::{key::Key, queue::due::Due};

/// When an object is reconciled next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When it is woken.
    Change,
    /// After this time at the latest.
    After(Duration),
}

/// What is due after a wait of at least this long is paced. Shorter waits are for a further look at what is new.
const ROUTINE: Duration = Duration::from_secs(60);
/// The pace follows the number of objects at this interval.
const PACE_FOLLOWS: Duration = Duration::from_secs(10);
/// A reconcile that ended without a result is repeated after this time.
const AFTER_A_FAULT: Duration = Duration::from_secs(60);

/// Where an object is.
enum Place {
    /// It waits for a time, to be paced then or not.
    Timer(delay_queue::Key, bool),
    /// It is due and waits for the pace.
    Due,
    /// It is reconciled now, and once more afterwards if it was woken meanwhile.
    Running { again: bool },
}

/// The objects that wait or run.
struct Queue<W> {
    work: W,
    places: HashMap<Key, Place>,
    timers: DelayQueue<Key>,
    due: Due,
}

/// Reconciles objects until the operator stops, and then waits for the running ones. `work` reconciles one; `pace` says
/// how many per second may be due by time alone.
pub async fn run<F>(
    mut wakes: UnboundedReceiver<Key>,
    work: impl Fn(Key) -> Option<F>,
    pace: impl Fn() -> f64,
    stop: CancellationToken,
) where
    F: Future<Output = Next> + Send + 'static,
{
    let mut queue = Queue {
        work,
        places: HashMap::new(),
        timers: DelayQueue::new(),
        due: Due::default(),
    };
    let mut running = FuturesUnordered::new();
    let mut pause = Duration::ZERO;
    let (mut next_due, mut renewed) = (Instant::now(), None);
    loop {
        if renewed.is_none_or(|at: Instant| at.elapsed() >= PACE_FOLLOWS) {
            pause = Duration::try_from_secs_f64(pace().recip()).unwrap_or(PACE_FOLLOWS);
            renewed = Some(Instant::now());
        }
        let started = tokio::select! {
            () = stop.cancelled() => break,
            Some((key, ended)) = running.next() => queue.ended(key, ended),
            Some(key) = wakes.recv() => queue.wake(key),
            Some(expired) = poll_fn(|task| queue.timers.poll_expired(task)), if !queue.timers.is_empty() => {
                queue.expired(expired.into_inner())
            }
            () = sleep_until(next_due), if !queue.due.is_empty() => {
                next_due = Instant::now() + pause;
                queue.next_due()
            }
        };
        if let Some((key, work)) = started {
            running.push(async move { (key, tokio::spawn(work).await) });
        }
    }
    while running.next().await.is_some() {}
}

/// An object and its work, which begins now.
type Started<F> = Option<(Key, F)>;

impl<F, W: Fn(Key) -> Option<F>> Queue<W> {
    fn wake(&mut self, key: Key) -> Started<F> {
        match self.places.get_mut(&key) {
            Some(Place::Running { again }) => {
                *again = true;
                return None;
            }
            Some(Place::Timer(timer, _)) => {
                self.timers.try_remove(timer);
            }
            // Its entry there is passed over.
            Some(Place::Due) | None => {}
        }
        self.start(key)
    }

    /// Begins the work on an object, unless there is none.
    fn start(&mut self, key: Key) -> Started<F> {
        let Some(work) = (self.work)(key.clone()) else {
            self.places.remove(&key);
            return None;
        };
        // One copy of the key's text for all of its reconciles.
        let key = match self.places.entry(key) {
            Entry::Occupied(mut place) => {
                place.insert(Place::Running { again: false });
                place.key().clone()
            }
            Entry::Vacant(place) => {
                let key = place.key().clone();
                place.insert(Place::Running { again: false });
                key
            }
        };
        Some((key, work))
    }

    fn ended(&mut self, key: Key, ended: Result<Next, JoinError>) -> Started<F> {
        if let Some(Place::Running { again: true }) = self.places.get(&key) {
            return self.start(key);
        }
        match ended.unwrap_or(Next::After(AFTER_A_FAULT)) {
            Next::Change => {
                self.places.remove(&key);
            }
            Next::After(Duration::ZERO) => self.make_due(key),
            Next::After(wait) => {
                let timer = self.timers.insert(key.clone(), wait.min(LONGEST));
                self.places.insert(key, Place::Timer(timer, wait >= ROUTINE));
            }
        }
        None
    }

    fn expired(&mut self, key: Key) -> Started<F> {
        match self.places.get(&key) {
            Some(Place::Timer(_, true)) => self.make_due(key),
            Some(Place::Timer(_, false)) => return self.start(key),
            _ => {}
        }
        None
    }

    fn make_due(&mut self, key: Key) {
        self.due.push(key.clone());
        self.places.insert(key, Place::Due);
    }

    fn next_due(&mut self) -> Started<F> {
        while let Some(key) = self.due.pop() {
            if let Some(Place::Due) = self.places.get(&key) {
                return self.start(key);
            }
        }
        None
    }
}

/// The longest wait, far below what timers can hold.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests;
