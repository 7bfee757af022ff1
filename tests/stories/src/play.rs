//! Playing a story.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::Value;
use simulated_portal::{
    ApiKey, AuditEvent, Database, Holder, Installation, Mode, Outcome, Pass, Portal, Progress,
    SimulatedPortal, Tenant, User,
};

use crate::{
    Story,
    compare::Free,
    deed::{Deed, FIRST_HOST, Request, understand},
    file::RecordedStep,
    http::Call,
    rows::number,
    tables,
};

/// A story that is being played, with the server that it is played on: tenant 1 at `portal.test` and, so that the
/// server's own address leads to it on SaaS as well, at 127.0.0.1; tenant 2 at `second.test`.
#[derive(Debug)]
pub struct Play {
    story: Story,
    server: SimulatedPortal,
    sessions: HashMap<String, String>,
    key: String,
    played: usize,
    /// Where the clock of the database stands, if it was not faked.
    database_clock: Option<Timestamp>,
    put_by_hand: HashSet<String>,
}

/// A step that was played.
#[derive(Clone, Debug)]
pub struct Step {
    /// 1 for the first.
    pub number: usize,
    /// What the recording says of it.
    pub text: String,
    /// The server's time, which stands still.
    pub at: Timestamp,
    /// How many requests were sent, each with its answer compared.
    pub requests: usize,
    /// What is not as it was recorded: answers, passes, runs and rows.
    pub differences: Vec<String>,
}

impl Story {
    /// Starts a fresh server for it.
    pub async fn begin(self) -> Play {
        let database = if self.on_mariadb {
            Database::MariaDb
        } else {
            Database::PostgreSql
        };
        let installation = Installation {
            database,
            ..Installation::default()
        };
        let zone = self.zone();
        let first = Tenant {
            hosts: [FIRST_HOST, "127.0.0.1", "localhost"].map(str::to_owned).into(),
            time_zone: zone,
            ..Tenant::default()
        };
        let second = Tenant {
            owner: User {
                id: "22222222-2222-2222-2222-222222222222".to_owned(),
                display_name: "Second Owner".to_owned(),
            },
            ..Tenant::at("second.test")
        };
        let server = SimulatedPortal::start_with(installation, vec![first, second]).await;
        if let Some(start) = self.time_at(0) {
            server.clock().set(start);
        }
        let session = |portal: Portal| (portal.host(), portal.issue_session(Holder::Owner));
        let play = Play {
            sessions: server.tenants().into_iter().map(session).collect(),
            key: server.first().issue_key(ApiKey::named("story")),
            server,
            played: 0,
            database_clock: None,
            put_by_hand: HashSet::new(),
            story: self,
        };
        play.recall_progress();
        play
    }

    /// The time zone of tenant 1.
    fn zone(&self) -> Option<String> {
        let seen = self.steps.iter().flat_map(|step| step.schedules.iter().flatten());
        let mut zones = seen
            .filter(|seen| seen.tenant_id == 1)
            .map(|seen| seen.tenant_time_zone.clone());
        zones.next().flatten()
    }

    /// The time of a step: of its clock, or where that ran on, of its first result that tells one; else of the
    /// nearest step before, or behind.
    fn time_at(&self, index: usize) -> Option<Timestamp> {
        let told = |step: &RecordedStep| step.utc_now.or_else(|| time_told(&step.result));
        let before = self.steps[..=index].iter().rev().find_map(told);
        before.or_else(|| self.steps[index..].iter().find_map(told))
    }
}

fn time_told(result: &Value) -> Option<Timestamp> {
    match result {
        Value::Array(items) => items.iter().find_map(time_told),
        _ => result["utcNow"].as_str()?.parse().ok(),
    }
}

impl Play {
    /// The server.
    pub fn server(&self) -> &SimulatedPortal {
        &self.server
    }

    /// The name of the story's file.
    pub fn name(&self) -> &str {
        self.story.name()
    }

