//! What the API server takes, and what it adds.

use docspace_backup_operator::{api::DocSpaceBackupSchedule, portal::Address};
use harness::control_plane;
use serde_json::{Value, json};

use super::{asked, valid, with};

fn storage(kind: &str, params: Value) -> Value {
    json!({"storageType": kind, "storageParams": params})
}

#[rustfmt::skip]
fn accepted() -> Vec<(&'static str, Value)> {
    let mut many = vec![json!({"key": "module", "value": "s".repeat(1024)})];
    many.extend((1..32).map(|n| json!({"key": format!("{n:064}"), "value": "v".repeat(1024)})));
    let from_secret = json!({"secretKeyRef": {"name": "s3.backups", "key": "sse_key-1.txt"}});
    vec![
        ("Documents", storage("Documents", json!([{"key": "folderId", "value": 42}]))),
        ("a number in quotes", storage("Documents", json!([{"key": "folderId", "value": "42"}]))),
        (
            "ThridpartyDocuments",
            storage("ThridpartyDocuments", json!([{"key": "folderId", "value": "sbox-12-|backups"}])),
        ),
        ("CustomCloud", storage("CustomCloud", Value::Null)),
        ("Local", storage("Local", json!([{"key": "filePath", "value": "ü".repeat(255)}]))),
        ("DataStore", storage("DataStore", json!([]))),
        ("ThirdPartyConsumer", storage("ThirdPartyConsumer", json!([{"key": "module", "value": "googlecloud"}]))),
        (
            "a parameter from a Secret",
            storage("CustomCloud", json!([{"key": "ssekey", "valueFrom": from_secret}])),
        ),
        ("an empty value", storage("CustomCloud", json!([{"key": "region", "value": ""}]))),
        ("as much as there may be", storage("ThirdPartyConsumer", many.into())),
        ("no day", json!({"cronParams": {"period": "EveryDay", "hour": 0}})),
        ("the day of the API's example", json!({"cronParams": {"period": "EveryDay", "hour": 23, "day": 0}})),
        ("Sunday", json!({"cronParams": {"period": "EveryWeek", "hour": 3, "day": 1}})),
        ("Saturday", json!({"cronParams": {"period": "EveryWeek", "hour": 3, "day": 7}})),
        ("the first", json!({"cronParams": {"period": "EveryMonth", "hour": 3, "day": 1}})),
        ("the thirty-first", json!({"cronParams": {"period": "EveryMonth", "hour": 3, "day": 31}})),
        ("one archive", json!({"backupsStored": 1})),
        ("thirty archives", json!({"backupsStored": 30})),
        ("beside a Helm-installed DocSpace", json!({"portal": {
            "url": "http://router.docspace.svc:8092",
            "hostHeader": "docs.example.com:8443",
            "caSecretRef": {"name": "portal-ca"},
        }})),
        ("the longest url", json!({"portal": {"url": format!("https://x/{}", "x".repeat(2038))}})),
        ("the shortest interval", json!({"interval": "60s"})),
        ("the longest interval", json!({"interval": "24h"})),
        ("an interval of two units", json!({"interval": "1h30m"})),
        ("an interval with a fraction", json!({"interval": "1.5h"})),
        ("the shortest deadline", json!({"backupDeadline": "30m"})),
        ("the longest deadline", json!({"backupDeadline": "168h"})),
        ("policies", json!({"managementPolicy": "Observe", "adoptionPolicy": "Never", "deletionPolicy": "Orphan"})),
        ("suspended", json!({"suspend": true, "dump": true})),
    ]
}

