//! Control of backup runs by tests: when they happen, and with which outcome.

use jiff::{SignedDuration, Timestamp};

use crate::{
    books::Archive,
    cleaner,
    portal::{Portal, SimulatedPortal},
    scheduler::{self, Pass},
    worker::{self, Outcome},
};

/// DocSpace's scheduler and cleaner run every 15 minutes; here at these minutes of each quarter.
const SCHEDULER_MINUTE: i64 = 7;
const CLEANER_MINUTE: i64 = 14;

impl SimulatedPortal {
    /// Runs one pass of the scheduler: each due row of an active portal gets lastBackupTime = now, and a run is
    /// queued but not carried out yet.
    pub fn run_scheduler(&self) -> Vec<Pass> {
        let now = self.clock().now();
        self.with_state(|state| scheduler::pass(state, now))
    }

    /// Lets the worker carry out the queued runs: they take no time, unless one hangs.
    pub fn run_worker(&self) {
        let now = self.clock().now();
        self.with_state(|state| worker::run(state, now));
    }

    /// Runs one pass of the cleaner; returns what it deleted, files included.
    pub fn run_cleaner(&self) -> Vec<Archive> {
        let now = self.clock().now();
        self.with_state(|state| cleaner::pass(state, now))
    }

    /// Stops the clock, advances it, and runs at each minute what DocSpace would run: the scheduler at :07, :22, :37
    /// and :52, the cleaner at :14, :29, :44 and :59, and the worker every minute, so that it carries out at :08 what
    /// the scheduler queued at :07.
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

    /// Restarts the backup services: they lose progress and running backups, but keep queued runs.
    pub fn restart_services(&self) {
        self.with_state(|state| {
            let own = state.tenants.iter_mut().map(|tenant| &mut tenant.books);
            own.chain([&mut state.dump]).for_each(worker::forget);
        });
    }
}

impl Portal {
    /// Whether a pass of the scheduler now would find the portal's schedule (or the one for dumps) due.
    pub fn is_due(&self, dump: bool) -> bool {
        let now = self.server().clock().now();
        self.with_state(|state| scheduler::is_due(state, (!dump).then_some(self.index), now))
    }

    /// Sets the outcome of the next run of the portal's own backup or of a dump. By default a run succeeds, except that a
    /// dump on PostgreSQL fails (trap 7). A run without a known storage always fails (story customcloud). Dumps belong to
    /// the installation, whichever portal sets their outcome.
    pub fn next_run(&self, dump: bool, outcome: Outcome) {
        self.with_state(|state| state.books(self.index, dump).next_outcome = Some(outcome));
    }

    /// Sets the outcome of every run without an outcome from `next_run`.
    pub fn every_run(&self, dump: bool, outcome: Outcome) {
        self.with_state(|state| state.books(self.index, dump).every_outcome = Some(outcome));
    }

    /// Ends a run that hangs; `Lost` acts like a restart of its service.
    pub fn end_run(&self, dump: bool, outcome: Outcome) {
        let now = self.server().clock().now();
        self.with_state(|state| {
            if let Some(run) = &state.books(self.index, dump).running {
                // A dump's events go to the portal that it runs for, whichever portal this is called on.
                let index = run.tenant;
                worker::end(state, index, dump, outcome, now);
            }
        });
    }

    /// Starts a manual backup as a person would with POST startbackup: to a local folder, on SaaS to the temporary
    /// store. It is queued until the worker runs.
    pub fn start_backup(&self, dump: bool) {
        let now = self.server().clock().now();
        self.with_state(|state| {
            let storage_type = if state.installation.standalone() { 3 } else { 4 };
            worker::start_manual(state, self.index, dump, storage_type, now);
        });
    }
}
