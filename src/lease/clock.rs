//! The clock for leases.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the machine was started. It continues while the process is paused or the machine suspended, and cannot be
/// set. It is not comparable between machines.
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    // Neither is negative, and the nanoseconds are less than a billion.
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}
