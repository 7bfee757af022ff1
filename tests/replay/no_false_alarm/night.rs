//! Plays a story with a simulated portal and checks what the operator tells.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulated_portal::{
    ApiKey, Archive, Fault, FaultBody, FaultId, Installation, Keep, Outcome, Portal, Schedule,
    SimulatedPortal, Tenant,
};

use super::story::{Before, Event, FOLDER, Kind, Outage, POST, Story};
use crate::operator::{Operator, Told};

/// DocSpace may carry out a POST for so long after its client has gone.
const MAY_LAND_FOR: SignedDuration = SignedDuration::from_mins(10);
/// At first contact another server's answers are retried for so long.
const FIRST_CONTACT: SignedDuration = SignedDuration::from_mins(5);
/// Ready lasts so long while the portal fails.
const READY_LASTS: SignedDuration = SignedDuration::from_mins(60);

/// A broken promise, and what happened before.
pub struct Wrong {
    pub what: String,
    pub history: Vec<String>,
}

/// What was seen that the checks need.
#[derive(Default)]
struct Seen {
    first_check: Option<Timestamp>,
    /// DocSpace has answered this process.
    answered: bool,
    /// The status was written after that.
    answered_in_status: bool,
    was_ever_ready: bool,
    was_ready: bool,
    failing_since: Option<Timestamp>,
    /// The last POST with an unknown outcome, of which the operator knows.
    unknown_post: Option<Timestamp>,
    /// The operator crashed while GET did not show its POST.
    forgot_post: bool,
    /// The schedule, the history and the clock were odd at the last check that read them: two in a row would be believed.
    odd: [bool; 3],
    last: String,
}

/// A story under way.
pub struct Night {
    story: Story,
    server: SimulatedPortal,
    portal: Portal,
    operator: Operator,
    next_check: Timestamp,
    outages: Vec<(usize, Outage, Vec<FaultId>)>,
    lag: Option<FaultId>,
    /// What distinguishes the next check.
    jump: i64,
    odd_schedule: Option<bool>,
    odd_history: usize,
    status_fails: bool,
    crashes: bool,
    /// Due times at which the portal held the schedule.
    in_force: Vec<Timestamp>,
    seen: Seen,
    /// The history has every check.
    tells_all: bool,
    history: Vec<String>,
}

fn rows_cron(story: &Story) -> String {
    let (hour, day) = (story.cron.hour, story.cron.day);
    match story.cron.period {
        0 => format!("0 0 {hour} ? * *"),
        1 => format!("0 0 {hour} ? * {day}"),
        _ => format!("0 0 {hour} {day} * ?"),
    }
}

fn row(cron: String, number: i64) -> Schedule {
    Schedule {
        cron,
        backups_stored: i32::try_from(number).expect("small"),
        storage_base_path: Some(FOLDER.into()),
        storage_params: [("filePath".to_owned(), FOLDER.to_owned())].into(),
        ..Schedule::every_day(0)
    }
}

/// The body of getbackupschedule.
fn shown(schedule: Option<&Schedule>) -> Value {
    let mut body = json!({"count": 0, "links": [], "status": 0, "statusCode": 200});
    if let Some(schedule) = schedule {
        let fields: Vec<i64> = schedule
            .cron
            .split(' ')
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        let (period, day) = match (fields[3], fields[5]) {
            (0, 0) => (0, 0),
            (0, day) => (1, day),
            (day, _) => (2, day),
        };
        let last = schedule.last_backup_time;
        body["count"] = json!(1);
        body["response"] = json!({
            "storageType": schedule.storage_type,
            "storageParams": schedule.storage_params,
            "cronParams": {"period": period, "hour": fields[2], "day": day},
            "backupsStored": schedule.backups_stored,
            "lastBackupTime": last.map_or("0001-01-01T00:00:00".into(), |last| {
                last.strftime("%Y-%m-%dT%H:%M:%S").to_string()
            }),
            "dump": false,
        });
    }
    body
}

/// A schedule of somebody else.
fn other(story: &Story) -> Schedule {
    row(format!("0 0 {} ? * *", (story.cron.hour + 5) % 18), story.number)
}

