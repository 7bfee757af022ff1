//! Every recorded answer to a call that the client makes: classified as in the table, and read if it is a success.

mod told;

use std::{fs, path::Path};

use jiff::Timestamp;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use crate::portal::{
    Failure,
    answer::{self, Content, Reply, classify},
    call::Call,
    model::AuditAction,
    parse,
    redact::{Redactor, Secrets},
};

/// The result of an answer, by the first row that fits: its status, shape, type of exception, call, and the failure.
///
/// The client never sends what leads to 415 (another content type), to a create's `NullReferenceException` (null for a
/// value or for cronParams), or to a read's `FormatException` (Basic authorization). A key's is a session token
/// (R 429).
const TABLE: &str = "\
    200 envelope         -                                                    any      good
    400 error            System.ArgumentException                             any      Rejected
    400 wrapped-problem  -                                                    any      Rejected
    401 empty            -                                                    any      Unauthorized
    402 error            ASC.Core.Billing.BillingException                    any      PlanNotAllowed
    403 empty            -                                                    any      KeyNotAllowed
    403 error            System.Security.SecurityException                    any      UserNotAllowed
    403 error            ASC.Common.Security.Authorizing.AuthorizingException any      UserNotAllowed
    403 error            System.InvalidOperationException                     any      DatabaseDown
    403 problem          -                                                    Settings       KeyNotAllowed
    403 problem          -                                                    Schedule PortalUnavailable
    404 empty            -                                                    any      RouteNotFound
    404 error            System.IO.DirectoryNotFoundException                 any      FolderNotFound
    404 problem          -                                                    any      PortalGone
    415 wrapped-problem  -                                                    any      ServerError
    429 empty            -                                                    any      RateLimited
    500 error            System.Collections.Generic.KeyNotFoundException      Create   Rejected
    500 error            System.FormatException                               Create   Rejected
    500 error            System.Exception                                     Create   Rejected
    500 error            System.NullReferenceException                        Create   ServerError
    500 error            System.FormatException                               any      ServerError
    500 error            System.NullReferenceException                        Key      good
    500 error            MySqlConnector.MySqlException                        any      DatabaseDown
    500 error            Microsoft.EntityFrameworkCore.Storage.RetryLimitExceededException any DatabaseDown
    502 text             -                                                    any      Proxy
    504 text             -                                                    any      Proxy
";

struct Exchange {
    name: String,
    call: Call,
    path: String,
    answer: Value,
}

impl Exchange {
    fn id(&self) -> u64 {
        self.name
            .split(' ')
            .next()
            .and_then(|id| id.parse().ok())
            .unwrap_or_default()
    }

    fn reply(&self) -> &'static Reply {
        let body = match &self.answer["body"] {
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        reply(&self.answer["status"], body)
    }

    /// Read from the recording alone, independent of the client's code.
    fn shape(&self) -> (&str, &str) {
        let body = &self.answer["body"];
        let content_type = self.answer["headers"]["Content-Type"]
            .as_str()
            .unwrap_or_default();
        match content_type.split(';').next().unwrap_or_default() {
            "application/problem+json" if body["response"].is_object() => ("wrapped-problem", "-"),
            "application/problem+json" => ("problem", "-"),
            "application/json" => match body["error"]["type"].as_str() {
                Some(kind) => ("error", kind),
                None => ("envelope", "-"),
            },
            "text/html" => ("text", "-"),
            _ if body == "" => ("empty", "-"),
            other => panic!("{}: {other}", self.name),
        }
    }

    fn content(&self) -> Result<Content<'static>, Failure> {
        classify(self.call, self.reply(), &Redactor::of(&Secrets::default()))
            .map_err(|refusal| refusal.failure)
    }
}

/// Content is borrowed from a reply, so these stay for good.
fn reply(status: &Value, body: String) -> &'static Reply {
    let status = status.as_u64().and_then(|status| status.try_into().ok());
    Box::leak(Box::new(Reply {
        status: status.expect("a status"),
        redirect: None,
        asks_for_login: false,
        body: body.into(),
        share: None,
    }))
}

fn raw(json: &Value) -> Box<RawValue> {
    to_raw_value(json).expect("JSON")
}