#[tokio::test]
async fn what_works_is_taken_and_read() {
    let client = control_plane().client().await;
    let mut wrong = Vec::new();
    for (name, spec) in accepted() {
        match asked(&client, with(&spec)).await {
            Err(said) => wrong.push(format!("{name}: {said}")),
            Ok(object) => {
                let object = serde_json::to_value(object).expect("an object is JSON");
                if let Err(error) = serde_json::from_value::<DocSpaceBackupSchedule>(object) {
                    wrong.push(format!("{name}: the operator cannot read it: {error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_request_body_of_the_api_is_part_of_a_spec() {
    let client = control_plane().client().await;
    let body = json!({
        "storageType": "CustomCloud",
        "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
        "backupsStored": 7,
        "dump": true,
    });
    let mut manifest = valid();
    let portal = manifest["spec"]["portal"].clone();
    manifest["spec"] = body.clone();
    manifest["spec"]["portal"] = portal;
    let object = asked(&client, manifest).await.expect("the API's own example");
    for (field, value) in body.as_object().expect("it is one") {
        assert_eq!(&object.data["spec"][field], value, "{field}");
    }
}

#[tokio::test]
async fn the_server_sets_defaults() {
    let client = control_plane().client().await;
    let ca = json!({"portal": {"caSecretRef": {"name": "portal-ca"}}});
    let object = asked(&client, with(&ca)).await.expect("a valid object");
    let expected = json!({
        "spec": {
            "portal": {
                "url": "https://yourportal.onlyoffice.com",
                "apiKeySecretRef": {"name": "docspace-api-key", "key": "apiKey"},
                "caSecretRef": {"name": "portal-ca", "key": "ca.crt"},
            },
            "storageType": "ThirdPartyConsumer",
            "storageParams": [{"key": "module", "value": "s3"}, {"key": "bucket", "value": "backups"}],
            "cronParams": {"period": "EveryDay", "hour": 3},
            "backupsStored": 7,
            "dump": false,
            "suspend": false,
            "managementPolicy": "Enforce",
            "adoptionPolicy": "Safe",
            "deletionPolicy": "Delete",
            "backupDeadline": "2h",
        },
        "status": pending(),
    });
    assert_eq!(object.data, expected);
}

/// The status that nobody takes for a good one.
fn pending() -> Value {
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind,
            "status": status,
            "reason": "Pending",
            "message": "Waiting for the operator",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        })
    };
    json!({
        "observedGeneration": -1,
        "conditions": [condition("Ready", "Unknown"), condition("Reconciling", "True")],
    })
}

#[tokio::test]
async fn null_means_left_out() {
    let client = control_plane().client().await;
    let mut manifest = valid();
    for field in ["interval", "dump", "backupDeadline", "adoptionPolicy"] {
        manifest["spec"][field] = Value::Null;
    }
    manifest["spec"]["cronParams"]["day"] = Value::Null;
    manifest["spec"]["portal"]["hostHeader"] = Value::Null;
    let object = asked(&client, manifest)
        .await
        .expect("templates leave such behind");
    assert_eq!(object.data["spec"]["dump"], json!(false));
    assert_eq!(object.data["spec"]["interval"], Value::Null);
}

/// The API server and the operator read addresses with different programs: they must agree on what is one.
#[tokio::test]
async fn server_and_operator_agree_on_addresses() {
    let client = control_plane().client().await;
    let mut wrong = Vec::new();
    for url in [
        "https://docs.example.com",
        "HTTPS://Docs.Example.com/",
        "http://router:8092/sub/path",
        "https://docs.example.com:443",
        "https://docs.example.com:65535/",
        "https://10.0.0.1",
        "https://[2001:db8::1]:8443/x",
        "https://[2001:db8::1]",
        "https://münchen.example",
        "https://x_y.example.com",
        "https://docs.example.com/ü",
        "https://docs.example.com:",
        "https://docs.example.com:0",
        "https://docs.example.com:65536",
        "https://docs.example.com:-1",
        "https://me@docs.example.com",
        "https://docs.example.com?",
        "https://docs.example.com#",
        "https://docs.example.com/\u{7f}",
        "https://docs.example.com\t",
        "https://%zz",
        "https://",
        "https:/docs.example.com",
        "https:docs.example.com",
        "//docs.example.com",
        "javascript:alert(1)",
        "",
    ] {
        let server = asked(&client, with(&json!({"portal": {"url": url}}))).await.err();
        let operator = Address::parse(url, None).err();
        if server.is_some() != operator.is_some() {
            wrong.push(format!(
                "{url:?}: the server says {server:?}, the operator {operator:?}"
            ));
        }
    }
    for host in [
        "docs.example.com",
        "DOCS.example.com:8092",
        "localhost",
        "10.0.0.1:80",
        "[::1]",
        "[::1]:8092",
        "docs.example.com:0",
        "docs.example.com:65536",
        "docs.example.com/x",
        "docs example.com",
        "docs.example.com\n",
        "me@docs.example.com",
        "münchen.example",
        "[::1",
        ":80",
        "",
    ] {
        let server = asked(&client, with(&json!({"portal": {"hostHeader": host}})))
            .await
            .err();
        let operator = Address::parse("http://x", Some(host)).err();
        if server.is_some() != operator.is_some() {
            wrong.push(format!(
                "Host {host:?}: the server says {server:?}, the operator {operator:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
