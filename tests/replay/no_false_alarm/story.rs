//! Random stories: the schedule, and the events in the order of their times.

use std::fmt;

use docspace_backup_operator::schedule::timetable::{Cron, Timetable};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Where the archives go.
pub const FOLDER: &str = "/backups";

/// Kinds of troubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Other failing reads.
    Reads,
    /// Failing POSTs.
    Posts,
    /// Failing reads of the audit trail.
    Trail,
    /// Answers that are not DocSpace's: HTML, redirects, no such route.
    Others,
    /// Error pages with a Date of 1970.
    Dates,
    /// The portal's clock jumps for one check.
    Jumps,
    /// GET shows the schedule some seconds after the POST.
    Lag,
    /// A failed POST is carried out later.
    Late,
    /// One check gets another schedule or none.
    OddSchedule,
    /// One check gets a history without the newest archives.
    OddHistory,
    /// The operator restarts.
    Restarts,
    /// The operator restarts before it has written its status.
    Crashes,
    /// Kubernetes refuses a status write.
    Status,
    /// People make backups.
    Manual,
    /// Backups of people fail.
    ManualFails,
    /// The portal's backup services restart and forget the last run.
    Services,
    /// Runs take their time.
    LongRuns,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Reads,
        Self::Posts,
        Self::Trail,
        Self::Others,
        Self::Dates,
        Self::Jumps,
        Self::Lag,
        Self::Late,
        Self::OddSchedule,
        Self::OddHistory,
        Self::Restarts,
        Self::Crashes,
        Self::Status,
        Self::Manual,
        Self::ManualFails,
        Self::Services,
        Self::LongRuns,
    ];
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The calls that can fail, by the last words of their endpoints.
pub const CALLS: [&str; 7] = [
    "getbackupschedule",
    "getbackuphistory",
    "getbackupprogress",
    TRAIL,
    "settings",
    "keys/@self",
    POST,
];
/// Reads of the audit trail.
const TRAIL: &str = "security/audit/events/filter";
/// The POST of a schedule.
pub const POST: &str = "createbackupschedule";

/// How calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 502 of the router.
    BadGateway,
    /// 504 of the router, which also stands for a call without an answer in time.
    GatewayTimeout,
    /// 429, with the seconds to wait.
    TooMany(Option<u64>),
    /// The connection is reset.
    Reset,
    /// The work is done, and the connection ends in the middle of the answer.
    Truncated,
    /// The work is done, and the router answers 504.
    DoneLate,
    /// 500 of DocSpace.
    ServerError,
    /// 403 of DocSpace without PostgreSQL.
    DatabaseDown,
    /// 403 of DocSpace while the portal is restored.
    Restoring,
    /// A page with status 200.
    Page,
    /// Another server's JSON.
    OtherJson,
    /// A redirect to another host.
    Redirect,
    /// A page with status 404.
    NoRoute,
    /// A page of 1970, with this status.
    Of1970(u16),
}

impl Kind {
    const ALL: [Self; 17] = [
        Self::BadGateway,
        Self::BadGateway,
        Self::GatewayTimeout,
        Self::TooMany(None),
        Self::TooMany(Some(30)),
        Self::TooMany(Some(3600)),
        Self::Reset,
        Self::Truncated,
        Self::DoneLate,
        Self::ServerError,
        Self::DatabaseDown,
        Self::Restoring,
        Self::Page,
        Self::OtherJson,
        Self::Redirect,
        Self::NoRoute,
        Self::Of1970(502),
    ];

    /// Whether the answer is not DocSpace's and does not look like a failing proxy's.
    pub fn is_other(self) -> bool {
        matches!(
            self,
            Self::Page | Self::OtherJson | Self::Redirect | Self::NoRoute | Self::Of1970(200)
        )
    }

    /// Whether a POST that fails so is or may be carried out.
    pub fn is_unknown_for_a_post(self) -> bool {
        !matches!(self, Self::TooMany(_) | Self::NoRoute)
    }

    /// Whether a POST that fails so is carried out.
    pub fn does_the_work(self) -> bool {
        matches!(self, Self::Truncated | Self::DoneLate)
    }
}

/// Calls that fail for a while.
#[derive(Clone, Debug)]
pub struct Outage {
    /// The calls.
    pub calls: Vec<&'static str>,
    /// How they fail.
    pub kind: Kind,
    /// A failed POST is carried out this many seconds later.
    pub late: Option<i64>,
}

/// An event.
#[derive(Clone, Debug)]
pub enum Event {
    /// Calls begin to fail; the number names the outage.
    Begins(usize, Outage),
    /// They work again.
    Ends(usize),
    /// The portal's clock is this many seconds off at the next check.
    Jumps(i64),
    /// The next check gets the other schedule, or none.
    OddSchedule(bool),
    /// The next check gets a history without so many of the newest archives.
    OddHistory(usize),
    /// The operator restarts.
    Restarts,
    /// The operator restarts after the next check, before it has written its status.
    Crashes,
    /// Kubernetes refuses the next status write.
    StatusFails,
    /// A person makes a backup, which takes some minutes.
    Manual {
        /// Whether it fails.
        fails: bool,
        /// How long it runs.
        minutes: i64,
    },
    /// The backup of a person ends.
    ManualEnds {
        /// Whether it fails.
        fails: bool,
    },
    /// The backup services restart.
    Services,
    /// The next run takes its time.
    LongRun,
    /// It ends.
    RunEnds,
    /// A backup is due.
    Due,
    /// A backup that was due then had to be there.
    Deadline(Timestamp),
    /// The POST with this body is carried out.
    Lands(Value),
    /// GET shows the schedule again as it is.
    LagEnds,
}

