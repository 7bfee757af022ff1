use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;

/// The reconciles of a queue that runs: which object began when, in seconds since the start.
struct Seen {
    wakes: UnboundedSender<Key>,
    began: Arc<Mutex<Vec<(String, u64)>>>,
    stop: CancellationToken,
}

/// Starts a queue whose reconciles take a second each, and end with what `next` says. It is paced at two per second.
fn start(next: impl Fn(&Key) -> Next + Send + Sync + 'static) -> Seen {
    let (wakes, woken) = unbounded_channel();
    let (began, stop) = (Arc::<Mutex<Vec<_>>>::default(), CancellationToken::new());
    let (seen, next, from) = (began.clone(), Arc::new(next), Instant::now());
    let work = move |key: Key| {
        let (seen, next) = (seen.clone(), next.clone());
        (key.name() != "gone").then_some(async move {
            let at = from.elapsed().as_secs();
            seen.lock().expect("no panic").push((key.name().to_owned(), at));
            assert_ne!(key.name(), "panics", "as it should");
            tokio::time::sleep(Duration::from_secs(1)).await;
            next(&key)
        })
    };
    let hung = |key: &Key| key.name().starts_with("hung");
    tokio::spawn(run(woken, work, hung, || 2.0, stop.clone()));
    Seen { wakes, began, stop }
}

impl Seen {
    fn wake(&self, name: &str) {
        self.wakes.send(Key::new("ns", name)).expect("it runs");
    }

    /// When this object began, after so many seconds from now.
    async fn of(&self, name: &str, seconds: u64) -> Vec<u64> {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let began = self.began.lock().expect("no panic");
        let of = began.iter().filter(|(began, _)| began == name);
        of.map(|(_, at)| *at).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_wake_during_a_reconcile_makes_one_more() {
    let seen = start(|_| Next::Change);
    seen.wake("one");
    assert_eq!(seen.of("one", 0).await, [] as [u64; 0]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..3 {
        seen.wake("one");
    }
    seen.wake("gone");
    assert_eq!(seen.of("one", 60).await, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_wake_comes_before_the_time_and_replaces_it() {
    let seen = start(|_| Next::After(Duration::from_secs(30)));
    seen.wake("one");
    tokio::time::sleep(Duration::from_secs(20)).await;
    seen.wake("one");
    assert_eq!(seen.of("one", 63).await, [0, 20, 51, 82]);
}

#[tokio::test(start_paused = true)]
async fn what_is_due_by_time_is_paced_and_a_wake_is_not() {
    let seen = start(|_| Next::After(ROUTINE));
    let names: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    names.iter().for_each(|name| seen.wake(name));
    tokio::time::sleep(Duration::from_secs(71)).await;
    seen.wake("new");
    assert_eq!(seen.of("new", 1).await, [71]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let began = seen.began.lock().expect("no panic");
    let again: Vec<_> = began
        .iter()
        .filter(|(name, at)| *at > 0 && name != "new")
        .collect();
    for (index, (_, at)) in again[..100].iter().enumerate() {
        assert!(
            at.abs_diff(61 + index as u64 / 2) <= 1,
            "number {index} after {at} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_that_panics_is_repeated_and_the_end_waits_for_the_running() {
    let seen = start(|_| Next::Change);
    seen.wake("panics");
    assert_eq!(seen.of("panics", 62).await.len(), 2);
    seen.wake("one");
    tokio::time::sleep(Duration::from_millis(100)).await;
    seen.stop.cancel();
    assert!(!seen.wakes.is_closed(), "one is running");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(seen.wakes.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_has_a_number_of_reconciles_at_a_time_and_all_get_theirs() {
    let seen = start(|_| Next::Change);
    let names: Vec<_> = (0..MOST_OF_ONE * 2 + 1)
        .map(|number| number.to_string())
        .collect();
    names.iter().for_each(|name| seen.wake(name));
    seen.wakes.send(Key::new("other", "other")).expect("it runs");
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Woken again while it waits, and while it runs.
    seen.wake(&names[MOST_OF_ONE + 1]);
    seen.wake("0");
    assert_eq!(seen.of("other", 0).await, [0]);
    assert_eq!(seen.of("0", 10).await, [0, 2]);
    let began = seen.began.lock().expect("no panic");
    let at = |second| began.iter().filter(|(_, at)| *at == second).count();
    assert_eq!((at(0), at(1), at(2)), (MOST_OF_ONE + 1, MOST_OF_ONE, 2));
}

#[tokio::test(start_paused = true)]
async fn objects_whose_portal_hung_hold_up_no_others_of_their_namespace() {
    let seen = start(|_| Next::Change);
    (0..MOST_OF_ONE * 3).for_each(|number| seen.wake(&format!("hung-{number}")));
    seen.wake("one");
    assert_eq!(seen.of("one", 1).await, [0]);
    assert_eq!(seen.of(&format!("hung-{}", MOST_OF_ONE * 3 - 1), 10).await, [2]);
}
