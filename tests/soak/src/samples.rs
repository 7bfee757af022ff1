//! What is measured during the run.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, interval},
};

use crate::operators::Operators;

/// How often processes are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// A process at a time since the start.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the start.
    pub at: Duration,
    /// Resident memory in MiB.
    pub resident: f64,
    /// Open file descriptors.
    pub descriptors: usize,
}

/// How long a request took from its annotation to the answer in the status.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When it was asked for, since the start.
    pub at: Duration,
    /// The time until the answer.
    pub took: Duration,
}

/// All that was measured.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The operator of shard b.
    pub long_lived: Vec<Sample>,
    /// The operators of shard a.
    pub pair: Vec<Sample>,
    /// Looks at healthy objects, of shard a and of shard b.
    pub looks: [Vec<Look>; 2],
    /// How long nobody led shard a, at each end of its leader.
    pub takeovers: Vec<Duration>,
}

/// Measures while it lives; clones share it.
#[derive(Clone)]
pub struct Samples {
    taken: Arc<Mutex<Taken>>,
    start: Instant,
    _task: Arc<Aborted>,
}

struct Aborted(JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Samples {
    /// Begins to measure.
    pub fn begin(operators: Arc<Operators>, start: Instant) -> Self {
        let taken = Arc::<Mutex<Taken>>::default();
        let to = taken.clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            loop {
                ticks.tick().await;
                let sample = |process: harness::Process| {
                    Some(Sample {
                        at: start.elapsed(),
                        resident: process.resident().ok()?,
                        descriptors: process.descriptors().ok()?,
                    })
                };
                let pair: Vec<_> = operators
                    .processes()
                    .await
                    .into_iter()
                    .filter_map(sample)
                    .collect();
                let mut taken = to.lock().unwrap();
                taken.long_lived.extend(sample(operators.long_lived_process));
                taken.pair.extend(pair);
            }
        });
        Self {
            taken,
            start,
            _task: Arc::new(Aborted(task)),
        }
    }

    /// Records a look at a healthy object.
    pub fn look(&self, shard: &str, asked: Instant, took: Duration) {
        let at = asked - self.start;
        let of = usize::from(shard != "a");
        self.taken.lock().unwrap().looks[of].push(Look { at, took });
    }

    /// Records how long nobody led shard a.
    pub fn takeover(&self, took: Duration) {
        self.taken.lock().unwrap().takeovers.push(took);
    }

    /// What was measured so far.
    pub fn taken(&self) -> Taken {
        self.taken.lock().unwrap().clone()
    }
}
