//! The form of the recordings.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use simulated_portal::Schedule;

use crate::http::Call;

/// Every JSON file of a folder and the folders in it, whatever its name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    found.sort();
    found
}

/// What a file holds, told by its shape.
pub enum Recording<'a> {
    /// Requests with their answers.
    Exchanges(Vec<Exchange<'a>>),
    /// Stories, and tables of times: not for this test.
    Other,
}

impl Recording<'static> {
    pub fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap().leak();
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) else {
            return Self::Other;
        };
        let is_exchange = |item: &&RawValue| {
            let fields: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(item.get());
            fields.is_ok_and(|fields| fields.contains_key("request") && fields.contains_key("response"))
        };
        if !items.iter().all(is_exchange) {
            return Self::Other;
        }
        let exchange = |item: &'static RawValue| {
            serde_json::from_str(item.get()).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        };
        Self::Exchanges(items.into_iter().map(exchange).collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange<'a> {
    #[serde(default)]
    pub id: Value,
    #[serde(default)]
    pub name: String,
    pub server: Server,
    pub schedules_before: Option<Vec<Row>>,
    pub backups_before: Option<Vec<BackupRow>>,
    #[serde(borrow)]
    pub request: Request<'a>,
    pub response: Response,
    pub schedules_after: Option<Vec<Row>>,
    #[serde(default)]
    pub note: String,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    pub mode: String,
    pub database: String,
    pub paid: Option<bool>,
    #[serde(default)]
    pub limited_access_space: bool,
    #[serde(default)]
    pub hidden_settings: Vec<String>,
    #[serde(default)]
    pub tenant_status: u64,
    #[serde(default)]
    pub database_down: bool,
}

/// A row of `backup_schedule`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub tenant_id: i32,
    pub dump: bool,
    pub storage_type: i32,
    pub storage_base_path: Option<String>,
    pub storage_params: BTreeMap<String, String>,
    pub cron: String,
    pub backups_stored: i32,
    pub last_backup_time: Option<String>,
}

/// A row of `backup_backup`.
#[derive(Deserialize)]
pub struct BackupRow {
    pub id: String,
    pub tenant_id: String,
    pub storage_type: String,
    pub storage_path: String,
    pub removed: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    #[serde(borrow)]
    pub body: Option<&'a RawValue>,
    pub body_text: Option<String>,
}

#[derive(Deserialize)]
pub struct Response {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: Value,
}

impl Row {
    pub fn schedule(&self) -> Schedule {
        Schedule {
            tenant_id: self.tenant_id,
            dump: self.dump,
            storage_type: self.storage_type,
            // The word is how the client of MariaDB prints nothing.
            storage_base_path: self.storage_base_path.clone().filter(|path| path != "NULL"),
            storage_params: self.storage_params.clone(),
            cron: self.cron.clone(),
            backups_stored: self.backups_stored,
            last_backup_time: self
                .last_backup_time
                .as_ref()
                .map(|time| time.parse().expect("an instant")),
        }
    }
}

impl Exchange<'_> {
    /// Whether it asks for an endpoint, named by its last words.
    pub fn is_to(&self, method: &str, endpoint: &str) -> bool {
        let path = self
            .request
            .path
            .split('?')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        self.request.method == method && path.ends_with(&format!("/{endpoint}"))
    }

    pub fn asks_for_dump(&self) -> bool {
        self.request.path.to_ascii_lowercase().contains("dump=true")
    }

    /// `response` of the answer's wrapper.
    pub fn told(&self) -> Option<&Value> {
        self.response
            .body
            .get("response")
            .filter(|_| self.response.status == 200)
    }

    pub fn host(&self) -> &str {
        self.request
            .headers
            .get("Host")
            .map_or("portal.test", String::as_str)
    }
}

impl Request<'_> {
    /// The request with one of its texts.
    pub fn call(&self, body: Option<String>) -> Call {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Call {
            method: self.method.clone(),
            path: self.path.clone(),
            headers,
            body,
        }
    }

    /// The body as it may have been sent: a text where it was no JSON, else with a blank behind each comma and
    /// colon, or without.
    pub fn texts(&self) -> Vec<Option<String>> {
        let raw = self.body.map_or("null", RawValue::get);
        if self.body_text.is_some() {
            vec![self.body_text.clone()]
        } else if raw == "null" {
            vec![None]
        } else if let Ok(text) = serde_json::from_str::<String>(raw) {
            vec![Some(text)]
        } else {
            vec![Some(spaced(raw, " ")), Some(spaced(raw, ""))]
        }
    }
}

fn spaced(json: &str, blank: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for character in json.chars() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
            out.push(character);
        } else if !character.is_whitespace() {
            in_text = character == '"';
            out.push(character);
            if matches!(character, ',' | ':') {
                out.push_str(blank);
            }
        }
    }
    out
}

#[test]
fn blanks_in_bodies_are_told_from_those_in_texts() {
    let raw = "{ \"a\" :[1,\"x: \\\",y\"]}";
    assert_eq!(spaced(raw, " "), r#"{"a": [1, "x: \",y"]}"#);
    assert_eq!(spaced(raw, ""), r#"{"a":[1,"x: \",y"]}"#);
}
