//! Specs that the API server rejects, and the messages that say what to write instead.

use harness::control_plane;
use serde_json::{Value, json};

use super::{asked, valid, with};

const FOLDER_NUMBER: &str =
    "needs a storageParams item with key folderId and the number of a folder of the portal as its value";
const FOLDER_TEXT: &str = "the text id of a folder of a connected cloud as its value";
const FILE_PATH: &str = "a directory on the server as its value (at most 255 characters)";
const MODULE: &str = "the name of a storage in lower case as its value, for example {key: module, value: s3}";
const ONE_VALUE: &str = "set either value or valueFrom, not both";
const HIDDEN: &str = "(hidden) is what status shows instead of this value; write the value itself";
const SHOWN: &str = "cannot come from a Secret; use value instead of valueFrom";
const DAY_OF_WEEK: &str = "period EveryWeek needs a day from 1 (Sunday) to 7 (Saturday)";
const DAY_OF_MONTH: &str = "period EveryMonth needs a day from 1 to 31";
const ADDRESS: &str = "https:// or http:// and a host, for example https://docs.example.com";
const ADDRESS_ALONE: &str = "without user or password (@), query (?) or fragment (#)";
const PORT: &str = "the port must be 1 to 65535";
const HOST: &str = "must be a host name of letters, digits, '-' and '.', with an optional :port";
const INTERVAL: &str = "must be a duration from 1m to 24h, for example 15m or 1h30m";
const DEADLINE: &str = "must be a duration from 30m to 168h (7 days), for example 2h";
const SECRET_NAME: &str = "must be the name of a Secret in the same namespace";
const LONG_NAME: &str = "may not be more than 253";
const SECRET_KEY: &str = "must be a key inside the Secret";

fn storage(kind: &str, params: Value) -> Value {
    json!({"storageType": kind, "storageParams": params})
}

fn param(kind: &str, key: &str, value: impl Into<Value>) -> Value {
    storage(kind, json!([{"key": key, "value": value.into()}]))
}

fn params(params: Value) -> Value {
    storage("CustomCloud", params)
}

fn cron(period: &str, hour: i32, day: Option<i32>) -> Value {
    json!({"cronParams": {"period": period, "hour": hour, "day": day}})
}

fn portal(field: &str, value: impl Into<Value>) -> Value {
    json!({"portal": {field: value.into()}})
}

/// Each case with the part of the message that says what to do.
fn refused() -> Vec<(&'static str, Value, &'static str)> {
    let mut table = storages();
    table.extend(lists());
    table.extend(schedules());
    table.extend(portals());
    table.extend(behaviour());
    table
}

#[rustfmt::skip]
fn storages() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("no storage type", json!({"storageType": null}), "storageType: Required value"),
        ("unknown storage type", json!({"storageType": "ThirdpartyDocuments"}), "\"ThridpartyDocuments\""),
        ("Documents without parameters", storage("Documents", Value::Null), FOLDER_NUMBER),
        ("Documents without folderId", param("Documents", "module", "s3"), FOLDER_NUMBER),
        ("Documents in a text", param("Documents", "folderId", "sbox-12-|x"), FOLDER_NUMBER),
        ("Documents in nothing", param("Documents", "folderId", ""), FOLDER_NUMBER),
        ("Documents in folder 0", param("Documents", "folderId", 0), FOLDER_NUMBER),
        ("Documents in folder -4", param("Documents", "folderId", "-4"), FOLDER_NUMBER),
        ("Documents in half a folder", param("Documents", "folderId", "4.5"), FOLDER_NUMBER),
        ("ThridpartyDocuments without folderId", storage("ThridpartyDocuments", json!([])), FOLDER_TEXT),
        ("ThridpartyDocuments in a number", param("ThridpartyDocuments", "folderId", 42), FOLDER_TEXT),
        ("ThridpartyDocuments in digits", param("ThridpartyDocuments", "folderId", "42"), FOLDER_TEXT),
        ("ThridpartyDocuments in nothing", param("ThridpartyDocuments", "folderId", ""), FOLDER_TEXT),
        ("Local without filePath", storage("Local", Value::Null), FILE_PATH),
        ("Local nowhere", param("Local", "filePath", ""), FILE_PATH),
        ("Local in a number", param("Local", "filePath", 5), FILE_PATH),
        ("Local too deep", param("Local", "filePath", "x".repeat(256)), FILE_PATH),
        ("no module", param("ThirdPartyConsumer", "bucket", "backups"), MODULE),
        ("a module in upper case", param("ThirdPartyConsumer", "module", "S3"), MODULE),
        ("an empty module", param("ThirdPartyConsumer", "module", ""), MODULE),
        ("a module with a blank", param("ThirdPartyConsumer", "module", "s3 "), MODULE),
        ("a number for a module", param("ThirdPartyConsumer", "module", 3), MODULE),
    ]
}

