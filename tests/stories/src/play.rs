//! Playing a story.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::Value;
use simulated_portal::{ApiKey, Database, Holder, Installation, Portal, SimulatedPortal, Tenant, User};

use crate::{
    Story,
    compare::Free,
    deed::{Deed, FIRST_HOST, Request, understand},
    file::RecordedStep,
    tables,
    words::progress,
};

/// A story that is being played, with the server that it is played on: tenant 1 at `portal.test` and, so that the
/// server's own address leads to it on SaaS as well, at 127.0.0.1; tenant 2 at `second.test`.
#[derive(Debug)]
pub struct Play {
    story: Story,
    pub(crate) server: SimulatedPortal,
    sessions: HashMap<String, String>,
    key: String,
    played: usize,
    /// Where the clock of the database stands, if it was not faked.
    pub(crate) database_clock: Option<Timestamp>,
    pub(crate) put_by_hand: HashSet<String>,
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

    pub(crate) fn free(&self, recorded: &RecordedStep) -> Free<'_> {
        Free {
            times: recorded.utc_now.is_none(),
            known_ids: &self.put_by_hand,
        }
    }

    /// Progress is kept until the next run, so a story may see that of another one before it (story
    /// both-schedules-at-one-hour): what is told before any run of a slot was there from the beginning.
    fn recall_progress(&self) {
        let mut ran: HashSet<bool> = HashSet::new();
        let mut before = None;
        for step in &self.story.steps {
            // What is not understood is told when its turn comes.
            for deed in understand(step, before).unwrap_or_default() {
                ran.extend(deed.runs_of_dump());
                if let Some((dump, told)) = deed.tells_progress().filter(|(dump, _)| !ran.contains(dump)) {
                    self.server.first().set_progress(dump, Some(progress(told)));
                }
            }
            before = Some(step);
        }
    }
}
