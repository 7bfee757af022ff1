//! How long a lease holds, and what has to fit into it.

use std::time::Duration;

/// What two clocks may gain on each other while a lease lasts, with what lies between a look at one and a write.
pub const SKEW: Duration = Duration::from_secs(1);
/// Kubernetes counts in whole seconds and 32 bits; nobody waits for so long.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long a lease holds, and what has to fit into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From a renewal on, nobody else takes the lease for this long.
    pub duration: Duration,
    /// A leader that could not renew for this long ends. No write to a portal takes longer, either: so what one leader
    /// began has ended, one way or the other, when the next one has waited for this long.
    pub renew_deadline: Duration,
    /// From one look at the Lease to the next.
    pub retry_period: Duration,
}

impl Times {
    /// Times that go together.
    ///
    /// # Errors
    /// They do not; says which flag to change.
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
