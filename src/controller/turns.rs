//! How many objects are reconciled at a time. Namespaces share the turns, and the places of looks that wait for their
//! portal, so that nobody's objects or portals hold up those of others.

use std::{pin::pin, time::Duration};

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
    /// Does the work in a turn of this namespace. Work that takes longer passes its turn on as soon as it has a place
    /// among the waiting. Where the portal did not answer the last time, it waits for such a place at once.
    ///
    /// `work` creates its future only then, to save memory: thousands may be queued.
    pub async fn take<F: Future>(&self, namespace: &str, hung: bool, work: impl FnOnce() -> F) -> F::Output {
        if hung {
            let place = self.waiting.acquire(namespace, 1).await;
            return held(place, Box::pin(work())).await;
        }
        let turn = self.turns.acquire(namespace, 1).await;
        let mut work = Box::pin(work());
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
            return done;
        }
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

async fn held<F: Future>(_place: Share, work: F) -> F::Output {
    work.await
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

    use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// What runs at a time, by namespace.
    #[derive(Clone, Default)]
    struct Seen(Rc<RefCell<BTreeMap<&'static str, (usize, usize)>>>);

    impl Seen {
        async fn work(self, namespace: &'static str, takes: Duration) {
            {
                let mut seen = self.0.borrow_mut();
                let (now, most) = seen.entry(namespace).or_default();
                *now += 1;
                *most = (*most).max(*now);
            }
            sleep(takes).await;
            self.0.borrow_mut().entry(namespace).or_default().0 -= 1;
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

    /// As many looks of a namespace.
    fn looks<'a>(
        turns: &'a Turns,
        seen: &'a Seen,
        count: usize,
        namespace: &'static str,
        takes: Duration,
        hung: bool,
    ) -> FuturesUnordered<impl Future<Output = ()> + 'a> {
        let look = move |_| turns.take(namespace, hung, move || seen.clone().work(namespace, takes));
        (0..count).map(look).collect()
    }

    /// Runs them for this long.
    async fn run(looks: &mut FuturesUnordered<impl Future<Output = ()>>, how_long: Duration) {
        let all = async { while looks.next().await.is_some() {} };
        let _ = tokio::time::timeout(how_long, all).await;
    }

    #[tokio::test(start_paused = true)]
    async fn no_namespace_has_more_than_its_share() {
        let (turns, seen) = (Turns::default(), Seen::default());
        let mut quick = looks(&turns, &seen, 500, "quick", QUICK, false);
        run(&mut quick, HANGS).await;
        assert_eq!(seen.most("quick"), TURNS_OF_ONE);
        let mut hanging = looks(&turns, &seen, 500, "hanging", HANGS, false);
        run(&mut hanging, HANGS / 2).await;
        assert_eq!(seen.now("hanging"), TURNS_OF_ONE + WAITING_OF_ONE);
        run(&mut hanging, HANGS * 10).await;
        assert!(hanging.is_empty(), "all get their turn");
        assert_eq!(seen.most("hanging"), TURNS_OF_ONE + WAITING_OF_ONE);
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_portals_of_one_namespace_hold_up_no_other() {
        let (turns, seen) = (Turns::default(), Seen::default());
        let mut hanging = looks(&turns, &seen, 1000, "hanging", HANGS, false);
        run(&mut hanging, PATIENCE * 2).await;
        let begin = Instant::now();
        let mut quick = looks(&turns, &seen, 240, "quick", QUICK, false);
        run(&mut quick, HANGS).await;
        assert!(quick.is_empty());
        // In 24 turns, since the others are kept by looks without a place among the waiting.
        assert_eq!(begin.elapsed().as_millis() / QUICK.as_millis(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn portals_that_hung_before_take_no_turn() {
        let (turns, seen) = (Turns::default(), Seen::default());
        let mut hanging = looks(&turns, &seen, 1000, "tenant", HANGS, true);
        run(&mut hanging, PATIENCE * 2).await;
        assert_eq!(seen.now("tenant"), WAITING_OF_ONE);
        // Work of the same namespace without a call, for example for suspended objects.
        let quick = turns.take("tenant", false, || async {});
        assert!(quick.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_portal_passes_the_turn_on() {
        let turns = Turns {
            turns: Shares::new(1, 1),
            waiting: Shares::new(1, 1),
        };
        let seen = Seen::default();
        let mut hanging = looks(&turns, &seen, 2, "hanging", HANGS, false);
        run(&mut hanging, PATIENCE * 3).await;
        assert_eq!(
            seen.now("hanging"),
            2,
            "one has the place, the other keeps the turn"
        );
        let mut other = looks(&turns, &seen, 1, "other", QUICK, false);
        run(&mut other, HANGS / 2).await;
        assert_eq!(seen.most("other"), 0);
        // The first ends and gives its place to the second, which passes the turn on.
        let begin = Instant::now();
        tokio::select! {
            () = run(&mut hanging, HANGS) => unreachable!("the second hangs longer"),
            () = run(&mut other, HANGS) => {}
        }
        assert!(other.is_empty() && begin.elapsed() < HANGS);
    }
}
