//! The clock of the installation: the `Date` header, stored times and what is due come from it.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// The installation's clock. It runs with the real one until a test moves or stops it; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<Setting>>);

#[derive(Clone, Copy, Debug)]
enum Setting {
    Running { ahead: SignedDuration },
    Stopped { at: Timestamp },
}

impl Default for Setting {
    fn default() -> Self {
        Self::Running {
            ahead: SignedDuration::ZERO,
        }
    }
}

impl Clock {
    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        match *self.0.lock().unwrap() {
            Setting::Running { ahead } => Timestamp::now() + ahead,
            Setting::Stopped { at } => at,
        }
    }

    /// Stops the clock at an instant; only `set`, `advance` and `run_from` move it from then on.
    pub fn set(&self, at: Timestamp) {
        *self.0.lock().unwrap() = Setting::Stopped { at };
    }

    /// Lets the clock run from an instant.
    pub fn run_from(&self, at: Timestamp) {
        *self.0.lock().unwrap() = Setting::Running {
            ahead: at.duration_since(Timestamp::now()),
        };
    }

    /// Moves the clock, stopped or running, forward or (a negative duration) back.
    pub fn advance(&self, by: SignedDuration) {
        match &mut *self.0.lock().unwrap() {
            Setting::Running { ahead } => *ahead += by,
            Setting::Stopped { at } => *at += by,
        }
    }

    /// The `Date` header of an answer given now.
    pub(crate) fn http_date(&self) -> String {
        http_date(self.now())
    }
}

/// A time as in a `Date` header.
pub(crate) fn http_date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC)
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_moves_and_runs() {
        let clock = Clock::default();
        clock.set("2026-11-23T03:07:00Z".parse().unwrap());
        clock.advance(SignedDuration::from_mins(15));
        assert_eq!(clock.now().to_string(), "2026-11-23T03:22:00Z");
        assert_eq!(clock.http_date(), "Mon, 23 Nov 2026 03:22:00 GMT");

        clock.run_from("2026-11-24T00:00:00Z".parse().unwrap());
        assert!(clock.now().to_string().starts_with("2026-11-24T00:00:"));
    }
}
