//! Which object is reconciled when. A wake is carried out at once; what is due by time alone is paced, so that many
//! objects that are due together, for example after a start or at one hour, do not gather.

mod due;

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::Arc,
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
    /// After this time at the latest; zero for as soon as the pace allows.
    After(Duration),
}

/// What is due after a wait of at least this long is paced. Shorter waits are for a further look at what is new.
const ROUTINE: Duration = Duration::from_secs(60);
/// The pace follows the number of objects at this interval.
const PACE_FOLLOWS: Duration = Duration::from_secs(10);
/// The number of reconciles in a line that run or wait for their turn at a time; more than can have one.
const MOST_OF_ONE: usize = 128;
/// A reconcile that ended without a result is repeated after this time.
const AFTER_A_FAULT: Duration = Duration::from_secs(60);
/// The longest wait, far below what timers can hold.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where an object is.
enum Place {
    /// It waits for a time, to be paced then or not.
    Timer(delay_queue::Key, bool),
    /// It is due and waits for the pace.
    Due,
    /// It waits until fewer of its line run.
    Ready,
    /// It is reconciled now, in this line, and once more afterwards if it was woken meanwhile.
    Running { line: Line, again: bool },
}

/// A namespace, and whether these are its objects whose portal hung: they must not hold up its others.
type Line = (Arc<str>, bool);

/// The objects that wait or run.
struct Queue<W, H, F> {
    work: W,
    hung: H,
    /// Objects and their work, which begins now.
    begun: Vec<(Key, F)>,
    places: HashMap<Key, Place>,
    timers: DelayQueue<Key>,
    due: Due,
    lines: HashMap<Line, InLine>,
}

/// What runs of a line, and what waits for the end of that.
#[derive(Default)]
struct InLine {
    running: usize,
    ready: VecDeque<Key>,
}

/// Reconciles objects until the operator stops, and then waits for the running ones. `work` reconciles one; `hung` says
/// whether its portal hung; `pace` says how many per second may be due by time alone.
pub async fn run<F>(
    mut wakes: UnboundedReceiver<Key>,
    work: impl Fn(Key) -> Option<F>,
    hung: impl Fn(&Key) -> bool,
    pace: impl Fn() -> f64,
    stop: CancellationToken,
) where
    F: Future<Output = Next> + Send + 'static,
{
    let mut queue = Queue {
        work,
        hung,
        begun: Vec::new(),
        places: HashMap::new(),
        timers: DelayQueue::new(),
        due: Due::default(),
        lines: HashMap::new(),
    };
    let mut running = FuturesUnordered::new();
    let mut pause = Duration::ZERO;
    let (mut next_due, mut renewed) = (Instant::now(), None);
    loop {
        if renewed.is_none_or(|at: Instant| at.elapsed() >= PACE_FOLLOWS) {
            pause = Duration::try_from_secs_f64(pace().recip()).unwrap_or(PACE_FOLLOWS);
            renewed = Some(Instant::now());
        }
        tokio::select! {
            () = stop.cancelled() => break,
            Some((key, ended)) = running.next() => queue.ended(key, ended),
            Some(key) = wakes.recv() => queue.wake(key),
            Some(expired) = poll_fn(|task| queue.timers.poll_expired(task)), if !queue.timers.is_empty() => {
                queue.expired(expired.into_inner());
            }
            () = sleep_until(next_due), if !queue.due.is_empty() => {
                next_due = Instant::now() + pause;
                queue.next_due();
            }
        }
        for (key, work) in queue.begun.drain(..) {
            running.push(async move { (key, tokio::spawn(work).await) });
        }
    }
    while running.next().await.is_some() {}
}

impl<F, W: Fn(Key) -> Option<F>, H: Fn(&Key) -> bool> Queue<W, H, F> {
    fn wake(&mut self, key: Key) {
        match self.places.get_mut(&key) {
            Some(Place::Running { again, .. }) => {
                *again = true;
                return;
            }
            Some(Place::Ready) => return,
            Some(Place::Timer(timer, _)) => {
                self.timers.try_remove(timer);
            }
            // Its entry there is passed over.
            Some(Place::Due) | None => {}
        }
        self.start(key);
    }

    /// Begins the work on an object, or lets it wait for that of others.
    fn start(&mut self, key: Key) {
        let line = (key.namespace().into(), (self.hung)(&key));
        self.places.insert(key.clone(), Place::Ready);
        self.lines.entry(line.clone()).or_default().ready.push_back(key);
        self.begin_in(&line);
    }

    /// Begins the work on objects of a line for which there is room.
    fn begin_in(&mut self, line: &Line) {
        let Some(of) = self.lines.get_mut(line) else {
            return;
        };
        while of.running < MOST_OF_ONE
            && let Some(key) = of.ready.pop_front()
        {
            let Some(work) = (self.work)(key.clone()) else {
                self.places.remove(&key);
                continue;
            };
            of.running += 1;
            let (line, again) = (line.clone(), false);
            self.places.insert(key.clone(), Place::Running { line, again });
            self.begun.push((key, work));
        }
        if of.running == 0 {
            self.lines.remove(line);
        }
    }

    fn ended(&mut self, key: Key, ended: Result<Next, JoinError>) {
        let Some(Place::Running { line, again }) = self.places.remove(&key) else {
            return;
        };
        if let Some(of) = self.lines.get_mut(&line) {
            of.running -= 1;
        }
        match ended.unwrap_or(Next::After(AFTER_A_FAULT)) {
            // In the line that it belongs to now.
            _ if again => self.start(key),
            Next::Change => {}
            Next::After(Duration::ZERO) => self.make_due(key),
            Next::After(wait) => {
                let timer = self.timers.insert(key.clone(), wait.min(LONGEST));
                self.places.insert(key, Place::Timer(timer, wait >= ROUTINE));
            }
        }
        self.begin_in(&line);
    }

    fn expired(&mut self, key: Key) {
        match self.places.get(&key) {
            Some(Place::Timer(_, true)) => self.make_due(key),
            Some(Place::Timer(_, false)) => self.start(key),
            _ => {}
        }
    }

    fn make_due(&mut self, key: Key) {
        self.due.push(key.clone());
        self.places.insert(key, Place::Due);
    }

    fn next_due(&mut self) {
        while let Some(key) = self.due.pop() {
            if let Some(Place::Due) = self.places.get(&key) {
                return self.start(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