#[rustfmt::skip]
fn lists() -> Vec<(&'static str, Value, &'static str)> {
    let many: Vec<_> = (0..33).map(|n| json!({"key": format!("key{n}"), "value": n})).collect();
    let reference = |name: &str, key: &str| json!({"secretKeyRef": {"name": name, "key": key}});
    vec![
        ("tenantId", params(json!([{"key": "tenantId", "value": 1}])), "DocSpace sets tenantId itself"),
        ("an empty key", params(json!([{"key": "", "value": 1}])), "must be the name of a parameter"),
        ("a key with a blank", params(json!([{"key": "bucket ", "value": 1}])), "must be the name of a parameter"),
        ("no key", params(json!([{"value": 1}])), "key: Required value"),
        ("a long key", params(json!([{"key": "k".repeat(65), "value": 1}])), "may not be more than 64 bytes"),
        (
            "a key twice",
            params(json!([{"key": "bucket", "value": "a"}, {"key": "bucket", "value": "b"}])),
            "Duplicate value: {\"key\":\"bucket\"}",
        ),
        ("neither value nor valueFrom", params(json!([{"key": "bucket"}])), ONE_VALUE),
        ("value null", params(json!([{"key": "bucket", "value": null}])), ONE_VALUE),
        (
            "value and valueFrom",
            params(json!([{"key": "ssekey", "value": "x", "valueFrom": reference("s3", "sse")}])),
            ONE_VALUE,
        ),
        ("a value that status hides", params(json!([{"key": "sse", "value": "(hidden)"}])), HIDDEN),
        ("a folder from a Secret", params(json!([{"key": "folderId", "valueFrom": reference("s3", "x")}])), SHOWN),
        ("a path from a Secret", params(json!([{"key": "filePath", "valueFrom": reference("s3", "x")}])), SHOWN),
        ("a module from a Secret", params(json!([{"key": "module", "valueFrom": reference("s3", "x")}])), SHOWN),
        ("a bucket from a Secret", params(json!([{"key": "bucket", "valueFrom": reference("s3", "x")}])), SHOWN),
        ("a region from a Secret", params(json!([{"key": "region", "valueFrom": reference("s3", "x")}])), SHOWN),
        ("a REGION from a Secret", params(json!([{"key": "REGION", "valueFrom": reference("s3", "x")}])), SHOWN),
        ("a long value", params(json!([{"key": "x", "value": "v".repeat(1025)}])), "may not be more than 1024"),
        ("a broken number", params(json!([{"key": "x", "value": 1.5}])), "must be of type integer,string"),
        ("a truth value", params(json!([{"key": "x", "value": true}])), "must be of type integer,string"),
        ("33 parameters", params(many.into()), "must have at most 32 items"),
        (
            "a parameter's Secret without name",
            params(json!([{"key": "ssekey", "valueFrom": reference("", "sse")}])),
            SECRET_NAME,
        ),
        (
            "a parameter's Secret without key",
            params(json!([{"key": "ssekey", "valueFrom": reference("s3", "")}])),
            SECRET_KEY,
        ),
        (
            "a parameter's Secret with half a reference",
            params(json!([{"key": "ssekey", "valueFrom": {"secretKeyRef": {"name": "s3"}}}])),
            "secretKeyRef.key: Required value",
        ),
        ("valueFrom nowhere", params(json!([{"key": "ssekey", "valueFrom": {}}])), "secretKeyRef: Required value"),
    ]
}

