//! What must be equal in an answer, and what need not be.

use serde_json::{Map, Value};
use simulated_portal::Schedule;

use super::{
    exchange::{Exchange, Row},
    setting::time,
};
use crate::http::Answer;

/// Fields that differ from call to call or key to key: only their form counts.
const FORM_ONLY: [&str; 6] = [
    "wizardToken",
    "lastModified",
    "statusChangeDate",
    "id",
    "key",
    "keyPostfix",
];

/// Fields of GET settings that were cut from all recordings but one.
const NOISE: [&str; 7] = [
    "firebase",
    "domainValidator",
    "userNameRegex",
    "plugins",
    "deepLink",
    "formGallery",
    "externalResources",
];

pub fn answer(exchange: &Exchange, answer: &Answer) -> Result<(), String> {
    let recorded = &exchange.response;
    let found = || format!("\n  recorded: {}\n  found:    {}", recorded.body, answer.body);
    if recorded.status != answer.status {
        return Err(format!(
            "status {} instead of {}{}",
            answer.status,
            recorded.status,
            found()
        ));
    }
    for (name, value) in &recorded.headers {
        let given = answer.header(&name.to_ascii_lowercase());
        if given != Some(value.as_str()) {
            return Err(format!("{name} {given:?} instead of {value}"));
        }
    }
    let body = if answer.body.is_empty() {
        Value::String(String::new())
    } else {
        answer.json()
    };
    if matches!(&recorded.body, Value::String(text) if text.starts_with('<')) {
        return if body.is_null() {
            Ok(())
        } else {
            Err(format!("no page{}", found()))
        };
    }
    let (recorded, body) = (wrapper(&recorded.body), wrapper(&body));
    let kind = if exchange.is_to("GET", "settings") {
        Kind::Settings
    } else if exchange.request.path.contains("/keys") {
        Kind::Keys
    } else {
        Kind::Other
    };
    value("", &recorded, &body, kind).map_err(|difference| format!("{difference}{}", found()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Settings,
    Keys,
    Other,
}

/// A wrapper without `links`, without `count` where there is an answer, and with lists in a fixed order.
fn wrapper(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("links");
        if fields.contains_key("response") {
            fields.remove("count");
        }
    }
    if let Some(items) = body.get_mut("response").and_then(Value::as_array_mut) {
        items.sort_by_cached_key(|item| {
            let newest_first = std::cmp::Reverse(item["date"].as_str().and_then(time));
            (
                newest_first,
                std::cmp::Reverse(item["id"].as_u64()),
                item["id"].to_string(),
            )
        });
    }
    body
}

fn value(path: &str, recorded: &Value, found: &Value, kind: Kind) -> Result<(), String> {
    match (recorded, found) {
        (Value::Object(recorded), Value::Object(found)) => fields(path, recorded, found, kind),
        (Value::Array(recorded), Value::Array(found)) if recorded.len() == found.len() => {
            let mut pairs = recorded.iter().zip(found).enumerate();
            pairs.try_for_each(|(index, (recorded, found))| {
                value(&format!("{path}[{index}]"), recorded, found, kind)
            })
        }
        (Value::String(recorded), Value::String(found)) if fits(recorded, found) => Ok(()),
        (Value::Number(recorded), Value::Number(found)) if recorded.as_f64() == found.as_f64() => Ok(()),
        _ if recorded == found => Ok(()),
        _ => Err(format!("{path} differs")),
    }
}

fn fields(
    path: &str,
    recorded: &Map<String, Value>,
    found: &Map<String, Value>,
    kind: Kind,
) -> Result<(), String> {
    for (name, recorded) in recorded {
        let path = format!("{path}.{name}");
        let Some(found) = found.get(name) else {
            return Err(format!("{path} is missing"));
        };
        if form_only(name, kind) {
            form(&path, recorded, found)?;
        } else {
            value(&path, recorded, found, kind)?;
        }
    }
    let noise = |name: &String| kind == Kind::Settings && NOISE.contains(&name.as_str());
    let surplus = |name: &&String| !recorded.contains_key(*name) && !noise(name);
    match found.keys().find(surplus) {
        None => Ok(()),
        Some(name) => Err(format!("{path}.{name} should not be there")),
    }
}

fn form_only(name: &str, kind: Kind) -> bool {
    let of_key = matches!(name, "id" | "key" | "keyPostfix");
    FORM_ONLY.contains(&name) && (!of_key || kind == Kind::Keys)
}

/// The same but for letters and digits, or for tokens the same beginning.
fn form(path: &str, recorded: &Value, found: &Value) -> Result<(), String> {
    let (Some(recorded), Some(found)) = (recorded.as_str(), found.as_str()) else {
        return Err(format!("{path} is no text"));
    };
    let shape = |text: &str| {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() { 'x' } else { c })
            .collect::<String>()
    };
    let beginning = |text: &str| text.split('&').next().map(str::to_owned);
    let token = recorded.contains('&') && beginning(recorded) == beginning(found);
    let alike = token || fits(recorded, found) || shape(recorded) == shape(found);
    if alike {
        Ok(())
    } else {
        Err(format!("{path} has another form"))
    }
}

/// Equal but for `<…>`, which stands for anything.
fn fits(recorded: &str, found: &str) -> bool {
    let Some((before, rest)) = recorded.split_once('<') else {
        return recorded == found;
    };
    let Some((_, after)) = rest.split_once('>') else {
        return recorded == found;
    };
    let Some(found) = found.strip_prefix(before) else {
        return recorded == found;
    };
    if after.is_empty() {
        return !found.is_empty();
    }
    (0..=found.len())
        .filter(|at| found.is_char_boundary(*at))
        .any(|at| fits(after, &found[at..]))
}

/// The rows that the server holds afterwards, in any order.
pub fn rows(recorded: &[Row], found: &[Schedule]) -> Result<(), String> {
    let mut recorded: Vec<Schedule> = recorded.iter().map(Row::schedule).collect();
    let mut found = found.to_vec();
    recorded.sort_by_key(|row| row.tenant_id);
    found.sort_by_key(|row| row.tenant_id);
    if recorded == found {
        Ok(())
    } else {
        Err(format!("rows\n  recorded: {recorded:?}\n  found:    {found:?}"))
    }
}
