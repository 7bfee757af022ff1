//! The clock that leases are reckoned by.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the machine was started. It goes on while the process is stopped or the machine suspended, nobody can set
/// it, and it says nothing about anybody else's.
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    // Neither is negative, and there are less than a billion nanoseconds.
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}
