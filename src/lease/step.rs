//! Decides what a candidate does, from the Lease and the time for which it is unchanged. No I/O.
//!
//! It uses no time that another process wrote except the duration, because other clocks may be wrong.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;

use crate::lease::{Times, lost::Lost};

/// The next step of a candidate.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Create the missing Lease.
    Create,
    /// Take it over. If it was released, the former holder has ended all writes.
    Take {
        /// Whether nobody holds it.
        given_up: bool,
    },
    /// Renew it, because this candidate holds it.
    Renew,
    /// Wait, because another process holds it.
    Wait,
    /// End, because this candidate lost the lease.
    End(Lost),
}

/// The facts of a candidate.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its identity.
    pub me: &'a str,
    /// The Lease, if it exists.
    pub lease: Option<&'a LeaseSpec>,
    /// For how long it has seen the Lease unchanged.
    pub unchanged_for: Duration,
    /// For a leader: how long ago it sent its last successful renewal.
    pub renewed_ago: Option<Duration>,
}

/// Decides the next step.
pub fn step(view: View<'_>, times: &Times) -> Step {
    let leads = view.renewed_ago.is_some();
    if let Some(ago) = view.renewed_ago
        && ago >= times.renew_deadline
    {
        return Step::End(Lost::NotRenewed(ago));
    }
    let Some(lease) = view.lease else {
        return if leads {
            Step::End(Lost::Deleted)
        } else {
            Step::Create
        };
    };
    match lease.holder_identity.as_deref().unwrap_or_default() {
        holder if holder == view.me => Step::Renew,
        holder if leads => Step::End(Lost::Taken(holder.into())),
        "" => Step::Take { given_up: true },
        _ if view.unchanged_for >= holds_for(lease, times) => Step::Take { given_up: false },
        _ => Step::Wait,
    }
}

/// The duration that the holder wrote, because its flags may differ from ours.
fn holds_for(lease: &LeaseSpec, times: &Times) -> Duration {
    let told = lease
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    told.map_or(times.duration, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    const TIMES: Times = Times {
        duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry_period: Duration::from_secs(2),
    };
    const TAKE: Step = Step::Take { given_up: false };
    const FREE: Step = Step::Take { given_up: true };

    fn lease(holder: Option<&str>, seconds: Option<i32>) -> LeaseSpec {
        LeaseSpec {
            holder_identity: holder.map(Into::into),
            lease_duration_seconds: seconds,
            ..LeaseSpec::default()
        }
    }

    fn taken() -> Step {
        Step::End(Lost::Taken("other".into()))
    }

    fn late(seconds: u64) -> Step {
        Step::End(Lost::NotRenewed(Duration::from_secs(seconds)))
    }

    #[test]
    fn a_candidate_does_what_the_table_says() {
        let other = || Some(lease(Some("other"), Some(15)));
        let mine = || Some(lease(Some("me"), Some(15)));
        let free = || Some(lease(Some(""), Some(1)));
        // The Lease, for how many seconds it has been as it is, seconds since the last renewal of one that leads.
        let table = [
            // There is none.
            (None, 0, None, Step::Create),
            (None, 99, None, Step::Create),
            (None, 0, Some(2), Step::End(Lost::Deleted)),
            // Somebody else's.
            (other(), 0, None, Step::Wait),
            (other(), 14, None, Step::Wait),
            (other(), 15, None, TAKE),
            (other(), 0, Some(2), taken()),
            (other(), 99, Some(2), taken()),
            // Somebody's whose flags are others.
            (Some(lease(Some("other"), Some(60))), 59, None, Step::Wait),
            (Some(lease(Some("other"), Some(60))), 60, None, TAKE),
            (Some(lease(Some("other"), Some(5))), 5, None, TAKE),
            // Somebody's who does not say for how long.
            (Some(lease(Some("other"), None)), 14, None, Step::Wait),
            (Some(lease(Some("other"), None)), 15, None, TAKE),
            (Some(lease(Some("other"), Some(-1))), 14, None, Step::Wait),
            // Given up.
            (free(), 0, None, FREE),
            (Some(lease(None, None)), 0, None, FREE),
            (free(), 0, Some(2), Step::End(Lost::Taken(String::new()))),
            // Its own.
            (mine(), 2, Some(2), Step::Renew),
            (mine(), 9, Some(9), Step::Renew),
            // Its own, and it does not know: the answer to its write was lost.
            (mine(), 0, None, Step::Renew),
            (mine(), 99, None, Step::Renew),
            // It was frozen, or cut off.
            (mine(), 10, Some(10), late(10)),
            (other(), 0, Some(3600), late(3600)),
            (None, 0, Some(10), late(10)),
        ];
        for (number, (lease, unchanged, renewed, expected)) in table.into_iter().enumerate() {
            let view = View {
                me: "me",
                lease: lease.as_ref(),
                unchanged_for: Duration::from_secs(unchanged),
                renewed_ago: renewed.map(Duration::from_secs),
            };
            assert_eq!(step(view, &TIMES), expected, "row {number}: {view:?}");
        }
    }

    #[test]
    fn what_clock_the_holder_has_makes_no_difference() {
        for hours in [-24 * 365, -1, 0, 1, 24 * 365] {
            let time = Timestamp::now() + SignedDuration::from_hours(hours);
            let lease = LeaseSpec {
                acquire_time: Some(MicroTime(time)),
                renew_time: Some(MicroTime(time)),
                ..lease(Some("other"), Some(15))
            };
            for (unchanged, expected) in [(14, Step::Wait), (15, TAKE)] {
                let view = View {
                    me: "me",
                    lease: Some(&lease),
                    unchanged_for: Duration::from_secs(unchanged),
                    renewed_ago: None,
                };
                assert_eq!(step(view, &TIMES), expected, "{hours} h");
            }
        }
    }
}