    /// An API key of portal.test's owner with every permission.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A session token of a host's owner.
    pub fn session(&self, host: &str) -> Option<&str> {
        self.sessions.get(host).map(String::as_str)
    }

    /// How many steps the story has.
    pub fn steps(&self) -> usize {
        self.story.steps.len()
    }

    /// Sets the clock, does what the next step tells, and compares; none when the story is over.
    ///
    /// # Errors
    /// When it is not understood what was done, or rows cannot be read.
    pub async fn next_step(&mut self) -> Result<Option<Step>, String> {
        let index = self.played;
        let Some(recorded) = self.story.steps.get(index).cloned() else {
            return Ok(None);
        };
        self.played += 1;
        let before = index.checked_sub(1).map(|before| &self.story.steps[before]);
        let deeds = understand(&recorded, before)?;
        let at = self.story.time_at(index).ok_or("a story without any time")?;
        self.server.clock().set(at);

        let events_before = tables::events(&self.server).len();
        let mut step = Step {
            number: self.played,
            text: recorded.step.clone(),
            at,
            requests: 0,
            differences: Vec::new(),
        };
        for deed in deeds {
            let differences = self.carry_out(&deed, &recorded).await?;
            step.requests += usize::from(matches!(deed, Deed::Request(_)));
            step.differences.extend(differences);
        }
        if let Some(progress) = &recorded.progress {
            let request = Request::get("/api/2.0/backup/getbackupprogress?dump=false", progress);
            step.differences.extend(self.send(&request, &recorded).await?);
            step.requests += 1;
        }
        let new_events = tables::events(&self.server).split_off(events_before);
        let rows = tables::differences(&recorded, &self.server, &new_events, &self.free(&recorded))?;
        step.differences.extend(rows);
        Ok(Some(step))
    }

