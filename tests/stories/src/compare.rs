//! Compares answers. Ids that a server generates may differ, and also all times of a step whose clock was not faked.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::rows::time_or_never;

/// The values of a step that may differ.
pub(crate) struct Free<'a> {
    pub(crate) times: bool,
    /// Ids from rows that were written by hand; other ids are generated.
    pub(crate) known_ids: &'a HashSet<String>,
}

impl Free<'_> {
    /// A time in comparable form.
    pub(crate) fn time(&self, time: Option<Timestamp>) -> String {
        match time {
            None => "never".to_owned(),
            Some(_) if self.times => "some time".to_owned(),
            Some(time) => time.to_string(),
        }
    }

    /// The name of a file, which contains a time.
    pub(crate) fn file_name(&self, name: &str) -> String {
        let digit = |c: char| if self.times && c.is_ascii_digit() { '#' } else { c };
        name.chars().map(digit).collect()
    }

    pub(crate) fn id(&self, id: &str) -> String {
        let known = self.known_ids.contains(id);
        if known { id } else { "made up" }.to_owned()
    }

    /// The differences between an answer and the recorded one.
    pub(crate) fn answer(&self, recorded: &Value, found: &Value) -> Option<String> {
        let (recorded, found) = (self.without_free(recorded), self.without_free(found));
        (recorded != found).then(|| format!("recorded {recorded}, found {found}"))
    }

    fn without_free(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => {
                // The order of a list is not fixed; ids identify events of the same instant.
                let mut items: Vec<&Value> = items.iter().collect();
                items.sort_by_cached_key(|item| {
                    let text = |name: &str| item[name].as_str().map(str::to_owned);
                    (text("date"), item["id"].as_u64(), text("fileName"))
                });
                items.into_iter().map(|item| self.without_free(item)).collect()
            }
            Value::Object(fields) => {
                let is_event = fields.contains_key("actionId");
                let is_free = |name: &str| name == "links" || (is_event && name == "id");
                let kept = fields.iter().filter(|(name, _)| !is_free(name));
                kept.map(|(name, value)| (name.clone(), self.field(name, value)))
                    .collect()
            }
            other => other.clone(),
        }
    }

    fn field(&self, name: &str, value: &Value) -> Value {
        let Some(text) = value.as_str() else {
            return self.without_free(value);
        };
        match name {
            "traceId" | "taskId" => json!("made up"),
            "id" => json!(self.id(text)),
            "fileName" => json!(self.file_name(text)),
            "createdOn" | "expiresOn" | "lastBackupTime" | "date" if self.times => {
                let offset = if text.ends_with('Z') { "Z" } else { "" };
                let time = time_or_never(text).map(|time| self.time(time) + offset);
                json!(time.unwrap_or_else(|_| text.to_owned()))
            }
            _ => value.clone(),
        }
    }
}
