//! What is measured during the run.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, interval},
};

use crate::operators::{Operators, RENEW_DEADLINE};

/// For this long after a takeover, the new leader of shard a answers what was asked while nobody led.
const CATCHES_UP: Duration = Duration::from_secs(5);
/// How often processes are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// A process at a time since the start.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the start.
    pub at: Duration,
    /// Resident memory in MiB.
    pub resident: f64,
    /// The most resident memory since the process started, in MiB.
    pub peak: f64,
    /// Open file descriptors.
    pub descriptors: usize,
}

/// What began at a time since the start and took some time.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// When it began, since the start.
    pub at: Duration,
    /// How long it took.
    pub took: Duration,
}

impl Span {
    /// When it ended, since the start.
    pub fn end(&self) -> Duration {
        self.at + self.took
    }

    /// The time that the two have in common.
    pub fn overlap(&self, other: &Self) -> Duration {
        self.end().min(other.end()).saturating_sub(self.at.max(other.at))
    }
}

/// The end of a leader, until another operator holds the Lease.
#[derive(Clone, Copy, Debug)]
pub struct Takeover {
    /// Whether the leader was killed. Otherwise it was told to end and gave up the Lease.
    pub killed: bool,
    /// When, and how long.
    pub span: Span,
}

impl Takeover {
    /// The time in which no operator of shard a works: after a kill, the next leader waits before it begins.
    pub fn idle(&self) -> Span {
        let waits = if self.killed {
            RENEW_DEADLINE
        } else {
            Duration::ZERO
        };
        Span {
            at: self.span.at,
            took: self.span.took + waits,
        }
    }

    /// The time in which the next leader catches up. All operators share the same cores.
    pub fn catching_up(&self) -> Span {
        Span {
            at: self.idle().end(),
            took: CATCHES_UP,
        }
    }
}

/// All that was measured.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The operator of shard b.
    pub long_lived: Vec<Sample>,
    /// The two operators of shard a.
    pub pair: [Vec<Sample>; 2],
    /// Requests of a look at healthy objects until their answer in the status, of shard a and of shard b.
    pub looks: [Vec<Span>; 2],
    /// The ends of the leaders of shard a.
    pub takeovers: Vec<Takeover>,
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
                        peak: process.peak().ok()?,
                        descriptors: process.descriptors().ok()?,
                    })
                };
                let pair = operators.processes().await;
                let mut taken = to.lock().unwrap();
                taken.long_lived.extend(sample(operators.long_lived_process));
                for (samples, process) in taken.pair.iter_mut().zip(pair) {
                    samples.extend(process.and_then(sample));
                }
            }
        });
        Self {
            taken,
            start,
            _task: Arc::new(Aborted(task)),
        }
    }

    /// Records a look at a healthy object, which ends now.
    pub fn look(&self, shard: &str, asked: Instant) {
        let of = usize::from(shard != "a");
        self.taken.lock().unwrap().looks[of].push(self.until_now(asked));
    }

    /// Records that a leader of shard a ended then, and that another operator holds the Lease now.
    pub fn takeover(&self, killed: bool, ended: Instant) {
        let span = self.until_now(ended);
        self.taken
            .lock()
            .unwrap()
            .takeovers
            .push(Takeover { killed, span });
    }

    fn until_now(&self, began: Instant) -> Span {
        Span {
            at: began - self.start,
            took: began.elapsed(),
        }
    }

    /// What was measured so far.
    pub fn taken(&self) -> Taken {
        self.taken.lock().unwrap().clone()
    }
}
