//! Carries out the actions of a step.

use jiff::Timestamp;
use serde_json::Value;
use simulated_portal::{Mode, Outcome, Portal};

use crate::{
    deed::{Deed, Request},
    file::RecordedStep,
    http::Call,
    play::Play,
    rows::number,
    tables,
    words::{happened_as, published_as, without_initiator},
};

impl Play {
    /// Carries out one action; returns the differences from the recording.
    pub(crate) async fn carry_out(
        &mut self,
        deed: &Deed,
        recorded: &RecordedStep,
    ) -> Result<Vec<String>, String> {
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

    /// If the clock was not faked, each result has its own time.
    fn go_to(&self, at: Option<Timestamp>, recorded: &RecordedStep) {
        if let Some(at) = at.filter(|_| recorded.utc_now.is_none()) {
            self.server.clock().set(at);
        }
    }

    /// A portal by its tenant's id; the first portal writes the rows of the installation.
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

    pub(crate) async fn send(
        &self,
        request: &Request,
        recorded: &RecordedStep,
    ) -> Result<Vec<String>, String> {
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

    /// Lets the worker carry out what is queued. The recording determines how the job (a stand-in) ended; the simulated
    /// server determines everything around it, and whether an unknown storage fails.
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

    /// A pass of the cleaner. The real server asked its database which archives had expired, and the clock of the database
    /// was not faked. If the story gives another time of the database (datastore-expired), the only clock of the simulated
    /// server shows that time during the pass. Rows do not contain the time of a pass, so nothing else depends on it.
    fn clean(&self, done: &[String]) -> Vec<String> {
        let clock = self.server.clock();
        let now = clock.now();
        clock.set(self.database_clock.unwrap_or(now));
        let deleted = self.server.run_cleaner();
        clock.set(now);
        // Files in a local folder were really deleted, so this list does not contain them.
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
}

fn unequal(what: &str, recorded: &[String], found: &[String]) -> Vec<String> {
    let differs = recorded != found;
    differs
        .then(|| format!("{what}: recorded {recorded:#?}, found {found:#?}"))
        .into_iter()
        .collect()
}
