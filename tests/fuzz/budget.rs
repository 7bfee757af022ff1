//! What one input may cost.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory is counted for the whole process, so one target runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The largest cost of one input.
#[derive(Clone, Copy)]
pub struct Budget {
    /// Bytes of heap.
    pub bytes: usize,
    /// CPU time of this thread in an optimised build.
    pub time: Duration,
}

/// An unoptimised build may take this much longer.
const UNOPTIMISED: u32 = if cfg!(debug_assertions) { 25 } else { 1 };
/// Time is measured again this often before it counts as exceeded: a machine may have stalled.
const REPEATS: usize = 3;

/// A target holds this from its beginning.
pub fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Budget {
    /// Runs the work, which must stay within the budget.
    pub fn check(self, mut work: impl FnMut()) {
        let limit = self.time * UNOPTIMISED;
        let mut least = Duration::MAX;
        for _ in 0..REPEATS {
            let held = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            let began = cpu_time();
            work();
            least = least.min(cpu_time() - began);
            let used = MEMORY.peak_usage().saturating_sub(held);
            assert!(
                used <= self.bytes,
                "{used} bytes of memory, more than {}",
                self.bytes
            );
            if least <= limit {
                return;
            }
        }
        panic!("{least:?} of CPU time, more than {limit:?}");
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
