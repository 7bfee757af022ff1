//! Places that namespaces share: however many wait in one, the others get their turn.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// A number of places (or bytes), of which one namespace may hold at most a share; cheap to clone.
///
/// A free place goes to the waiting namespace that holds the fewest, and within it to whoever came first.
#[derive(Clone)]
pub struct Shares(Arc<Mutex<State>>);

struct State {
    free: usize,
    most_of_one: usize,
    /// The namespaces that hold places or wait for some.
    namespaces: HashMap<Arc<str>, Namespace>,
    /// Those that wait, in the order of their turns: how much they hold, and when their first waiter came.
    turns: BTreeSet<(usize, u64, Arc<str>)>,
    /// Waiters that came so far; the order of arrival.
    came: u64,
}

#[derive(Default)]
struct Namespace {
    held: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    came: u64,
    wanted: usize,
    granted: oneshot::Sender<Share>,
}

/// Held places; given back when dropped.
#[must_use]
pub struct Share {
    of: Shares,
    namespace: Arc<str>,
    places: usize,
}

impl Shares {
    /// As many places, of which a namespace may hold at most `most_of_one`.
    pub fn new(places: usize, most_of_one: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: places,
            most_of_one: most_of_one.min(places),
            namespaces: HashMap::new(),
            turns: BTreeSet::new(),
            came: 0,
        })))
    }

    /// Waits for this many places. More than a namespace's share count as its whole share.
    pub async fn acquire(&self, namespace: &str, places: usize) -> Share {
        loop {
            let mut queued = match self.request(namespace, places) {
                Ok(share) => return share,
                Err(granted) => Queued {
                    of: self,
                    granted: Some(granted),
                },
            };
            // The sender lives in the queue until it has sent.
            let granted = match &mut queued.granted {
                Some(granted) => granted.await,
                None => continue,
            };
            if let Ok(share) = granted {
                return share;
            }
        }
    }

    /// The places, if they are free and nobody waits who comes first.
    pub fn try_acquire(&self, namespace: &str, places: usize) -> Option<Share> {
        let mut state = self.state();
        let wanted = places.min(state.most_of_one);
        let namespace: Arc<str> = namespace.into();
        (state.next().is_none() && state.has_room(&namespace, wanted))
            .then(|| self.grant(&mut state, namespace, wanted))
    }

    fn request(&self, namespace: &str, places: usize) -> Result<Share, oneshot::Receiver<Share>> {
        let mut state = self.state();
        let wanted = places.min(state.most_of_one);
        let namespace: Arc<str> = namespace.into();
        let is_first = state.next().is_none() && !state.waits(&namespace);
        if is_first && state.has_room(&namespace, wanted) {
            return Ok(self.grant(&mut state, namespace, wanted));
        }
        let (granted, receiver) = oneshot::channel();
        state.came += 1;
        let waiting = Waiting {
            came: state.came,
            wanted,
            granted,
        };
        state.change(&namespace, |namespace| namespace.waiting.push_back(waiting));
        Err(receiver)
    }

    fn grant(&self, state: &mut State, namespace: Arc<str>, places: usize) -> Share {
        state.free -= places;
        state.change(&namespace, |namespace| namespace.held += places);
        Share {
            of: self.clone(),
            namespace,
            places,
        }
    }

    fn give_back(&self, namespace: &Arc<str>, places: usize) {
        let mut state = self.state();
        state.give_back(namespace, places);
        self.grant_waiting(&mut state);
    }

    /// Grants what there is room for.
    fn grant_waiting(&self, state: &mut State) {
        while let Some((namespace, waiting)) = state.take_next() {
            let share = self.grant(state, namespace, waiting.wanted);
            if let Err(mut share) = waiting.granted.send(share) {
                // Nobody waits any more. Given back here, because dropping it would take the lock again.
                let places = std::mem::take(&mut share.places);
                state.give_back(&share.namespace, places);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A waiter. When it goes away, what it waited for may suffice for those behind it.
struct Queued<'a> {
    of: &'a Shares,
    granted: Option<oneshot::Receiver<Share>>,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        // Not under the lock: it may hold a share that was granted just now.
        drop(self.granted.take());
        let mut state = self.of.state();
        self.of.grant_waiting(&mut state);
    }
}

impl State {
    fn has_room(&self, namespace: &str, wanted: usize) -> bool {
        let held = self
            .namespaces
            .get(namespace)
            .map_or(0, |namespace| namespace.held);
        wanted <= self.free && held + wanted <= self.most_of_one
    }

    fn waits(&self, namespace: &str) -> bool {
        self.first_of(namespace).is_some()
    }

    fn first_of(&self, namespace: &str) -> Option<&Waiting> {
        self.namespaces.get(namespace)?.waiting.front()
    }

    /// Changes what a namespace holds or waits for, and its turn.
    fn change<T>(&mut self, name: &Arc<str>, change: impl FnOnce(&mut Namespace) -> T) -> T {
        let namespace = self.namespaces.entry(name.clone()).or_default();
        let before = namespace.turn(name);
        let result = change(namespace);
        let after = namespace.turn(name);
        if namespace.held == 0 && after.is_none() {
            self.namespaces.remove(name);
        }
        if before != after {
            before.map(|before| self.turns.remove(&before));
            self.turns.extend(after);
        }
        result
    }

    fn give_back(&mut self, namespace: &Arc<str>, places: usize) {
        self.free += places;
        self.change(namespace, |namespace| namespace.held -= places);
    }

    /// The namespace whose turn it is: of those within their share, the one that holds the fewest places, then the one
    /// that waits longest.
    fn next(&mut self) -> Option<Arc<str>> {
        loop {
            let within = |(held, _, name): &&(usize, u64, Arc<str>)| {
                self.first_of(name)
                    .is_some_and(|first| held + first.wanted <= self.most_of_one)
            };
            let (_, _, name) = self.turns.iter().find(within)?;
            if self
                .first_of(name)
                .is_some_and(|first| !first.granted.is_closed())
            {
                return Some(name.clone());
            }
            // Nobody waits there any more.
            let name = name.clone();
            self.change(&name, |namespace| namespace.waiting.pop_front());
        }
    }

    /// Takes the next waiter out of its queue, if there is room. One that wants much is not overtaken for ever.
    fn take_next(&mut self) -> Option<(Arc<str>, Waiting)> {
        let name = self.next()?;
        let wanted = self.first_of(&name)?.wanted;
        if wanted > self.free {
            return None;
        }
        let waiting = self.change(&name, |namespace| namespace.waiting.pop_front())?;
        Some((name, waiting))
    }
}

impl Namespace {
    /// Its place among the turns, if it waits.
    fn turn(&self, name: &Arc<str>) -> Option<(usize, u64, Arc<str>)> {
        Some((self.held, self.waiting.front()?.came, name.clone()))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.places > 0 {
            self.of.give_back(&self.namespace, self.places);
        }
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shares({} free)", self.state().free)
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({})", self.places)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::Pin, task::Poll};

    use futures::{FutureExt, poll};

    use super::*;

    type Waiter<'a> = Pin<Box<dyn Future<Output = Share> + 'a>>;

    /// Waiters in this order, all of them in the queue.
    async fn queue<'a>(shares: &'a Shares, namespaces: &[&'a str]) -> Vec<Waiter<'a>> {
        let mut waiters = Vec::new();
        for namespace in namespaces {
            let mut waiter: Waiter = Box::pin(shares.acquire(namespace, 1));
            assert!(matches!(poll!(&mut waiter), Poll::Pending), "{namespace}");
            waiters.push(waiter);
        }
        waiters
    }

    #[tokio::test]
    async fn who_holds_the_fewest_comes_first() {
        let shares = Shares::new(3, 3);
        let mut held: Vec<_> = vec![
            shares.acquire("many", 1).await,
            shares.acquire("many", 1).await,
            shares.acquire("few", 1).await,
        ];
        let mut waiters = queue(&shares, &["many", "many", "few", "none"]).await;
        let mut order = Vec::new();
        while !waiters.is_empty() {
            drop(held.remove(0));
            let at = waiters
                .iter_mut()
                .position(|waiter| {
                    let share = waiter.now_or_never();
                    let share = share.map(|share| {
                        order.push(share.namespace.to_string());
                        held.push(share);
                    });
                    share.is_some()
                })
                .expect("a place was given back");
            drop(waiters.remove(at));
        }
        assert_eq!(order, ["none", "many", "few", "many"]);
    }

    #[tokio::test]
    async fn a_namespace_holds_no_more_than_its_share() {
        let shares = Shares::new(4, 2);
        let held = shares.acquire("a", 9).await;
        assert_eq!(held.places, 2);
        assert!(shares.acquire("a", 1).now_or_never().is_none());
        let other = shares.acquire("b", 1).now_or_never().expect("room");
        let more = shares.acquire("b", 1).now_or_never().expect("room");
        assert!(shares.try_acquire("c", 1).is_none());
        drop(more);
        assert!(shares.try_acquire("c", 1).is_some());
        drop((held, other));
        let state = shares.state();
        assert_eq!((state.free, state.namespaces.len()), (4, 0));
    }

    #[tokio::test]
    async fn one_that_wants_much_is_not_overtaken() {
        let shares = Shares::new(4, 4);
        let (one, three) = (shares.acquire("a", 1).await, shares.acquire("b", 3).await);
        let mut much: Waiter = Box::pin(shares.acquire("c", 4));
        assert!(matches!(poll!(&mut much), Poll::Pending));
        drop(one);
        assert!(shares.acquire("d", 1).now_or_never().is_none());
        drop(three);
        assert_eq!(much.await.places, 4);
    }

    #[tokio::test]
    async fn who_wanted_too_much_and_went_away_leaves_its_room_to_others() {
        let shares = Shares::new(4, 4);
        let _three = shares.acquire("a", 3).await;
        let mut much: Waiter = Box::pin(shares.acquire("b", 2));
        let mut little: Waiter = Box::pin(shares.acquire("c", 1));
        assert!(matches!(poll!(&mut much), Poll::Pending));
        assert!(matches!(poll!(&mut little), Poll::Pending));
        drop(much);
        assert_eq!(little.now_or_never().map(|share| share.places), Some(1));
    }

    #[tokio::test]
    async fn who_went_away_holds_up_nobody() {
        let shares = Shares::new(1, 1);
        let held = shares.acquire("a", 1).await;
        let mut waiters = queue(&shares, &["b", "b", "c"]).await;
        drop(waiters.remove(0));
        drop(held);
        let first = waiters.remove(0).now_or_never().expect("its turn");
        drop(first);
        let granted_and_left = waiters.remove(0);
        drop(granted_and_left);
        assert!(shares.try_acquire("a", 1).is_some());
    }
}
