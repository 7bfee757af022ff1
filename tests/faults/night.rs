//! A night in which the fault meets what the operator asks about backups.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::{
    portal::PortalCall,
    row::Injected,
    story::Told,
    world::{World, condition_is},
};

/// The operator carries out a request to look at most every two seconds.
const LOOKS_EVERY: Duration = Duration::from_millis(2500);
/// An archive is proven when it is listed twice, half an hour apart.
const STEP: SignedDuration = SignedDuration::from_mins(45);

impl World {
    /// The backup is due, the fault meets what the operator asks about it, and ends. Then the backup is proven.
    pub async fn sees_a_night(&mut self) -> Told {
        self.fail();
        self.night_passes();
        self.is_met().await;
        let hits = self.outlasts_the_fault().await;
        let recovered = Instant::now();
        let deadline = self.row.recovers_within();
        // One list of archives proves nothing, nor do two at the same time.
        self.look(Self::is_proven).await;
        self.look(Self::is_proven).await;
        while !self.is_proven() {
            assert!(
                recovered.elapsed() < deadline,
                "not proven within {deadline:?}\n{}",
                self.shown()
            );
            self.live(STEP);
            // The portal's clock has jumped, which the operator believes at the second look.
            self.look(Self::is_proven).await;
            self.look(Self::is_proven).await;
        }
        Told {
            hits,
            recovered: recovered.elapsed(),
        }
    }

    fn is_proven(&self) -> bool {
        let fresh = |object| condition_is(object, "BackupFresh", "True");
        self.is_as_wanted() && self.object().as_deref().is_some_and(fresh)
    }

    /// The user asks for a look, and waits for a while.
    pub async fn look(&mut self, done: impl Fn(&Self) -> bool) {
        self.request().await;
        let until = Instant::now() + LOOKS_EVERY;
        let over = |world: &Self| done(world) || Instant::now() >= until;
        self.until("a look", 2 * LOOKS_EVERY, over).await;
    }

    /// The portal's clock passes the hour of the backup. Where the operator is to ask for the other schedule, the portal
    /// makes no backup, and the deadline passes, too.
    fn night_passes(&mut self) {
        let due = after(self.server.clock().now(), self.manifest.hour);
        let is_other = |fault: &Injected| matches!(fault, Injected::Portal(PortalCall::OtherSchedule, _));
        if self.row.faults.iter().any(is_other) {
            self.server.clock().run_from(due + SignedDuration::from_hours(3));
        } else {
            let now = self.server.clock().now();
            self.live((due + SignedDuration::from_mins(20)).duration_since(now));
        }
    }

    /// The portal makes the backups of a time, and its clock goes on from there.
    fn live(&mut self, time: SignedDuration) {
        self.server.live(time);
        self.steps.push(Instant::now());
        let clock = self.server.clock();
        clock.run_from(clock.now());
    }
}

/// The next time that this hour begins, in UTC.
fn after(now: Timestamp, hour: i32) -> Timestamp {
    let day = 24 * 3600;
    let today = now.as_second() - now.as_second() % day + i64::from(hour) * 3600;
    let due = if today > now.as_second() {
        today
    } else {
        today + day
    };
    Timestamp::from_second(due).expect("a time")
}