fn fault(kind: Kind) -> Fault {
    let error = |kind: &str, message: &str| {
        json!({
            "status": 1,
            "statusCode": 500,
            "error": {"message": message, "type": kind, "stack": "", "hresult": 0},
        })
    };
    let problem = json!({
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.4",
        "title": "Forbidden",
        "status": 403,
        "traceId": "00-0",
    });
    match kind {
        Kind::BadGateway => Fault::bad_gateway(),
        Kind::GatewayTimeout => Fault::answer(504, FaultBody::Html),
        Kind::DoneLate => Fault::answer(504, FaultBody::Html).after_work(),
        Kind::TooMany(seconds) => Fault::too_many_requests(seconds),
        Kind::Reset => Fault::reset(),
        Kind::Truncated => Fault::truncated(),
        Kind::ServerError => {
            let body = error("System.Exception", "Something went wrong");
            Fault::answer(500, FaultBody::Json(body))
        }
        Kind::DatabaseDown => {
            let body = error("System.InvalidOperationException", "An exception has been raised");
            Fault::answer(403, FaultBody::Json(body))
        }
        Kind::Restoring => Fault::answer(403, FaultBody::Json(problem)),
        Kind::Page => Fault::answer(200, FaultBody::Html),
        Kind::OtherJson => Fault::answer(200, FaultBody::EmptyObject),
        Kind::Redirect => Fault::redirect(302, "https://login.example.test/"),
        Kind::NoRoute => Fault::answer(404, FaultBody::Html),
        Kind::Of1970(status) => Fault::answer(status, FaultBody::Html).dated(Timestamp::UNIX_EPOCH),
    }
}