/// What the portal holds before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// The schedule of the manifest, in use.
    Same,
    /// Another one.
    Other,
}

/// A story.
#[derive(Clone, Debug)]
pub struct Story {
    pub zone: &'static str,
    pub cron: Cron,
    pub number: i64,
    pub deadline_minutes: i64,
    pub interval_minutes: i64,
    pub before: Before,
    /// Seconds after the POST until GET shows the schedule.
    pub lag: i64,
    pub start: Timestamp,
    pub end: Timestamp,
    /// Spreads the checks.
    pub rng: Rng,
    /// In the order of their times.
    pub events: Vec<(Timestamp, Event)>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cron { hour, day, .. } = self.cron;
        let period = period(self.cron);
        write!(
            f,
            "{period} {day} {hour}:00 {}, keeps {}, deadline {} min, interval {} min, portal holds {:?}, lag {} s, {} to {}",
            self.zone,
            self.number,
            self.deadline_minutes,
            self.interval_minutes,
            self.before,
            self.lag,
            self.start,
            self.end
        )
    }
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

impl Story {
    /// The story of a seed, without some troubles. They leave the rest as it is.
    pub fn of(seed: u64, without: &[Trouble]) -> Self {
        let mut rng = Rng::with_seed(seed);
        let has = |trouble: Trouble| !without.contains(&trouble);
        let zone = pick(
            &mut rng,
            &["UTC", "UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York"],
        );
        // Later hours are never reached behind UTC.
        let hour = rng.i64(0..if zone == "America/New_York" { 19 } else { 24 });
        let period = pick(&mut rng, &[0, 0, 0, 0, 1, 2]);
        let day = [0, rng.i64(1..=7), rng.i64(1..=31)][usize::try_from(period).expect("small")];
        let cron = Cron { period, hour, day };
        let times = Timetable::new(cron, zone).expect("a known zone");
        let near = pick(
            &mut rng,
            &[
                "2026-11-22T00:00:00Z",
                "2026-10-23T00:00:00Z",
                "2027-03-26T00:00:00Z",
                "2026-12-30T00:00:00Z",
            ],
        );
        let near: Timestamp = near.parse().expect("a time");
        // A due time comes within a day or two.
        let due = times.next(near + minutes(24 * 60)).expect("a due time");
        let start = due - seconds(rng.i64(30..26 * 3600));
        let trouble_lasts = if period == 0 {
            rng.i64(6..72)
        } else {
            rng.i64(6..40)
        };
        let calm = start + minutes(60 * trouble_lasts);
        let deadline_minutes = pick(&mut rng, &[30, 45, 60, 120, 240]);
        let end = times.next(calm).expect("a due time") + minutes(deadline_minutes + 60);
        let nights = end.duration_since(start).as_hours() / 24;
        let intervals: &[i64] = if nights < 6 {
            &[5, 15, 15, 60, 360]
        } else {
            &[60, 360]
        };
        let mut story = Self {
            zone,
            cron,
            number: rng.i64(1..=7),
            deadline_minutes,
            interval_minutes: pick(&mut rng, intervals),
            before: pick(
                &mut rng,
                &[Before::Nothing, Before::Nothing, Before::Same, Before::Other],
            ),
            lag: pick(&mut rng, &[0, 1, 3, 8, 20, 50]),
            start,
            end,
            rng: rng.fork(),
            events: Vec::new(),
        };
        if !has(Trouble::Lag) {
            story.lag = 0;
        }
        let dues = dues(&times, start, end);
        story.add_runs(&mut rng.fork(), &dues, has(Trouble::LongRuns));
        let mut moments = Moments {
            rng: rng.fork(),
            start,
            calm,
            dues,
            deadline_minutes,
        };
        story.add_outages(&mut moments, &has);
        story.add_odd_moments(&mut moments, &has);
        story.events.sort_by_key(|(time, _)| *time);
        story
    }

    fn add_runs(&mut self, rng: &mut Rng, dues: &[Timestamp], long: bool) {
        for due in dues {
            self.events.push((*due, Event::Due));
            let deadline = *due + minutes(self.deadline_minutes);
            self.events.push((deadline, Event::Deadline(*due)));
            let takes = rng.i64(1..=(self.deadline_minutes - 14).min(100));
            if rng.bool() && long {
                self.events.push((*due - minutes(1), Event::LongRun));
                let end = *due + minutes(8 + takes) + seconds(20);
                self.events.push((end, Event::RunEnds));
            }
        }
    }

