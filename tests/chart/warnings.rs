//! Valid specs with surprising effects cause warnings at apply time; other specs cause none.

use std::time::{Duration, Instant};

use harness::{ControlPlane, DEADLINE, Namespace, control_plane};
use serde_json::{Value, json};

use crate::helm::{OPERATOR, documents, template, yaml};

fn object(patch: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "docspace.onlyoffice.com/v1alpha1",
        "kind": "DocSpaceBackupSchedule",
        "metadata": {"name": "nightly"},
        "spec": {
            "portal": {"url": "https://docs.example.com", "apiKeySecretRef": {"name": "docspace-api-key"}},
            "storageType": "ThirdPartyConsumer",
            "storageParams": [{"key": "module", "value": "s3"}],
            "cronParams": {"period": "EveryDay", "hour": 3},
            "backupsStored": 7,
        },
    });
    for (name, value) in patch.as_object().expect("a spec") {
        object["spec"][name] = value.clone();
    }
    object
}

fn at(url: &str) -> Value {
    object(&json!({"portal": {"url": url, "apiKeySecretRef": {"name": "docspace-api-key"}}}))
}

/// The warnings of the policy for this kubectl command and object.
fn warnings(plane: &ControlPlane, namespace: &str, arguments: &[&str], object: &Value) -> Vec<String> {
    let mut all = vec!["--namespace", namespace];
    all.extend(arguments);
    let output = plane.kubectl(&all, &yaml([object]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said.lines()
        .filter(|line| line.starts_with("Warning: Validation failed for ValidatingAdmissionPolicy"))
        .map(Into::into)
        .collect()
}

const DRY: [&str; 4] = ["apply", "--dry-run=server", "-f", "-"];

#[tokio::test]
async fn they_come_with_what_surprises_and_with_nothing_else() {
    let plane = control_plane();
    let client = plane.client().await;
    let (namespace, other) = (Namespace::create(&client).await, Namespace::create(&client).await);
    let namespace = namespace.name();
    let rendered = template(OPERATOR, "operator", namespace, &json!({})).expect("it renders");
    let policy: Vec<_> = documents(&rendered)
        .into_iter()
        .filter(|document| {
            let kind = document["kind"].as_str().expect("a kind");
            kind.starts_with("ValidatingAdmissionPolicy")
        })
        .collect();
    assert_eq!(policy.len(), 2);
    plane.kubectl_ok(&["apply", "--validate=strict", "-f", "-"], &yaml(&policy));

    // The policy takes effect some time after it was applied.
    let custom_cloud = object(&json!({"storageType": "CustomCloud"}));
    let deadline = Instant::now() + DEADLINE;
    while warnings(plane, namespace, &DRY, &custom_cloud).is_empty() {
        assert!(Instant::now() < deadline, "no warning of CustomCloud");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    let month = |day| object(&json!({"cronParams": {"period": "EveryMonth", "hour": 3, "day": day}}));
    for (object, words) in [
        (custom_cloud.clone(), &["CustomCloud but can never back up"][..]),
        (
            object(&json!({"storageType": "DataStore"})),
            &["expire after one day"],
        ),
        (at("http://docs.example.com"), &["plain http"]),
        (at("HTTP://Docs.Example.COM:8092/sub"), &["plain http"]),
        (at("http://1.1.1.1"), &["plain http"]),
        (at("http://[2606:4700::1111]:8092"), &["plain http"]),
        (at("http://router.docspace.svc.example.com"), &["plain http"]),
        (month(29), &["day after 28"]),
        (month(31), &["day after 28"]),
        (
            object(
                &json!({"storageType": "DataStore", "cronParams": {"period": "EveryMonth", "hour": 0, "day": 30}}),
            ),
            &["expire after one day", "day after 28"],
        ),
        (object(&json!({})), &[]),
        (month(28), &[]),
        (
            object(&json!({"cronParams": {"period": "EveryDay", "hour": 3, "day": 31}})),
            &[],
        ),
        (at("https://1.1.1.1"), &[]),
        (at("http://router.docspace.svc:8092"), &[]),
        (at("http://router.docspace.svc.cluster.local:8092"), &[]),
        (at("http://ROUTER:8092"), &[]),
        (at("http://10.1.2.3:8092"), &[]),
        (at("http://[fd00::1]:8092"), &[]),
        (at("http://docs.corp.internal"), &[]),
    ] {
        let said = warnings(plane, namespace, &DRY, &object);
        assert_eq!(said.len(), words.len(), "{object}: {said:?}");
        for word in words {
            assert!(said.iter().any(|line| line.contains(word)), "{object}: {said:?}");
        }
    }

    // For an existing object, only a change of its spec causes warnings.
    let apply = ["apply", "-f", "-"];
    assert_eq!(warnings(plane, namespace, &apply, &object(&json!({}))), [""; 0]);
    let fewer = object(&json!({"backupsStored": 6}));
    let said = warnings(plane, namespace, &DRY, &fewer);
    assert!(
        said.len() == 1 && said[0].contains("lowered to 6 from 7"),
        "{said:?}"
    );
    assert_eq!(
        warnings(plane, namespace, &DRY, &object(&json!({"backupsStored": 8}))),
        [""; 0]
    );
    assert_eq!(warnings(plane, namespace, &apply, &custom_cloud).len(), 1);
    let annotate = [
        "annotate",
        "dsbs/nightly",
        "docspace.onlyoffice.com/requestedAt=now",
    ];
    assert_eq!(warnings(plane, namespace, &annotate, &json!({})), [""; 0]);

    // No warnings in namespaces that the operator does not watch.
    assert_eq!(warnings(plane, other.name(), &DRY, &custom_cloud), [""; 0]);
}
