//! What tests do with runs: let them come, and tell what becomes of them.

use jiff::{SignedDuration, Timestamp};

use crate::{
    books::Archive,
    cleaner,
    portal::{Portal, SimulatedPortal},
    scheduler::{self, Pass},
    worker::{self, Outcome},
};

/// DocSpace's scheduler and cleaner come every quarter of an hour; here at these minutes of it.
const SCHEDULER_MINUTE: i64 = 7;
const CLEANER_MINUTE: i64 = 14;

impl SimulatedPortal {
    /// Makes a pass of the scheduler: each due row of a portal that is active gets lastBackupTime = now, and a
    /// run is queued, which is not yet made.
    pub fn run_scheduler(&self) -> Vec<Pass> {
        let now = self.clock().now();
        self.with_state(|state| scheduler::pass(state, now))
    }

    /// Lets the worker take the queued runs, and makes them: in no time, unless one hangs.
    pub fn run_worker(&self) {
        let now = self.clock().now();
        self.with_state(|state| worker::run(state, now));
    }

    /// Makes a pass of the cleaner, and gives what it deleted, files included.
    pub fn run_cleaner(&self) -> Vec<Archive> {
        let now = self.clock().now();
        self.with_state(|state| cleaner::pass(state, now))
    }

    /// Lets the clock, which is stopped by it, go forward, and does at each minute what DocSpace would: the
    /// scheduler comes at :07, :22, :37 and :52, the cleaner at :14, :29, :44 and :59, the worker at every minute,
    /// so that it takes at :08 what the scheduler queued at :07.
    pub fn live(&self, for_how_long: SignedDuration) {
        let clock = self.clock();
        let start = clock.now();
        let end = start + for_how_long;
        let minute = |time: Timestamp| time.as_second().div_euclid(60);
        for minute in minute(start) + 1..=minute(end) {
            clock.set(Timestamp::from_second(minute * 60).expect("a time"));
            self.run_worker();
            match minute.rem_euclid(15) {
                SCHEDULER_MINUTE => drop(self.run_scheduler()),
                CLEANER_MINUTE => drop(self.run_cleaner()),
                _ => {}
            }
        }
        clock.set(end);
    }

    /// Restarts the backup services, which forget progress and runs under way; what is queued waits on.
    pub fn restart_services(&self) {
        self.with_state(|state| {
            let own = state.tenants.iter_mut().map(|tenant| &mut tenant.books);
            own.chain([&mut state.dump]).for_each(worker::forget);
        });
    }
}

impl Portal {
    /// Whether a pass of the scheduler now would find the portal's schedule due, or the one that makes dumps.
    pub fn is_due(&self, dump: bool) -> bool {
        let now = self.server().clock().now();
        self.with_state(|state| scheduler::is_due(state, (!dump).then_some(self.index), now))
    }

    /// Tells what becomes of the next run, of the portal's own backup or of a dump, that a worker would take. Where
    /// nothing is told a run succeeds, but a dump on PostgreSQL fails (trap 7); whatever is told, one without a
    /// known storage fails (story customcloud). Dumps are the installation's, whichever portal is told.
    pub fn next_run(&self, dump: bool, outcome: Outcome) {
        self.with_state(|state| state.books(self.index, dump).next_outcome = Some(outcome));
    }

    /// Tells what becomes of every run that `next_run` tells nothing of.
    pub fn every_run(&self, dump: bool, outcome: Outcome) {
        self.with_state(|state| state.books(self.index, dump).every_outcome = Some(outcome));
    }

    /// Ends a run that hangs; `Lost` is as if its service was restarted.
    pub fn end_run(&self, dump: bool, outcome: Outcome) {
        let now = self.server().clock().now();
        self.with_state(|state| {
            if let Some(run) = &state.books(self.index, dump).running {
                // A dump's events go to the portal that it runs for, whichever is asked.
                let index = run.tenant;
                worker::end(state, index, dump, outcome, now);
            }
        });
    }

    /// A person starts a manual backup, as with POST startbackup: to a local folder, on SaaS to the temporary
    /// store. It waits for the worker.
    pub fn start_backup(&self, dump: bool) {
        let now = self.server().clock().now();
        self.with_state(|state| {
            let storage_type = if state.installation.standalone() { 3 } else { 4 };
            worker::start_manual(state, self.index, dump, storage_type, now);
        });
    }
}
