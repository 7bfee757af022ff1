//! How many objects are reconciled at a time. Namespaces share the turns, and the places of looks that wait for their
//! portal, so that nobody's objects or portals hold up those of others.

use std::{pin::pin, time::Duration};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::shares::{Share, Shares};

/// The number of objects that are reconciled at a time, not counting those that wait for their portal.
const TURNS: usize = 64;
/// As many of one namespace.
const TURNS_OF_ONE: usize = 40;
/// The number of looks that wait for their portal.
const WAITING: usize = 128;
/// As many of one namespace.
const WAITING_OF_ONE: usize = 64;
/// A reconcile that takes longer than this counts as waiting for its portal.
const PATIENCE: Duration = Duration::from_millis(250);
/// A portal that takes longer for a read is slow, and not only the operator or Kubernetes.
const SLOW: Duration = Duration::from_secs(1);

/// The turns, and the places among the waiting.
#[derive(Debug)]
pub struct Turns {
    turns: Shares,
    waiting: Shares,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            turns: Shares::new(TURNS, TURNS_OF_ONE),
            waiting: Shares::new(WAITING, WAITING_OF_ONE),
        }
    }
}

impl Turns {
    /// Does the work in a turn of this namespace. Work that takes longer passes its turn on to others and goes on among
    /// the waiting. If there is no place among them, the token asks it to end, so that it can be begun again as one that
    /// `hung`: that waits for such a place at once, and needs no turn.
    ///
    /// `work` creates its future only then, to save memory: thousands may be queued.
    pub async fn take<F: Future>(
        &self,
        namespace: &str,
        hung: bool,
        work: impl FnOnce(CancellationToken) -> F,
    ) -> F::Output {
        let crowded = CancellationToken::new();
        if hung {
            let place = self.waiting.acquire(namespace, 1).await;
            return held(place, Box::pin(work(crowded))).await;
        }
        let turn = self.turns.acquire(namespace, 1).await;
        let mut work = Box::pin(work(crowded.clone()));
        if let Ok(done) = timeout(PATIENCE, &mut work).await {
            return done;
        }
        if let Some(place) = self.waiting.try_acquire(namespace, 1) {
            drop(turn);
            return held(place, work).await;
        }
        // A write goes on all the same, and keeps the turn until it has a place.
        crowded.cancel();
        let place = pin!(self.waiting.acquire(namespace, 1));
        let place = tokio::select! {
            biased;
            done = &mut work => return done,
            place = place => place,
        };
        drop(turn);
        held(place, work).await
    }
}

/// What is not there at once is waited for only while the work is not asked to end; `None` if it is.
pub async fn unless_crowded<T>(crowded: &CancellationToken, wanted: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = wanted => Some(done),
        () = crowded.cancelled() => None,
    }
}

/// The same, only for a portal that is slow with a read.
pub async fn unless_slow<T>(crowded: &CancellationToken, read: impl Future<Output = T>) -> Option<T> {
    let mut read = pin!(read);
    match timeout(SLOW, &mut read).await {
        Ok(read) => Some(read),
        Err(_) => unless_crowded(crowded, read).await,
    }
}

