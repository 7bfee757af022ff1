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

/// A story in progress, with its server: tenant 1 at `portal.test` and at 127.0.0.1 (so that the server's own address
/// selects it on SaaS, too), tenant 2 at `second.test`.
#[derive(Debug)]
pub struct Play {
    story: Story,
    pub(crate) server: SimulatedPortal,
    sessions: HashMap<String, String>,
    key: String,
    played: usize,
    /// The time of the database, if its clock was not faked.
    pub(crate) database_clock: Option<Timestamp>,
    pub(crate) put_by_hand: HashSet<String>,
}

/// A step that was played.
#[derive(Clone, Debug)]
pub struct Step {
    /// The number of the step, from 1.
    pub number: usize,
    /// The text in the recording.
    pub text: String,
    /// The server's time; the clock is stopped.
    pub at: Timestamp,
    /// The number of requests; each answer was compared.
    pub requests: usize,
    /// Differences from the recording: answers, passes, runs and rows.
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

    /// The time of a step: of its clock; if that was running, of its first result with a time; otherwise of the nearest
    /// earlier step, or else the nearest later one.
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

    /// The number of steps.
    pub fn steps(&self) -> usize {
        self.story.steps.len()
    }

    /// Sets the clock, carries out the next step, and compares; none at the end of the story.
    ///
    /// # Errors
    /// The actions of the step are not understood, or rows cannot be read.
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

    /// The server keeps progress until the next run, so a story may start with the progress of an earlier one (story
    /// both-schedules-at-one-hour): progress before the first run of a slot existed from the beginning.
    fn recall_progress(&self) {
        let mut ran: HashSet<bool> = HashSet::new();
        let mut before = None;
        for step in &self.story.steps {
            // A step that is not understood fails when it is played.
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