#[rustfmt::skip]
fn schedules() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("no cronParams", json!({"cronParams": null}), "cronParams: Required value"),
        ("no period", json!({"cronParams": {"period": null}}), "period: Required value"),
        ("no hour", json!({"cronParams": {"hour": null}}), "hour: Required value"),
        ("unknown period", cron("EveryYear", 3, None), "supported values: \"EveryDay\", \"EveryWeek\", \"EveryMonth\""),
        ("hour 24", cron("EveryDay", 24, None), "should be less than or equal to 23"),
        ("hour -1", cron("EveryDay", -1, None), "should be greater than or equal to 0"),
        ("a week without day", cron("EveryWeek", 3, None), DAY_OF_WEEK),
        ("day 0 of a week", cron("EveryWeek", 3, Some(0)), DAY_OF_WEEK),
        ("day 8 of a week", cron("EveryWeek", 3, Some(8)), DAY_OF_WEEK),
        ("a month without day", cron("EveryMonth", 3, None), DAY_OF_MONTH),
        ("day 0 of a month", cron("EveryMonth", 3, Some(0)), DAY_OF_MONTH),
        ("day 32 of a month", cron("EveryMonth", 3, Some(32)), "should be less than or equal to 31"),
        ("day -1", cron("EveryDay", 3, Some(-1)), "should be greater than or equal to 0"),
        ("backupsStored left out", json!({"backupsStored": null}), "backupsStored: Required value"),
        ("no archive kept", json!({"backupsStored": 0}), "should be greater than or equal to 1"),
        ("31 archives kept", json!({"backupsStored": 31}), "should be less than or equal to 30"),
        ("backupsStored a text", json!({"backupsStored": "7"}), "must be of type integer"),
        ("dump a text", json!({"dump": "yes"}), "must be of type boolean"),
    ]
}

#[rustfmt::skip]
fn portals() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("no portal", json!({"portal": null}), "portal: Required value"),
        ("no url", json!({"portal": {"url": null}}), "url: Required value"),
        ("an empty url", portal("url", ""), ADDRESS),
        ("a url without scheme", portal("url", "docs.example.com"), ADDRESS),
        ("a path for a url", portal("url", "/docs"), ADDRESS),
        ("another scheme", portal("url", "ftp://docs.example.com"), ADDRESS),
        ("a url without host", portal("url", "https://"), ADDRESS),
        ("a url with a path alone", portal("url", "https:///docs"), ADDRESS),
        ("a url with a port alone", portal("url", "https://:8443"), ADDRESS),
        ("a url with a blank", portal("url", "https://docs.example.com/a b"), ADDRESS),
        ("a url with a line break", portal("url", "https://docs.example.com\n"), ADDRESS),
        ("a url with a backslash", portal("url", "https://docs.example.com\\x"), ADDRESS),
        ("half an IPv6 address", portal("url", "https://[::1"), ADDRESS),
        ("a user", portal("url", "https://me:secret@docs.example.com"), ADDRESS_ALONE),
        ("a query", portal("url", "https://docs.example.com/?x=1"), ADDRESS_ALONE),
        ("a fragment", portal("url", "https://docs.example.com/#x"), ADDRESS_ALONE),
        ("port 99999", portal("url", "https://docs.example.com:99999"), PORT),
        ("port 65536", portal("url", "https://docs.example.com:65536/x"), PORT),
        ("port 0", portal("url", "https://docs.example.com:0"), PORT),
        ("an IPv6 address with port 70000", portal("url", "https://[::1]:70000"), PORT),
        ("a port of letters", portal("url", "https://docs.example.com:https"), ADDRESS),
        ("a long url", portal("url", format!("https://x/{}", "x".repeat(2040))), "may not be more than 2048"),
        ("an empty Host", portal("hostHeader", ""), HOST),
        ("a url for a Host", portal("hostHeader", "https://docs.example.com"), HOST),
        ("a Host with a path", portal("hostHeader", "docs.example.com/x"), HOST),
        ("a Host with a user", portal("hostHeader", "me@docs.example.com"), HOST),
        ("a Host with a line break", portal("hostHeader", "docs.example.com\r\nX: y"), HOST),
        ("a Host without host", portal("hostHeader", ":8092"), HOST),
        ("a Host with port 70000", portal("hostHeader", "docs.example.com:70000"), PORT),
        ("a Host with port 0", portal("hostHeader", "docs.example.com:0"), PORT),
        ("a long Host", portal("hostHeader", "x".repeat(262)), "may not be more than 261"),
        ("no key's Secret", portal("apiKeySecretRef", Value::Null), "apiKeySecretRef: Required value"),
        ("a Secret in another namespace", portal("apiKeySecretRef", json!({"name": "other/key"})), SECRET_NAME),
        ("a Secret without name", portal("apiKeySecretRef", json!({"name": ""})), SECRET_NAME),
        ("a Secret in upper case", portal("apiKeySecretRef", json!({"name": "Key"})), SECRET_NAME),
        ("a key that is none", portal("apiKeySecretRef", json!({"name": "key", "key": "a/b"})), SECRET_KEY),
        ("a long name of a Secret", portal("apiKeySecretRef", json!({"name": "k".repeat(254)})), LONG_NAME),
        ("a long key of a Secret", portal("apiKeySecretRef", json!({"name": "x", "key": "k".repeat(254)})), LONG_NAME),
        ("a long name of a CA", portal("caSecretRef", json!({"name": "k".repeat(254)})), LONG_NAME),
        ("a long key of a CA", portal("caSecretRef", json!({"name": "x", "key": "k".repeat(254)})), LONG_NAME),
        ("an empty key of a Secret", portal("apiKeySecretRef", json!({"name": "key", "key": ""})), SECRET_KEY),
        ("a CA without Secret", portal("caSecretRef", json!({"key": "ca.crt"})), "name: Required value"),
        ("a CA's key that is none", portal("caSecretRef", json!({"name": "ca", "key": "a b"})), SECRET_KEY),
        ("a CA's Secret without name", portal("caSecretRef", json!({"name": ""})), SECRET_NAME),
    ]
}