async fn held<F: Future>(_place: Share, work: F) -> F::Output {
    work.await
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap, pin::Pin, rc::Rc};

    use futures::{StreamExt, stream::FuturesUnordered};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// What runs at a time, by namespace.
    #[derive(Clone, Default)]
    struct Seen(Rc<RefCell<BTreeMap<&'static str, (usize, usize)>>>);

    impl Seen {
        /// Reads or writes for as long; whether it was not asked to end.
        async fn work(self, namespace: &'static str, takes: Duration, crowded: CancellationToken) -> bool {
            {
                let mut seen = self.0.borrow_mut();
                let (now, most) = seen.entry(namespace).or_default();
                *now += 1;
                *most = (*most).max(*now);
            }
            let reads = takes != WRITE;
            let ended = tokio::select! {
                () = sleep(takes) => true,
                () = crowded.cancelled(), if reads => false,
            };
            self.0.borrow_mut().entry(namespace).or_default().0 -= 1;
            ended
        }

        fn now(&self, namespace: &str) -> usize {
            self.0.borrow().get(namespace).map_or(0, |(now, _)| *now)
        }

        fn most(&self, namespace: &str) -> usize {
            self.0.borrow().get(namespace).map_or(0, |(_, most)| *most)
        }
    }

    const HANGS: Duration = Duration::from_secs(15);
    const QUICK: Duration = Duration::from_millis(100);
    const WRITE: Duration = Duration::from_secs(16);

    type Looks<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = ()> + 'a>>>;

    /// As many looks of a namespace; those that are asked to end are repeated.
    fn looks<'a>(
        turns: &'a Turns,
        seen: &'a Seen,
        count: usize,
        namespace: &'static str,
        takes: Duration,
    ) -> Looks<'a> {
        let look = async move || {
            let work = |crowded| seen.clone().work(namespace, takes, crowded);
            if !turns.take(namespace, false, work).await {
                let ended = turns.take(namespace, true, work).await;
                assert!(ended, "once it waits, nothing ends it");
            }
        };
        let looks: Looks = FuturesUnordered::new();
        for _ in 0..count {
            looks.push(Box::pin(async move { look().await }));
        }
        looks
    }

    /// Runs them for this long.
    async fn run(looks: &mut Looks<'_>, how_long: Duration) {
        let all = async { while looks.next().await.is_some() {} };
        let _ = timeout(how_long, all).await;
    }

    #[tokio::test(start_paused = true)]
    async fn no_namespace_has_more_than_its_share() {
        let (turns, seen) = (Turns::default(), Seen::default());
        let mut quick = looks(&turns, &seen, 500, "quick", QUICK);
        run(&mut quick, HANGS).await;
        assert_eq!(seen.most("quick"), TURNS_OF_ONE);
        for (namespace, takes) in [("hanging", HANGS), ("writing", WRITE)] {
            let mut slow = looks(&turns, &seen, 500, namespace, takes);
            run(&mut slow, HANGS * 20).await;
            assert!(slow.is_empty(), "all get their turn");
            assert!(seen.most(namespace) <= TURNS_OF_ONE + WAITING_OF_ONE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_portals_hold_up_no_others_of_their_namespace_either() {
        let (turns, seen) = (Turns::default(), Seen::default());
        let begin = Instant::now();
        let mut hanging = looks(&turns, &seen, 500, "tenant", HANGS);
        let mut quick = looks(&turns, &seen, 40, "tenant", QUICK);
        // They queue behind the others, which each try a turn once.
        tokio::select! {
            biased;
            () = run(&mut hanging, HANGS * 20) => unreachable!("they hang longer"),
            () = run(&mut quick, HANGS) => {}
        }
        assert!(quick.is_empty());
        assert!(
            begin.elapsed() < PATIENCE * (500 / TURNS_OF_ONE as u32 + 2),
            "{:?}",
            begin.elapsed()
        );
        run(&mut hanging, PATIENCE * 2).await;
        assert_eq!(seen.now("tenant"), WAITING_OF_ONE);
        // Now they keep no turn at all.
        let begin = Instant::now();
        let mut quick = looks(&turns, &seen, TURNS_OF_ONE, "tenant", QUICK);
        run(&mut quick, HANGS).await;
        assert_eq!(begin.elapsed(), QUICK);
    }

    #[tokio::test(start_paused = true)]
    async fn writes_of_one_namespace_hold_up_no_other() {
        let (turns, seen) = (Turns::default(), Seen::default());
        let mut writing = looks(&turns, &seen, 1000, "writing", WRITE);
        run(&mut writing, PATIENCE * 2).await;
        assert_eq!(seen.now("writing"), TURNS_OF_ONE + WAITING_OF_ONE);
        let begin = Instant::now();
        let others = TURNS - TURNS_OF_ONE;
        let mut quick = looks(&turns, &seen, 10 * others, "quick", QUICK);
        run(&mut quick, HANGS).await;
        assert!(quick.is_empty());
        assert_eq!(begin.elapsed(), QUICK * 10);
    }
}
