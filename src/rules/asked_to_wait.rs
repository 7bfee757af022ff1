//! A portal's request to wait: its Retry-After.

use jiff::Timestamp;

use crate::rules::reason::Verdict;

/// What the portal asked to wait with.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedToWait {
    /// Writes only: it answered one. DocSpace's daily limit counts writes (trap 16).
    pub of_writes: bool,
    /// Until when, by the operator's clock.
    pub until: Timestamp,
    /// What it answered.
    pub verdict: Verdict,
}

impl AskedToWait {
    /// The same verdict at this time, without a call.
    pub fn verdict(&self, now: Timestamp) -> Verdict {
        let left = self.until.duration_since(now).try_into().ok();
        Verdict {
            // Reads go on.
            retry_after: left.filter(|_| !self.of_writes),
            ..self.verdict.clone()
        }
    }
}