    fn free(&self, recorded: &RecordedStep) -> Free<'_> {
        Free {
            times: recorded.utc_now.is_none(),
            known_ids: &self.put_by_hand,
        }
    }

    async fn carry_out(&mut self, deed: &Deed, recorded: &RecordedStep) -> Result<Vec<String>, String> {
        match deed {
            Deed::Plan(plan) => self.plan(plan).map(|()| Vec::new()),
            Deed::DatabaseClock(time) => {
                self.database_clock = Some(*time);
                Ok(Vec::new())
            }
            Deed::Request(request) => self.send(request, recorded).await,
            Deed::Scheduler { at, published } => {
                self.go_to(*at, recorded);
                let found: Vec<String> = self.server.run_scheduler().iter().map(published_as).collect();
                Ok(unequal("published", published, &found))
            }
            Deed::Worker { at, happened } => {
                self.go_to(*at, recorded);
                self.work(happened)
            }
            Deed::Cleaner { at, done } => {
                self.go_to(*at, recorded);
                Ok(self.clean(done))
            }
            Deed::PutSchedule(row) => {
                let schedule = row.schedule()?;
                self.portal(schedule.tenant_id)?.set_schedule(schedule);
                Ok(Vec::new())
            }
            Deed::PutArchive(row) => {
                let tenant: i32 = number(row.tenant_id.as_deref().unwrap_or_default())?;
                let archive = row.archive(recorded.files_on_disk.as_deref().unwrap_or_default())?;
                self.put_by_hand.insert(archive.id.clone());
                self.portal(tenant)?.add_archive(tenant == -1, archive);
                Ok(Vec::new())
            }
        }
    }

    /// Where the clock was not faked each result has a time of its own.
    fn go_to(&self, at: Option<Timestamp>, recorded: &RecordedStep) {
        if let Some(at) = at.filter(|_| recorded.utc_now.is_none()) {
            self.server.clock().set(at);
        }
    }

    /// A portal by its tenant's id; the installation's rows are the first one's to put.
    fn portal(&self, tenant_id: i32) -> Result<Portal, String> {
        let mut portals = self.server.tenants().into_iter();
        let found = portals.find(|portal| portal.tenant_id() == tenant_id.max(1));
        found.ok_or_else(|| format!("no tenant {tenant_id}"))
    }

    fn plan(&self, plan: &Value) -> Result<(), String> {
        let ran_out = match plan["tariffState"].as_str() {
            Some("Paid") => false,
            Some("NotPaid") => true,
            other => return Err(format!("tariff state {other:?}")),
        };
        let free = plan["freeBackups"]
            .as_u64()
            .and_then(|count| count.try_into().ok());
        self.server.change(|installation| installation.mode = Mode::Saas);
        for portal in self.server.tenants() {
            portal.change(|tenant| {
                tenant.tariff_ran_out = ran_out;
                tenant.free_backups = free;
                tenant.audit = plan["audit"] == true;
            });
        }
        Ok(())
    }

    async fn send(&self, request: &Request, recorded: &RecordedStep) -> Result<Vec<String>, String> {
        let Request {
            method, path, host, ..
        } = request;
        let call = Call {
            method,
            path,
            host,
            token: self.session(host).ok_or_else(|| format!("no portal at {host}"))?,
            referer: request.referer.as_deref(),
            body: request.body.as_ref(),
        };
        let (status, body) = call.send(&self.server).await.map_err(|error| error.to_string())?;
        let mut differences = Vec::new();
        if status != request.status {
            differences.push(format!(
                "{method} {path}: status {status} instead of {}",
                request.status
            ));
        }
        if let Some(recorded) = request
            .answer
            .as_ref()
            .and_then(|answer| self.free(recorded).answer(answer, &body))
        {
            differences.push(format!("{method} {path}: {recorded}"));
        }
        Ok(differences)
    }

    /// Lets the worker take what is queued. How the job ended, which was a stand-in's, is told by the recording;
    /// what the server does around it is not, and neither is whether an unknown storage fails.
    fn work(&self, happened: &[String]) -> Result<Vec<String>, String> {
        for ended in happened
            .iter()
            .filter_map(|line| line.strip_prefix("socket: end-backup "))
        {
            let (told, dump) = ended.rsplit_once(" dump=").ok_or("no dump")?;
            let told: Value = serde_json::from_str(told).map_err(|error| error.to_string())?;
            let outcome = match (
                told["Error"].as_str().unwrap_or_default(),
                told["Warning"].as_str(),
            ) {
                ("Unknown storage type.", _) => continue,
                ("", None) => Outcome::Succeeds,
                ("", Some(warning)) => Outcome::SucceedsWithWarning(warning.to_owned()),
                (error, _) => Outcome::Fails(error.to_owned()),
            };
            let tenant = told["TenantId"].as_i64().and_then(|id| id.try_into().ok());
            self.portal(tenant.ok_or("no TenantId")?)?
                .next_run(dump == "True", outcome);
        }
        let before = tables::events(&self.server).len();
        self.server.run_worker();
        let new = tables::events(&self.server).split_off(before);
        let found: Vec<String> = new
            .iter()
            .map(|(tenant, event)| happened_as(*tenant, event))
            .collect();
        let recorded = happened.iter().filter(|line| line.starts_with("audit: "));
        let recorded: Vec<String> = recorded.map(|line| without_initiator(line)).collect();
        Ok(unequal("happened", &recorded, &found))
    }

    /// A pass of the cleaner. What has expired the server asks its database, whose own clock was not faked: where
    /// the story tells that it stood elsewhere (datastore-expired), the one clock of the simulated server stands
    /// there for the length of the pass. Rows do not tell the time of a pass, so nothing else sees that.
    fn clean(&self, done: &[String]) -> Vec<String> {
        let clock = self.server.clock();
        let now = clock.now();
        clock.set(self.database_clock.unwrap_or(now));
        let deleted = self.server.run_cleaner();
        clock.set(now);
        // Files in a local folder were really deleted, and so are not in this list.
        let elsewhere = deleted.iter().filter(|archive| archive.storage_type != 3);
        let mut found: Vec<String> = elsewhere
            .map(|archive| {
                format!(
                    "storage: ConsumerBackupStorage.DeleteAsync({})",
                    archive.file_name
                )
            })
            .collect();
        let mut done = done.to_vec();
        found.sort();
        done.sort();
        unequal("deleted", &done, &found)
    }

    /// Progress is kept until the next run, so a story may see that of another one before it (story
    /// both-schedules-at-one-hour): what is told before any run of a slot was there from the beginning.
    fn recall_progress(&self) {
        let mut ran: HashSet<bool> = HashSet::new();
        let mut before = None;
        for step in &self.story.steps {
            for deed in understand(step, before).unwrap_or_default() {
                match deed {
                    Deed::Worker { happened, .. } => {
                        ran.extend(
                            happened
                                .iter()
                                .filter_map(|line| match line.rsplit_once(" dump=")?.1 {
                                    "True" => Some(true),
                                    _ => Some(false),
                                }),
                        );
                    }
                    Deed::Request(request) if request.path.ends_with("/startbackup") => {
                        let dump = request.body.as_ref().is_some_and(|body| body["dump"] == true);
                        ran.insert(dump);
                    }
                    Deed::Request(request) => {
                        if let Some(dump) = request
                            .asks_for_progress_of_dump()
                            .filter(|dump| !ran.contains(dump))
                            && let Some(told) =
                                request.answer.as_ref().and_then(|answer| answer.get("response"))
                            && let Some(portal) = self.at(&request.host)
                        {
                            portal.set_progress(dump, Some(progress(told)));
                        }
                    }
                    _ => {}
                }
            }
            before = Some(step);
        }
    }

    fn at(&self, host: &str) -> Option<Portal> {
        self.server
            .tenants()
            .into_iter()
            .find(|portal| portal.host() == host)
    }
}

