//! The actions of a step, from its result, its text and its rows.

use std::slice;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    file::RecordedStep,
    rows::{BackupRow, ScheduleRow},
};

/// The host of tenant 1, the default.
pub(crate) const FIRST_HOST: &str = "portal.test";

/// One action.
#[derive(Debug)]
pub(crate) enum Deed {
    /// The installation is SaaS, with this plan.
    Plan(Value),
    /// The time at which the clock of the database is stopped, independent of the faked clock.
    DatabaseClock(Timestamp),
    Request(Request),
    /// A pass of the scheduler, and what it published.
    Scheduler {
        at: Option<Timestamp>,
        published: Vec<String>,
    },
    /// The worker received what was published, with this result.
    Worker {
        at: Option<Timestamp>,
        happened: Vec<String>,
    },
    /// A pass of the cleaner, and the files that it deleted in the stand-in for storages.
    Cleaner {
        at: Option<Timestamp>,
        done: Vec<String>,
    },
    /// Rows put into the database by hand.
    PutSchedule(ScheduleRow),
    PutArchive(BackupRow),
}

/// A request of an owner.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) referer: Option<String>,
    pub(crate) body: Option<Value>,
    pub(crate) status: u16,
    /// None if only the status was recorded.
    pub(crate) answer: Option<Value>,
}

impl Request {
    pub(crate) fn get(path: &str, answer: &Value) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            host: FIRST_HOST.to_owned(),
            referer: None,
            body: None,
            status: 200,
            answer: Some(answer.clone()),
        }
    }
}

impl Deed {
    /// The slots with a run afterwards: of a dump, or of the portal's own backup.
    pub(crate) fn runs_of_dump(&self) -> Vec<bool> {
        match self {
            Self::Worker { happened, .. } => {
                let ends = happened.iter().filter_map(|line| line.rsplit_once(" dump="));
                ends.map(|(_, dump)| dump == "True").collect()
            }
            Self::Request(Request { path, body, .. }) if path.ends_with("/startbackup") => {
                vec![body.as_ref().is_some_and(|body| body["dump"] == true)]
            }
            _ => Vec::new(),
        }
    }

    /// The progress in the answer to portal.test, and whether it is that of a dump.
    pub(crate) fn tells_progress(&self) -> Option<(bool, &Value)> {
        let Self::Request(Request {
            path, host, answer, ..
        }) = self
        else {
            return None;
        };
        let asks = host == FIRST_HOST && path.contains("/getbackupprogress");
        let told = answer.as_ref()?.get("response").filter(|_| asks)?;
        Some((path.contains("dump=true"), told))
    }
}

/// All actions of a step, in order.
pub(crate) fn understand(step: &RecordedStep, before: Option<&RecordedStep>) -> Result<Vec<Deed>, String> {
    let reader = Reader { step, before };
    let mut deeds = reader.circumstances()?;
    let mut verbs = reader.verbs();
    let put = reader.put_by_hand();
    for result in results(&step.result) {
        deeds.extend(reader.deed(result, &mut verbs, !put.is_empty())?);
    }
    deeds.extend(put);
    Ok(deeds)
}

/// The results of a step one by one. A list has several results, unless it is a status with the text of an answer.
fn results(result: &Value) -> Vec<&Value> {
    match result.as_array() {
        Some(items) if status_and_text(result).is_none() => items.iter().flat_map(results).collect(),
        _ => vec![result],
    }
}

fn status_and_text(result: &Value) -> Option<(u16, &str)> {
    let [status, text] = result.as_array()?.as_slice() else {
        return None;
    };
    Some((status.as_u64()?.try_into().ok()?, text.as_str()?))
}

/// Reads one step.
pub(crate) struct Reader<'a> {
    pub(crate) step: &'a RecordedStep,
    before: Option<&'a RecordedStep>,
}

