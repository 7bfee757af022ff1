//! The times of the leader election.

use std::time::Duration;

/// Margin for the drift between two clocks during a lease, and for the time between reading a clock and writing.
pub const SKEW: Duration = Duration::from_secs(1);
/// The longest duration; Kubernetes uses whole seconds in 32 bits.
const LONGEST: Duration = Duration::from_secs(3600);

/// The times of the leader election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// After a renewal, no other process takes the lease for this long.
    pub duration: Duration,
    /// A leader that cannot renew for this long ends. No write to a portal takes longer, either, so the next leader
    /// waits this long until its predecessor's writes have ended.
    pub renew_deadline: Duration,
    /// The interval between reads of the Lease.
    pub retry_period: Duration,
}

impl Times {
    /// Checks that the times fit together.
    ///
    /// # Errors
    /// They do not; the message names the flag to change.
    pub fn new(duration: Duration, renew_deadline: Duration, retry_period: Duration) -> Result<Self, String> {
        if retry_period.is_zero() {
            return Err("--retry-period must be more than 0".into());
        }
        if renew_deadline <= retry_period {
            return Err(format!(
                "--renew-deadline ({renew_deadline:?}) must be longer than --retry-period ({retry_period:?})"
            ));
        }
        let least = renew_deadline + retry_period + SKEW;
        if duration < least {
            return Err(format!(
                "--lease-duration ({duration:?}) must be at least {least:?}: a write to a portal may take as long as \
                 --renew-deadline ({renew_deadline:?}), begins up to --retry-period ({retry_period:?}) after a renewal, \
                 and must end {SKEW:?} before the lease"
            ));
        }
        if duration > LONGEST {
            return Err(format!("--lease-duration ({duration:?}) must be at most 1h"));
        }
        Ok(Self {
            duration,
            renew_deadline,
            retry_period,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_leave_no_room_for_a_write_are_refused() {
        let times = |[duration, deadline, retry]: [u64; 3]| {
            let ms = Duration::from_millis;
            Times::new(ms(duration), ms(deadline), ms(retry))
        };
        for good in [
            [15_000, 10_000, 2_000],
            [5_000, 3_000, 500],
            [13_000, 10_000, 2_000],
        ] {
            assert!(times(good).is_ok(), "{good:?}");
        }
        for (bad, flag) in [
            (
                [12_999, 10_000, 2_000],
                "--lease-duration (12.999s) must be at least 13s",
            ),
            ([10_000, 15_000, 2_000], "--lease-duration"),
            ([15_000, 2_000, 2_000], "--renew-deadline"),
            ([15_000, 1_000, 2_000], "--renew-deadline"),
            ([15_000, 10_000, 0], "--retry-period"),
            ([3_601_000, 10_000, 2_000], "at most 1h"),
        ] {
            let error = times(bad).expect_err("refused");
            assert!(error.contains(flag), "{bad:?}: {error}");
        }
    }
}