fn call(method: &str, path: &str) -> Option<Call> {
    let path = path.to_lowercase();
    let path = path.split('?').next().unwrap_or_default();
    if path.ends_with("security/audit/events/filter") {
        return (method == "GET").then_some(Call::Events);
    }
    match (method, path.rsplit('/').next()?) {
        ("GET", "getbackupschedule") => Some(Call::Schedule),
        ("POST", "createbackupschedule") => Some(Call::Create),
        ("DELETE", "deletebackupschedule") => Some(Call::Delete),
        ("GET", "getbackuphistory") => Some(Call::History),
        ("GET", "getbackupprogress") => Some(Call::Progress),
        ("GET", "settings") => Some(Call::Settings),
        ("GET", "@self") => Some(Call::Key),
        ("GET", "getbackupscount") => Some(Call::BackupsCount),
        ("GET", "getservicestate") => Some(Call::ServiceState),
        ("GET", "portal") => Some(Call::Portal),
        _ => None,
    }
}

fn recorded() -> Vec<Exchange> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut exchanges = Vec::new();
    for file in fs::read_dir(directory).expect("tests/recordings") {
        let path = file.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let json: Value = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
        // next-runs and due are tables of times, not lists of exchanges.
        for mut exchange in json.as_array().cloned().unwrap_or_default() {
            let request = &exchange["request"];
            let text = |field: &str| request[field].as_str().unwrap_or_default();
            if let Some(call) = call(text("method"), text("path")) {
                exchanges.push(Exchange {
                    name: format!("{} {}", exchange["id"], exchange["name"]),
                    call,
                    path: text("path").to_owned(),
                    answer: exchange["response"].take(),
                });
            }
        }
    }
    exchanges
}

#[test]
fn each_is_told_apart_as_the_table_says_and_read_where_it_is_good() {
    let exchanges = recorded();
    assert!(exchanges.len() > 250, "only {}", exchanges.len());
    let table: Vec<Vec<&str>> = TABLE
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    let mut used = vec![false; table.len()];
    for exchange in &exchanges {
        let name = &exchange.name;
        let (status, (shape, kind)) = (exchange.reply().status.to_string(), exchange.shape());
        let call = format!("{:?}", exchange.call);
        let fits =
            |row: &Vec<&str>| row[..3] == [&status, shape, kind] && (row[3] == "any" || row[3] == call);
        let row = table.iter().position(fits);
        let row = row.unwrap_or_else(|| panic!("{name}: no row for {status} {shape} {kind}"));
        used[row] = true;
        let content = exchange.content();
        let failure = content.as_ref().err().map(|failure| format!("{failure:?}"));
        assert_eq!(failure.as_deref().unwrap_or("good"), table[row][4], "{name}");
        if let Ok(content) = content {
            read(exchange.call, content).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        }
    }
    let unused: Vec<_> = table.iter().zip(used).filter(|(_, used)| !used).collect();
    assert!(unused.is_empty(), "no recording for {unused:?}");
}

pub fn read(call: Call, content: Content) -> answer::Read<()> {
    match call {
        Call::Create | Call::Delete => parse::done(content),
        Call::Schedule => parse::schedule(content, &Redactor::of(&Secrets::default())).map(drop),
        Call::History => parse::history(content, &Redactor::of(&Secrets::default())).map(drop),
        Call::Progress => parse::progress(content, &Redactor::of(&Secrets::default())).map(drop),
        Call::Settings => parse::settings(content, &Redactor::of(&Secrets::default())).map(drop),
        Call::Key => {
            let Content::Response(key) = content else {
                return parse::key(content, &Redactor::of(&Secrets::default())).map(drop);
            };
            // The recordings have placeholders instead of times.
            let mut key: Value = serde_json::from_str(key.get()).expect("JSON");
            if let Some(key) = key.as_object_mut() {
                key.remove("expiresAt");
            }
            parse::key(Content::Response(&raw(&key)), &Redactor::of(&Secrets::default())).map(drop)
        }
        // `told` checks the content of these.
        Call::Events => parse::events(content, AuditAction::BackupStarted, Timestamp::UNIX_EPOCH).map(drop),
        Call::BackupsCount => parse::count(content).map(drop),
        Call::ServiceState => parse::service_is_on(content).map(drop),
        Call::Portal => parse::mapped_domain(content, &Redactor::of(&Secrets::default())).map(drop),
    }
}
