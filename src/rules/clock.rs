//! The portal's clock: the Date of DocSpace's own answers. One answer alone does not move it far.

use jiff::{SignedDuration, Timestamp};

use crate::portal::PLAUSIBLE;

/// The clocks of portal and operator may differ by this much. A larger change must show at two checks.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The portal's clock, relative to the operator's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortalClock {
    /// How far it is ahead.
    pub offset: SignedDuration,
    /// Whether it was heard before. The first Date is believed.
    is_known: bool,
    /// A different offset, seen at the last check only.
    doubted: Option<SignedDuration>,
    /// A different offset, seen at this check.
    heard: Option<SignedDuration>,
    /// At how many checks in a row it showed a different offset.
    doubts: u32,
}

impl PortalClock {
    /// A clock that is this far ahead.
    pub fn ahead_by(offset: SignedDuration) -> Self {
        Self {
            offset,
            is_known: true,
            ..Self::default()
        }
    }

    /// The clock that a status records; not if it shows a time that no Date can.
    pub fn recorded(seconds: i64, now: Timestamp) -> Option<Self> {
        let clock = Self::ahead_by(SignedDuration::from_secs(seconds));
        let time = now.checked_add(clock.offset).ok()?;
        PLAUSIBLE.contains(&time).then_some(clock)
    }

    /// The clock at the beginning of a check.
    pub fn at_next_check(self) -> Self {
        Self {
            doubted: self.heard.or(self.doubted),
            heard: None,
            ..self
        }
    }

    /// Takes in the Date of an answer; `now` is the operator's clock.
    pub fn hear(&mut self, date: Timestamp, now: Timestamp) {
        let offset = date.duration_since(now);
        let near = |other: SignedDuration| (offset - other).abs() <= TOLERANCE;
        if !self.is_known || near(self.offset) || self.doubted.is_some_and(near) {
            *self = Self::ahead_by(offset);
        } else if self.heard.replace(offset).is_none() {
            self.doubts = self.doubts.saturating_add(1);
        }
    }

    /// Whether this check showed an offset that the next one must confirm.
    pub fn is_in_doubt(&self) -> bool {
        self.heard.is_some()
    }

    /// Whether the next check should come soon. A clock that jumps at every check must not cause check after check.
    pub fn needs_second_check(&self) -> bool {
        self.is_in_doubt() && self.doubts == 1
    }

    /// The portal's time at this time of the operator's clock.
    pub fn at(&self, now: Timestamp) -> Timestamp {
        now.checked_add(self.offset).unwrap_or(now)
    }

    /// The offset in seconds, if it is large.
    pub fn large_offset(&self) -> Option<i64> {
        (self.offset.abs() > TOLERANCE).then(|| self.offset.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_is_believed_at_the_second_check() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().expect("a time");
        let (minute, days) = (SignedDuration::from_mins(1), SignedDuration::from_hours(72));
        let mut clock = PortalClock::default();
        clock.hear(now + days, now);
        assert_eq!((clock.at(now), clock.is_in_doubt()), (now + days, false));
        clock = PortalClock::ahead_by(SignedDuration::ZERO);
        clock.hear(now + minute, now);
        assert_eq!((clock.offset, clock.is_in_doubt()), (minute, false));

        // One check, with several answers, shows a clock three days behind.
        clock = clock.at_next_check();
        clock.hear(now - days, now);
        clock.hear(now - days, now);
        assert_eq!((clock.at(now), clock.is_in_doubt()), (now + minute, true));
        clock = clock.at_next_check();
        clock.hear(now + minute, now);
        assert_eq!((clock.at(now), clock.is_in_doubt()), (now + minute, false));

        clock.hear(now - days, now);
        assert!(clock.needs_second_check());
        clock = clock.at_next_check();
        clock.hear(now + days, now);
        assert!(clock.is_in_doubt() && !clock.needs_second_check());
        clock = clock.at_next_check();
        clock.hear(now - days, now);
        clock = clock.at_next_check();
        assert!(!clock.is_in_doubt(), "a check without an answer proves nothing");
        clock = clock.at_next_check();
        clock.hear(now - days + minute, now);
        assert_eq!(clock.at(now), now - days + minute);
        assert_eq!(clock.large_offset(), Some(60 - 72 * 3600));
    }

    #[test]
    fn a_recorded_clock_shows_a_plausible_time() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().expect("a time");
        assert_eq!(
            PortalClock::recorded(-3600, now),
            Some(PortalClock::ahead_by(SignedDuration::from_hours(-1)))
        );
        let year = 366 * 24 * 3600;
        for odd in [i64::MIN, -57 * year, 980 * year, 7973 * year, i64::MAX] {
            assert_eq!(PortalClock::recorded(odd, now), None, "{odd}");
        }
    }
}