    fn add_outages(&mut self, moments: &mut Moments, has: &dyn Fn(Trouble) -> bool) {
        for number in 0..moments.rng.usize(1..9) {
            let (from, to) = moments.window(number == 0);
            let rng = &mut moments.rng;
            let mut kind = pick(rng, &Kind::ALL);
            if rng.u8(..8) == 0 {
                kind = Kind::Of1970(pick(rng, &[200, 502, 503]));
            }
            let mut calls: Vec<&str> = match rng.u8(..4) {
                0 => CALLS.into(),
                1 => vec![TRAIL],
                _ => CALLS.into_iter().filter(|_| rng.u8(..5) < 2).collect(),
            };
            let late = rng.bool().then(|| rng.i64(5..320));
            calls.retain(|call| {
                has(match *call {
                    POST => Trouble::Posts,
                    TRAIL => Trouble::Trail,
                    _ => Trouble::Reads,
                })
            });
            let left_out = calls.is_empty()
                || kind.is_other() && !has(Trouble::Others)
                || matches!(kind, Kind::Of1970(_)) && !has(Trouble::Dates);
            if left_out {
                continue;
            }
            let late =
                late.filter(|_| has(Trouble::Late) && kind.is_unknown_for_a_post() && !kind.does_the_work());
            self.events
                .push((from, Event::Begins(number, Outage { calls, kind, late })));
            self.events.push((to, Event::Ends(number)));
        }
    }

    fn add_odd_moments(&mut self, moments: &mut Moments, has: &dyn Fn(Trouble) -> bool) {
        for _ in 0..moments.rng.usize(..14) {
            let at = moments.moment();
            let rng = &mut moments.rng;
            let sign = if rng.bool() { 1 } else { -1 };
            let jump = match rng.u8(..3) {
                0 => rng.i64(310..6 * 3600),
                1 => rng.i64(6 * 3600..30 * 3600),
                _ => rng.i64(24 * 3600..40 * 24 * 3600),
            };
            let fails = rng.bool();
            let (trouble, event) = match rng.u8(..10) {
                0 => (Trouble::Jumps, Event::Jumps(sign * jump)),
                1 => (Trouble::OddSchedule, Event::OddSchedule(rng.bool())),
                2 => (Trouble::OddHistory, Event::OddHistory(rng.usize(1..4))),
                3 => (Trouble::Restarts, Event::Restarts),
                4 => (Trouble::Crashes, Event::Crashes),
                5 => (Trouble::Status, Event::StatusFails),
                6 => (Trouble::Services, Event::Services),
                _ => {
                    let minutes = if rng.bool() { 0 } else { rng.i64(1..40) };
                    (Trouble::Manual, Event::Manual { fails, minutes })
                }
            };
            let fails = fails && trouble == Trouble::Manual;
            if has(trouble) && (!fails || has(Trouble::ManualFails)) {
                self.events.push((at, event));
            }
        }
    }

    /// The spec, without the portal.
    pub fn spec(&self) -> Value {
        json!({
            "storageType": "Local",
            "storageParams": [{"key": "filePath", "value": FOLDER}],
            "cronParams": {
                "period": period(self.cron),
                "hour": self.cron.hour,
                "day": self.cron.day,
            },
            "backupsStored": self.number,
            "backupDeadline": format!("{}m", self.deadline_minutes),
            "interval": format!("{}m", self.interval_minutes),
        })
    }
}

fn period(cron: Cron) -> &'static str {
    match cron.period {
        0 => "EveryDay",
        1 => "EveryWeek",
        _ => "EveryMonth",
    }
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

fn dues(times: &Timetable, start: Timestamp, end: Timestamp) -> Vec<Timestamp> {
    let next = |due: &Timestamp| times.next(*due);
    let all = std::iter::successors(times.next(start), next);
    all.take_while(|due| *due < end).collect()
}

/// Draws times.
struct Moments {
    rng: Rng,
    start: Timestamp,
    /// The end of the troubles.
    calm: Timestamp,
    dues: Vec<Timestamp>,
    deadline_minutes: i64,
}

impl Moments {
    /// A time before the end of the troubles, often about a due time.
    fn moment(&mut self) -> Timestamp {
        let lasts = self.calm.duration_since(self.start).as_secs();
        let any = self.start + seconds(self.rng.i64(0..lasts));
        let due = self.dues[self.rng.usize(..self.dues.len())];
        let about = due + seconds(self.rng.i64(-3600..(self.deadline_minutes + 60) * 60));
        if self.rng.bool() && (self.start..self.calm).contains(&about) {
            about
        } else {
            any
        }
    }

    fn window(&mut self, first: bool) -> (Timestamp, Timestamp) {
        let mut from = self.moment();
        if first && self.rng.bool() {
            from = self.start;
        }
        let lasts = match self.rng.u8(..10) {
            0..5 => self.rng.i64(60..1800),
            5..9 => self.rng.i64(1800..4 * 3600),
            _ => self.rng.i64(4 * 3600..10 * 3600),
        };
        (from, (from + seconds(lasts)).min(self.calm))
    }
}