fn progress(told: &Value) -> Progress {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| {
        told[name]
            .as_i64()
            .and_then(|number| number.try_into().ok())
            .unwrap_or_default()
    };
    Progress {
        is_completed: told["isCompleted"] == true,
        progress: number("progress"),
        error: text("error"),
        warning: told["warning"].as_str().map(str::to_owned),
        link: text("link"),
        tenant_id: number("tenantId"),
        status: number("status"),
        task_id: text("taskId"),
    }
}

fn unequal(what: &str, recorded: &[String], found: &[String]) -> Vec<String> {
    let differs = recorded != found;
    differs
        .then(|| format!("{what}: recorded {recorded:#?}, found {found:#?}"))
        .into_iter()
        .collect()
}

/// What a pass puts on the bus.
fn published_as(pass: &Pass) -> String {
    match pass {
        Pass::Queued {
            tenant_id,
            dump,
            storage_type,
            paid,
        } => format!(
            "backup requested: tenant={tenant_id} dump={dump} scheduled=true storageType={storage_type} \
             billingSessionId={}",
            u8::from(*paid)
        ),
        Pass::Removed { tenant_id, reason } => {
            format!("notify: SendAboutScheduledBackupFailed tenant={tenant_id} {reason}")
        }
    }
}

/// An event as the worker's recording words it, but for its initiator, which GET does not tell.
fn happened_as(tenant: i32, event: &AuditEvent) -> String {
    let name = match event.action_id {
        5041 => "BackupStarted",
        5125 => "BackupCompleted",
        5126 => "BackupFailed",
        5127 => "ScheduledBackupStarted",
        5128 => "ScheduledBackupCompleted",
        5129 => "ScheduledBackupFailed",
        _ => "another",
    };
    let ip = event.ip.as_deref().unwrap_or_default();
    let page = event.page.as_deref().unwrap_or_default();
    format!(
        "audit: {name} tenant={tenant} user={} ip={ip} page={page}",
        event.user_id
    )
}

/// The same of a recorded line. Its target is the name of a type, not a value.
fn without_initiator(line: &str) -> String {
    let kept = line
        .split(' ')
        .filter(|word| !word.starts_with("initiator=") && !word.starts_with("target="));
    kept.collect::<Vec<_>>().join(" ")
}
