//! The clock of a candidate, as others see it: in the Lease that it writes.

use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fault::KubeFault;

/// What a clock shows that does not go.
const STOPPED: &str = "2026-01-01T00:00:00.000000Z";

/// The Lease with the times of another clock.
pub(super) fn with_other_times(body: &[u8], fault: KubeFault) -> Bytes {
    let mut lease: Value = serde_json::from_slice(body).expect("a Lease is JSON");
    for field in ["renewTime", "acquireTime"] {
        let Some(time) = lease["spec"][field].as_str() else {
            continue;
        };
        lease["spec"][field] = match fault {
            KubeFault::ClockAhead(seconds) => {
                let time: Timestamp = time.parse().expect("a time");
                json!(format!("{:.6}", time + SignedDuration::from_secs(seconds)))
            }
            _ => json!(STOPPED),
        };
    }
    lease.to_string().into()
}