#[rustfmt::skip]
fn behaviour() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("an interval of 59 seconds", json!({"interval": "59s"}), INTERVAL),
        ("an interval beyond a day", json!({"interval": "24h1s"}), INTERVAL),
        ("an interval without unit", json!({"interval": "15"}), INTERVAL),
        ("an interval with a blank", json!({"interval": "15 m"}), INTERVAL),
        ("an interval below zero", json!({"interval": "-15m"}), INTERVAL),
        ("an interval of days", json!({"interval": "1d"}), INTERVAL),
        ("an empty interval", json!({"interval": ""}), INTERVAL),
        ("an interval beyond measure", json!({"interval": "999999h999999h999999h"}), "spec.interval: Invalid value"),
        ("an interval of digits", json!({"interval": "1".repeat(33)}), "may not be more than 32"),
        ("a deadline of 29 minutes", json!({"backupDeadline": "29m"}), DEADLINE),
        ("a deadline beyond a week", json!({"backupDeadline": "169h"}), DEADLINE),
        ("a deadline of digits", json!({"backupDeadline": "1".repeat(33)}), "may not be more than 32"),
        ("a deadline in words", json!({"backupDeadline": "two hours"}), DEADLINE),
        ("unknown management", json!({"managementPolicy": "Ignore"}), "supported values: \"Enforce\", \"Observe\""),
        ("unknown adoption", json!({"adoptionPolicy": "Force"}), "supported values: \"Safe\", \"Always\", \"Never\""),
        ("unknown deletion", json!({"deletionPolicy": "Retain"}), "supported values: \"Delete\", \"Orphan\""),
    ]
}

#[tokio::test]
async fn what_can_never_work_is_refused_with_what_to_write_instead() {
    let client = control_plane().client().await;
    asked(&client, valid())
        .await
        .expect("the example that the others are made of");
    let mut wrong = Vec::new();
    for (name, spec, message) in refused() {
        match asked(&client, with(&spec)).await {
            Ok(_) => wrong.push(format!("{name}: accepted")),
            Err(said) if !said.contains(message) => wrong.push(format!("{name}: {said}")),
            Err(said) if said.contains("rule evaluation error") && !name.ends_with("beyond measure") => {
                wrong.push(format!("{name}: a rule fails: {said}"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