impl<'a> Reader<'a> {
    pub(crate) fn text(&self) -> &'a str {
        &self.step.step
    }

    pub(crate) fn unknown(&self, what: &str) -> String {
        format!("step not understood, {what}: {:?}", self.text())
    }

    fn circumstances(&self) -> Result<Vec<Deed>, String> {
        let mut deeds = Vec::new();
        if self.text().starts_with("SaaS") {
            let plan = self.text().find('{').map(|start| &self.text()[start..]);
            let plan =
                plan.and_then(|text| serde_json::Deserializer::from_str(text).into_iter().next()?.ok());
            deeds.push(Deed::Plan(plan.ok_or_else(|| self.unknown("no plan"))?));
        }
        if let Some((_, time)) = self.text().split_once("it stands at ") {
            let time = time.parse().map_err(|_| self.unknown("no time"))?;
            deeds.push(Deed::DatabaseClock(time));
        }
        Ok(deeds)
    }

    /// The methods of the requests in the text of the step, in order.
    fn verbs(&self) -> std::vec::IntoIter<&'static str> {
        let words = self.text().split(|c: char| !c.is_ascii_alphabetic());
        let verb = |word: &str| match word {
            "POST" | "POSTs" | "POSTed" | "create" => Some("POST"),
            "DELETE" | "delete" => Some("DELETE"),
            _ => None,
        };
        words.filter_map(verb).collect::<Vec<_>>().into_iter()
    }

    fn deed(
        &self,
        result: &Value,
        verbs: &mut impl Iterator<Item = &'static str>,
        rows_were_put: bool,
    ) -> Result<Option<Deed>, String> {
        if let Some((status, answer)) = status_and_text(result) {
            return self.with_link(status, answer).map(Some);
        }
        let at = result["utcNow"].as_str().and_then(|time| time.parse().ok());
        let lines = |name: &str| result.get(name).map(texts);
        if result.get("method").is_some() {
            return self.recorded_whole(result).map(Some);
        }
        if let Some(published) = lines("published") {
            return Ok(Some(Deed::Scheduler { at, published }));
        }
        if let (Some(_), Some(happened)) = (lines("delivered"), lines("happened")) {
            return Ok(Some(Deed::Worker { at, happened }));
        }
        if let Some(done) = lines("done") {
            return Ok(Some(Deed::Cleaner { at, done }));
        }
        let status = result.as_u64().and_then(|status| u16::try_from(status).ok());
        match (result, status) {
            (_, Some(status @ 100..=599)) => {
                let method = verbs.next().ok_or_else(|| self.unknown("no method"))?;
                self.told_in_words(method, status).map(Some)
            }
            // The outcome was set in the stand-in for the job; the worker's step shows it.
            (Value::String(word), _) if word == "ok" => Ok(None),
            // The result of an SQL statement, or nothing.
            (Value::String(word), _) if word.starts_with("INSERT") && rows_were_put => Ok(None),
            (Value::Number(_) | Value::Null, _) if rows_were_put => Ok(None),
            (Value::Null, _) if self.text().starts_with("clock ") => Ok(None),
            (Value::Null, _) => match verbs.next() {
                Some(method) => self.told_in_words(method, 200).map(Some),
                None => Err(self.unknown("nothing is told")),
            },
            _ => Err(self.unknown(&format!("a result of another kind, {result}"))),
        }
    }

    fn recorded_whole(&self, result: &Value) -> Result<Deed, String> {
        let text = |name: &str| result[name].as_str().map(str::to_owned);
        let missing = |name: &str| self.unknown(&format!("no {name}"));
        let method = text("method").ok_or_else(|| missing("method"))?;
        let body = match result.get("body") {
            Some(body) => Some(body.clone()),
            None if method == "POST" => Some(self.body_told()?),
            None => None,
        };
        let status = result["status"]
            .as_u64()
            .and_then(|status| status.try_into().ok());
        Ok(Deed::Request(Request {
            path: text("path").ok_or_else(|| missing("path"))?,
            host: text("host").unwrap_or_else(|| FIRST_HOST.to_owned()),
            referer: None,
            status: status.ok_or_else(|| missing("status"))?,
            answer: Some(
                result
                    .get("response")
                    .cloned()
                    .ok_or_else(|| missing("response"))?,
            ),
            method,
            body,
        }))
    }

    /// The address, from the link in the answer.
    fn with_link(&self, status: u16, answer: &str) -> Result<Deed, String> {
        let answer: Value =
            serde_json::from_str(answer).map_err(|_| self.unknown("an answer that is no JSON"))?;
        let link = &answer["links"][0];
        let (Some(address), Some(method)) = (link["href"].as_str(), link["action"].as_str()) else {
            return Err(self.unknown("no link"));
        };
        let beyond_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
        let (host, path) = beyond_scheme
            .split_once('/')
            .ok_or_else(|| self.unknown("no path"))?;
        let body = (method == "POST").then(|| self.body_told()).transpose()?;
        Ok(Deed::Request(Request {
            method: method.to_owned(),
            path: format!("/{path}"),
            host: host.to_owned(),
            referer: self.referer(address),
            body,
            status,
            answer: Some(answer),
        }))
    }

    /// The event of a deletion contains the caller's page, or the address if there was no page.
    fn referer(&self, address: &str) -> Option<String> {
        let pages = self
            .step
            .new_audit_rows
            .iter()
            .flatten()
            .filter_map(|row| row.page.clone());
        pages.into_iter().find(|page| !page.is_empty() && page != address)
    }

    /// Rows that nothing else explains: archives in a step without a run, a schedule in a step without a POST.
    fn put_by_hand(&self) -> Vec<Deed> {
        let results = results(&self.step.result);
        let ran = results.iter().any(|result| result.get("delivered").is_some());
        let posted = self.verbs().any(|verb| verb == "POST");
        let mut put = Vec::new();
        if !ran {
            let known: Vec<&str> = archives(self.before).iter().map(BackupRow::identity).collect();
            let new = archives(Some(self.step))
                .iter()
                .filter(|row| !known.contains(&row.identity()));
            put.extend(new.cloned().map(Deed::PutArchive));
        }
        if !posted {
            let known: Vec<&str> = schedules(self.before)
                .iter()
                .map(|row| row.tenant_id.as_str())
                .collect();
            let new = schedules(Some(self.step)).iter();
            let new = new.filter(|row| !known.contains(&row.tenant_id.as_str()));
            put.extend(new.cloned().map(Deed::PutSchedule));
        }
        put
    }
}

fn archives(step: Option<&RecordedStep>) -> &[BackupRow] {
    step.and_then(|step| step.backup_rows.as_deref())
        .unwrap_or_default()
}

fn schedules(step: Option<&RecordedStep>) -> &[ScheduleRow] {
    step.and_then(|step| step.schedule_rows.as_deref())
        .unwrap_or_default()
}

fn texts(lines: &Value) -> Vec<String> {
    let lines = lines
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_else(|| slice::from_ref(lines));
    let text = |line: &Value| line.as_str().map_or_else(|| line.to_string(), str::to_owned);
    lines.iter().map(text).collect()
}
