//! Any bytes as an answer to any call; and what a valid answer means, held against rules on a tree of its JSON.

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use crate::{
    portal::{
        AuditAction, Expiry,
        answer::{Content, Read, Refusal, Reply, classify},
        call::Call,
        parse,
        redact::{Redactor, Secrets},
        tests::recordings::read as read_any,
    },
    schedule::{period_name, storage_name},
    text::MAX_CHARS,
};

const CALLS: [Call; 11] = [
    Call::Schedule,
    Call::Create,
    Call::Delete,
    Call::History,
    Call::Progress,
    Call::Settings,
    Call::Key,
    Call::Events,
    Call::BackupsCount,
    Call::ServiceState,
    Call::Portal,
];

fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply {
        status,
        redirect: None,
        asks_for_login: false,
        body: body.into(),
        share: None,
    }
}

/// What is read of an answer with this body.
fn read<T>(body: &str, read: impl FnOnce(Content, &Redactor) -> Read<T>) -> Read<T> {
    let (secrets, reply) = (Secrets::default(), reply(200, body));
    let redactor = Redactor::of(&secrets);
    read(classify(Call::Schedule, &reply, &redactor)?, &redactor)
}

fn envelope(response: &str) -> String {
    format!(r#"{{"response":{response},"count":1,"status":0,"statusCode":200}}"#)
}

/// Answers it, and reads the content if it is a success.
fn any_call(call: Call, status: u16, body: Vec<u8>) -> Result<(), Refusal> {
    let secrets = Secrets::of_key(&"sk-123".to_owned().into());
    let reply = reply(status, body);
    read_any(call, classify(call, &reply, &Redactor::of(&secrets))?)
}

#[test]
fn odd_json_is_read_or_refused_and_swells_nothing() {
    let deep = "[".repeat(100_000);
    let closed = deep.clone() + &"]".repeat(100_000);
    let good = |response: &str| read(&envelope(response), parse::schedule).is_ok_and(|held| held.is_some());
    assert!(good(r#"{"cronParams":{}}"#));
    // The last of several fields counts.
    assert!(good(r#"{"cronParams":5,"cronParams":{}}"#));
    assert!(!good(r#"{"cronParams":{},"cronParams":5}"#));
    // What is not wanted may be anything.
    for odd in [
        closed.as_str(),
        r#""\ud800""#,
        "1e999999",
        &"9".repeat(100_000),
        "{\"a\":{}}",
    ] {
        assert!(
            good(&format!(r#"{{"odd":{odd},"cronParams":{{}}}}"#)),
            "{odd:.20}"
        );
        for field in ["storageType", "dump", "lastBackupTime", "storageParams"] {
            let response = format!(r#"{{"{field}":{odd},"cronParams":{{}}}}"#);
            assert!(
                field == "storageParams" && odd.starts_with('{') || !good(&response),
                "{response:.60}"
            );
        }
        assert!(
            !good(&format!(r#"{{"cronParams":{{"hour":{odd}}}}}"#)),
            "{odd:.20}"
        );
    }
    assert!(!good(&deep));
    let bare = envelope(r#"{"cronParams":{}}"#);
    for odd in [
        format!("\u{feff}{bare}"),
        format!("{bare}x"),
        bare[1..].to_owned(),
    ] {
        assert!(read(&odd, parse::schedule).is_err(), "{odd}");
    }
    assert!(
        any_call(
            Call::Schedule,
            200,
            b"{\"status\":0,\"count\":0,\"a\":\"\xff\"}".to_vec()
        )
        .is_err()
    );
    assert!(
        any_call(
            Call::Schedule,
            200,
            b"{\"status\":0,\"count\":0,\"a\":\"b\"}".to_vec()
        )
        .is_ok()
    );
}

#[test]
fn more_than_docspace_has_is_no_answer() {
    let list = |item: &str, count: usize| envelope(&format!("[{}]", vec![item; count].join(",")));
    let archives = |count| {
        let body = list(r#"{"id":"a","createdOn":"2026-11-23T03:10:00Z"}"#, count);
        read(&body, parse::history).map(|archives| archives.len())
    };
    assert_eq!(archives(5_000), Ok(5_000));
    assert!(archives(5_001).is_err());
    let events = |count| {
        let body = list(r#"{"actionId":5126,"date":"2026-11-23T03:10:00Z"}"#, count);
        let from = "2026-11-23T03:00:00Z".parse().expect("a time");
        let events = read(&body, |content, _| {
            parse::events(content, AuditAction::BackupFailed, from)
        });
        events.map(|events| events.map(|events| events.len()))
    };
    assert_eq!(events(100), Ok(Some(100)));
    assert!(events(101).is_err());
}

#[test]
fn of_a_schedule_with_much_in_it_enough_is_kept_to_tell_it_from_a_manifest() {
    let params: Map<String, Value> = (0..5000)
        .map(|number| {
            (
                format!("{number:05}{}", "k".repeat(number)),
                json!("ä".repeat(number)),
            )
        })
        .take(600)
        .collect();
    let response = json!({"cronParams": {}, "storageParams": params}).to_string();
    let held = read(&envelope(&response), parse::schedule)
        .expect("an answer")
        .expect("a schedule");
    let kept = &held.schedule.params;
    assert_eq!(kept.len(), 64);
    assert!(kept.keys().all(|key| key.chars().count() <= 65));
    let long = json!({"cronParams": {}, "storageParams": {"bucket": "ä".repeat(5000)}}).to_string();
    let long = read(&envelope(&long), parse::schedule)
        .expect("an answer")
        .expect("a schedule");
    let mut wanted = long.schedule.clone();
    let value = "ä".repeat(1024).into();
    wanted
        .params
        .insert("bucket".into(), crate::schedule::Param::secret(value));
    assert!(wanted.difference(Some(&long.schedule)).in_secret);
    let shown = &long.shown().storage_params[0];
    assert!(
        shown.value.chars().count() <= MAX_CHARS && shown.value.ends_with('…'),
        "{shown:?}"
    );
}

#[test]
fn permissions_are_those_to_write() {
    for (permissions, may_write) in [
        (r#"[]"#, true),
        ("null", true),
        (r#"["*"]"#, true),
        (r#"["rooms:read","*:write"]"#, true),
        (r#"["*:read"]"#, false),
        (r#"["rooms:write"]"#, false),
    ] {
        let key = envelope(&format!(r#"{{"id":"1","permissions":{permissions}}}"#));
        let Ok(crate::portal::Credential::ApiKey(key)) = read(&key, parse::key) else {
            panic!("{permissions}: no key");
        };
        assert_eq!(key.may_write, may_write, "{permissions}");
    }
}

/// How DocSpace reads its own answers, on a tree.
mod tree {
    use super::*;

    pub fn whole(value: &Value) -> Option<i64> {
        match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub fn short(value: &Value) -> Option<i64> {
        whole(value).filter(|number| i32::try_from(*number).is_ok())
    }

    pub fn number(value: &Value, default: i64) -> Option<i64> {
        if value.is_null() {
            Some(default)
        } else {
            short(value)
        }
    }

    pub fn named(value: &Value, name: fn(i64) -> String) -> Option<i64> {
        if value.is_null() {
            return Some(0);
        }
        short(value).or_else(|| {
            (0..16).find(|number| {
                value
                    .as_str()
                    .is_some_and(|text| text.eq_ignore_ascii_case(&name(*number)))
            })
        })
    }

    pub fn truth(value: &Value) -> Option<Option<bool>> {
        match value {
            Value::Null => Some(None),
            Value::Bool(truth) => Some(Some(*truth)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(Some(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(Some(false)),
            _ => None,
        }
    }

    /// The text of a parameter; `None` if null.
    pub fn param(value: &Value) -> Result<Option<String>, ()> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            Value::Number(_) | Value::Bool(_) => Ok(Some(value.to_string())),
            Value::Array(_) | Value::Object(_) => Err(()),
        }
    }
}

/// A value of a field: of the right kind, or of another.
fn value() -> impl Strategy<Value = Value> {
    let names = [
        "Local",
        "documents",
        "EveryWeek",
        "true",
        "FALSE",
        "",
        "7",
        " -1 ",
        "2147483648",
        "x",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5..40_i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(names.to_vec()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!([])),
        Just(json!({"a": 1})),
    ]
}

/// Like one's own bytes, and sometimes nearly JSON.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u",
        "d800",
        "null",
        "1",
        "-",
        "e9",
        " ",
        "\"status\":0",
        "\"count\":1",
        "\"response\":",
        "\"error\":",
        "\"type\":\"a\"",
        "\"title\":",
        "\"errors\":",
        "sk-123",
        "ä",
    ];
    prop_oneof![
        vec(any::<u8>(), 0..200),
        vec(proptest::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat().into_bytes()),
        value().prop_map(|value| envelope(&value.to_string()).into_bytes()),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_a_bounded_refusal(
        body in body(),
        call in proptest::sample::select(CALLS.to_vec()),
        status in prop_oneof![Just(200_u16), 200..600_u16],
    ) {
        if let Err(refusal) = any_call(call, status, body) {
            prop_assert!(refusal.text.len() < 2000, "{}", refusal.text);
            prop_assert!(!refusal.text.contains("sk-123"), "{}", refusal.text);
            prop_assert!(!refusal.text.contains(char::is_control), "{}", refusal.text);
        }
    }

    #[test]
    fn a_schedule_is_read_as_leniently_as_docspace_reads_its_own(
        [storage_type, period, hour, day, stored, dump, param, bucket] in proptest::array::uniform8(value()),
    ) {
        let response = json!({
            "storageType": storage_type,
            "storageParams": {"a": param, "bucket": bucket},
            "cronParams": {"period": period, "hour": hour, "day": day},
            "backupsStored": stored,
            "dump": dump,
        });
        let expected = (|| {
            Some((
                tree::named(&storage_type, storage_name)?,
                tree::named(&period, period_name)?,
                [tree::number(&hour, 0)?, tree::number(&day, 0)?, tree::number(&stored, 1)?],
                tree::truth(&dump)?.unwrap_or(false),
                [tree::param(&param).ok()?, tree::param(&bucket).ok()?],
            ))
        })();
        use secrecy::ExposeSecret;
        let held = read(&envelope(&response.to_string()), parse::schedule).ok().flatten();
        let held = held.map(|held| {
            let held = held.schedule;
            let param = |key: &str| held.params.get(key).map(|param| param.value.expose_secret().to_owned());
            (
                held.storage_type.number(),
                held.period,
                [held.hour, held.day, held.backups_stored],
                held.dump,
                [param("a"), param("bucket")],
            )
        });
        prop_assert_eq!(held, expected, "{}", response);
    }

    #[test]
    fn a_history_is_read_whole(
        archives in vec(("[0-9a-f-]{1,36}", 0..6_i64, 0..2_000_000_000_i64, any::<String>()), 0..20),
    ) {
        let time = |seconds: &i64| jiff::Timestamp::from_second(*seconds).expect("a time");
        let items: Vec<Value> = archives
            .iter()
            .map(|(id, storage_type, made, name)| {
                json!({"id": id, "storageType": storage_type, "createdOn": time(made).to_string(), "fileName": name})
            })
            .collect();
        let read = read(&envelope(&json!(items).to_string()), parse::history).expect("a history");
        prop_assert_eq!(read.len(), archives.len());
        for (read, (id, storage_type, made, name)) in read.iter().zip(&archives) {
            prop_assert_eq!(&read.id, id);
            prop_assert_eq!(read.storage_type.number(), *storage_type);
            prop_assert_eq!(read.created_on, time(made));
            prop_assert_eq!(read.expires, Expiry::Never);
            prop_assert_eq!(read.file_name.read(), crate::text::clean(name));
        }
    }
}