impl Night {
    /// Sets up the portal and the operator.
    pub async fn begin(story: Story) -> Self {
        let tenant = Tenant::at("portal.test").in_zone(story.zone);
        let server = SimulatedPortal::start_with(Installation::default(), vec![tenant]).await;
        server.clock().set(story.start);
        server.log().keep(Keep::Last(20));
        let portal = server.first();
        let key = portal.issue_key(ApiKey::named("operator"));
        let mut operator = Operator::new(&server.url(), &key, &story.spec());
        operator.chance = 0.5;
        let before = match story.before {
            Before::Nothing => None,
            Before::Same => Some(row(rows_cron(&story), story.number)),
            Before::Other => Some(other(&story)),
        };
        if let Some(mut schedule) = before {
            // It was in use for a while.
            let made = story.start - SignedDuration::from_mins(20);
            schedule.last_backup_time = Some(made - SignedDuration::from_mins(1));
            portal.set_schedule(schedule);
            portal.add_archive(false, Archive::scheduled("before", made));
            [5127, 5128]
                .into_iter()
                .for_each(|action| portal.add_event(action));
        }
        Self {
            next_check: story.start,
            story,
            server,
            portal,
            operator,
            outages: Vec::new(),
            lag: None,
            jump: 0,
            odd_schedule: None,
            odd_history: 0,
            status_fails: false,
            crashes: false,
            in_force: Vec::new(),
            seen: Seen::default(),
            tells_all: super::told::<u64>("DOCSPACE_TEST_SEED").is_some(),
            history: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        self.server.clock().now()
    }

    fn note(&mut self, text: impl std::fmt::Display) {
        let now = self.now().strftime("%m-%d %H:%M:%S").to_string();
        self.history.push(format!("    {now} {text}"));
    }

    /// Whether the portal holds the schedule of the manifest.
    fn is_held(&self) -> bool {
        let cron = rows_cron(&self.story);
        self.portal
            .schedule(false)
            .is_some_and(|held| held.cron == cron && i64::from(held.backups_stored) == self.story.number)
    }

    /// Plays the story.
    pub async fn run(mut self) -> Result<(), Wrong> {
        let told = self.play().await;
        told.map_err(|what| Wrong {
            what,
            history: self.history,
        })
    }

    async fn play(&mut self) -> Result<(), String> {
        let mut last = None;
        loop {
            let event = self
                .story
                .events
                .first()
                .map_or(self.story.end, |(time, _)| *time);
            let next = event.min(self.next_check).min(self.story.end);
            self.server.live(next.duration_since(self.now()));
            if next >= self.story.end {
                break;
            }
            if event <= self.next_check {
                let (_, event) = self.story.events.remove(0);
                self.happens(event)?;
            } else {
                last = Some(self.check().await?);
            }
        }
        let last = last.ok_or("the operator never looked")?;
        if last.states.iter().any(|state| state != "True") {
            return Err(format!(
                "at the end {last}, Ready and BackupFresh are {:?}",
                last.states
            ));
        }
        Ok(())
    }

    fn add_event(&mut self, time: Timestamp, event: Event) {
        let at = self.story.events.partition_point(|(other, _)| *other <= time);
        self.story.events.insert(at, (time, event));
    }

    fn happens(&mut self, event: Event) -> Result<(), String> {
        if !matches!(event, Event::Due | Event::Deadline(_)) {
            self.note(format!("{event:?}"));
        }
        match event {
            Event::Begins(number, outage) => {
                let order = |call: &&str| self.server.order(fault(outage.kind).to(call));
                let orders = outage.calls.iter().map(order).collect();
                self.outages.push((number, outage, orders));
            }
            Event::Ends(number) => {
                let ended = self.outages.extract_if(.., |(of, ..)| *of == number);
                let orders: Vec<FaultId> = ended.flat_map(|(.., orders)| orders).collect();
                orders
                    .into_iter()
                    .for_each(|order| self.server.clear_fault(order));
            }
            Event::Jumps(seconds) => self.jump = seconds,
            Event::OddSchedule(none) => self.odd_schedule = Some(none),
            Event::OddHistory(number) => self.odd_history = number,
            Event::StatusFails => self.status_fails = true,
            Event::Crashes => (self.crashes, self.status_fails) = (true, true),
            Event::Restarts => self.restart(),
            Event::Manual { fails, minutes } => self.manual(fails, minutes),
            Event::ManualEnds { fails } => {
                let outcome = if fails { failure() } else { Outcome::Succeeds };
                self.portal.end_run(false, outcome);
            }
            Event::Services if self.is_quiet() => self.server.restart_services(),
            Event::Services => self.note("not now"),
            Event::LongRun if !self.portal.is_due(false) => self.portal.next_run(false, Outcome::Hangs),
            Event::LongRun => {}
            Event::RunEnds => {
                self.portal.end_run(false, Outcome::Succeeds);
                self.portal.next_run(false, Outcome::Succeeds);
            }
            Event::Due => {
                if self.is_held() {
                    self.in_force.push(self.now());
                }
            }
            Event::Deadline(due) => self.must_have_run(due)?,
            Event::Lands(body) if self.is_held() => drop(body),
            Event::Lands(body) => self.portal.set_schedule_as_posted(&body),
            Event::LagEnds => {
                if let Some(lag) = self.lag.take() {
                    self.server.clear_fault(lag);
                }
            }
        }
        Ok(())
    }

    /// Checks the story itself: a backup that was due has succeeded.
    fn must_have_run(&self, due: Timestamp) -> Result<(), String> {
        let made = |archive: &Archive| archive.scheduled && (due..self.now()).contains(&archive.created_on);
        if self.in_force.contains(&due) && !self.portal.archives(false).iter().any(made) {
            return Err(format!("the story is wrong: no backup of {due}"));
        }
        Ok(())
    }

    /// Whether no scheduled run is near.
    fn is_quiet(&self) -> bool {
        let now = self.now();
        let dues = self.story.events.iter().filter_map(|(time, event)| match event {
            Event::Due => Some(*time),
            Event::Deadline(due) => Some(*due),
            _ => None,
        });
        let far = |due: Timestamp| {
            let hours = |hours| SignedDuration::from_hours(hours);
            now < due - hours(3) || now > due + hours(2)
        };
        let quarter = now.as_second().div_euclid(60).rem_euclid(15);
        let runs_soon = self.story.events.iter().any(|(time, event)| {
            matches!(event, Event::ManualEnds { .. } | Event::Lands(_))
                || matches!(event, Event::RunEnds) && *time < now + SignedDuration::from_hours(3)
        });
        dues.into_iter().all(far)
            && !self.portal.is_due(false)
            && self.is_held()
            && !runs_soon
            && (9..14).contains(&quarter)
    }

    fn manual(&mut self, fails: bool, minutes: i64) {
        // Not while the scheduler may start a run.
        let now = self.now();
        let quarter = now.as_second().div_euclid(60).rem_euclid(15);
        if !(9..14).contains(&quarter) {
            let later = now + SignedDuration::from_mins((10 - quarter).rem_euclid(15));
            return self.add_event(later, Event::Manual { fails, minutes });
        }
        if !self.is_quiet() {
            return self.note("not now");
        }
        let outcome = match (minutes, fails) {
            (1.., _) => Outcome::Hangs,
            (_, true) => failure(),
            (_, false) => Outcome::Succeeds,
        };
        self.portal.next_run(false, outcome);
        self.portal.start_backup(false);
        if minutes > 0 {
            let end = now + SignedDuration::from_mins(minutes + 1);
            self.add_event(end, Event::ManualEnds { fails });
        }
    }

    fn restart(&mut self) {
        let now = self.now();
        let wait = self.operator.restart(now);
        self.next_check = now + until(wait);
        self.seen.answered = self.seen.answered_in_status;
        self.seen.failing_since = None;
    }

    /// Whether DocSpace answers this call.
    fn answers(&self, call: &str) -> bool {
        !self
            .outages
            .iter()
            .any(|(_, outage, _)| outage.calls.contains(&call))
    }

    async fn check(&mut self) -> Result<Told, String> {
        let now = self.now();
        let before = self.portal.schedule(false);
        let held = self.is_held();
        let (posts, total) = (self.server.log().count("POST", POST), self.server.log().total());
        let hidden = self.make_odd(held);
        let lag = (!held && self.lag.is_none() && self.story.lag > 0).then(|| self.show(before.as_ref()));
        // What is there at first contact is believed.
        let known = held && self.seen.was_ever_ready;
        let odd_schedule = self.odd_schedule.take().filter(|_| known && !self.seen.odd[0]);
        let odd = odd_schedule.map(|none| {
            let other = other(&self.story);
            self.show((!none).then_some(&other))
        });
        let refused = std::mem::take(&mut self.status_fails);
        self.operator.status_write_fails = refused;
        let status_writes = self.operator.status_writes;
        self.operator.chance = self.story.rng.f64();

        // The clock that the operator hears first is believed.
        let jump = match self.seen.answered_in_status {
            true => std::mem::take(&mut self.jump),
            false => 0,
        };
        let jump = SignedDuration::from_secs(if self.seen.odd[2] { 0 } else { jump });
        self.server.clock().set(now + jump);
        let told = self.operator.look(now).await;
        self.server.clock().set(now);

        for id in &hidden {
            self.portal
                .change_archive(false, id, |archive| archive.removed = false);
        }
        odd.into_iter().for_each(|odd| self.server.clear_fault(odd));
        self.next_check = now + until(told.wait).max(SignedDuration::from_secs(1));
        let posted = self.server.log().count("POST", POST) - posts;
        if let Some(lag) = lag {
            if posted > 0 && self.is_held() {
                self.lag = Some(lag);
                self.add_event(now + SignedDuration::from_secs(self.story.lag), Event::LagEnds);
            } else {
                self.server.clear_fault(lag);
            }
        }
        let calls = self.calls_since(total);
        let odd_now = [odd.is_some(), !hidden.is_empty(), !jump.is_zero()];
        let answered = |call: &str| calls.split(", ").any(|answered| answered == call);
        let read = ["getbackupschedule", "getbackuphistory", "getbackupschedule"].map(answered);
        for ((odd, now), read) in self.seen.odd.iter_mut().zip(odd_now).zip(read) {
            *odd = now || *odd && !read;
        }
        let text = format!("{told} {:?}", told.states);
        let as_ever = text == self.seen.last && posted == 0 && jump.is_zero() && odd.is_none();
        if !as_ever || self.tells_all {
            self.note(format!("check: {text}, again in {:.0?}; {calls}", told.wait));
            self.seen.last = text;
        }
        let written = self.operator.status_writes > status_writes;
        // A status that Kubernetes refused leaves the one of the check before.
        let told = Told {
            stalled: told.stalled && (written || !refused),
            ..told
        };
        let wrong = self.judge(&told, held, posted, written);
        if std::mem::take(&mut self.crashes) {
            self.seen.forgot_post |= posted > 0;
            if posted > 0 {
                self.seen.unknown_post = None;
            }
            self.restart();
        }
        wrong.map(|()| told)
    }

    /// The calls after so many, with their status.
    fn calls_since(&self, total: u64) -> String {
        let requests = self.server.log().requests().into_iter();
        let calls = requests.filter(|request| request.number > total).map(|request| {
            let name = request.endpoint.rsplit('/').next().unwrap_or_default().to_owned();
            let status = request.status.unwrap_or_default();
            match status {
                200 if request.answered => name,
                _ => format!("{name} {status}"),
            }
        });
        calls.collect::<Vec<_>>().join(", ")
    }

    /// Hides the newest archives, and returns which.
    fn make_odd(&mut self, held: bool) -> Vec<String> {
        let number = std::mem::take(&mut self.odd_history);
        let held = held && !self.seen.odd[1];
        let mut archives = self.portal.archives(false);
        archives.retain(|archive| !archive.removed && held);
        archives.sort_by_key(|archive| std::cmp::Reverse(archive.created_on));
        let hidden: Vec<String> = archives
            .into_iter()
            .take(number)
            .map(|archive| archive.id)
            .collect();
        for id in &hidden {
            self.portal
                .change_archive(false, id, |archive| archive.removed = true);
        }
        if !hidden.is_empty() {
            self.note("the history is odd");
        }
        hidden
    }

    /// Lets GET show this schedule.
    fn show(&self, schedule: Option<&Schedule>) -> FaultId {
        let answer = Fault::answer(200, FaultBody::Json(shown(schedule)));
        self.server.order(answer.to("getbackupschedule"))
    }

    /// Checks what the operator told and did.
    fn judge(&mut self, told: &Told, held: bool, posted: u64, written: bool) -> Result<(), String> {
        let now = self.now();
        let begun = *self.seen.first_check.get_or_insert(now);
        let [ready, fresh] = &told.states;
        if fresh == "False" {
            return Err(format!("BackupFresh is False: {}", told.fresh));
        }
        self.judge_posts(held, posted)?;

        self.seen.answered |= self.answers("getbackupschedule");
        let patience = now.duration_since(begun) >= FIRST_CONTACT;
        if told.stalled && (self.seen.answered || !patience) {
            return Err(format!("stalled: {}", told.ready));
        }
        self.seen.answered_in_status |= self.seen.answered && written;

        if told.plan.starts_with("refuse") {
            self.seen.failing_since.get_or_insert(now);
        } else {
            self.seen.failing_since = None;
        }
        let lately = |since: Timestamp| now.duration_since(since) < READY_LASTS;
        let lasts = self.seen.was_ready && self.seen.failing_since.is_none_or(lately);
        if lasts && ready != "True" && told.ready != "Verifying" {
            return Err(format!("Ready is {ready} within an hour: {}", told.ready));
        }
        self.seen.was_ever_ready |= ready == "True";
        self.seen.was_ready = ready == "True" || self.seen.was_ready && told.ready == "Verifying";
        Ok(())
    }

    fn judge_posts(&mut self, held: bool, posted: u64) -> Result<(), String> {
        let now = self.now();
        if posted > 1 {
            return Err(format!("{posted} POSTs at one check"));
        }
        if posted == 0 {
            return Ok(());
        }
        if held && !std::mem::take(&mut self.seen.forgot_post) {
            return Err("a POST although the portal holds the schedule".into());
        }
        let lately = |at: Timestamp| now.duration_since(at) < MAY_LAND_FOR;
        if self.seen.unknown_post.is_some_and(lately) {
            return Err("a POST within ten minutes of one with an unknown outcome".into());
        }
        // The first outage of a call is the one that is met.
        let outage = self
            .outages
            .iter()
            .find(|(_, outage, _)| outage.calls.contains(&POST));
        let outage = outage.map(|(_, outage, _)| outage.clone());
        self.seen.unknown_post = outage
            .as_ref()
            .filter(|outage| outage.kind.is_unknown_for_a_post())
            .map(|_| now);
        let late = outage.and_then(|outage| outage.late);
        let body = self
            .server
            .log()
            .posts()
            .last()
            .and_then(|post| post.body.clone());
        if let (Some(late), Some(body)) = (late, body) {
            self.add_event(now + SignedDuration::from_secs(late), Event::Lands(body));
        }
        Ok(())
    }
}

fn failure() -> Outcome {
    Outcome::Fails("No space left on device".into())
}

fn until(wait: Duration) -> SignedDuration {
    SignedDuration::try_from(wait).expect("short")
}
