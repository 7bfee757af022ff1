use kube::ResourceExt;
use serde_json::{Value, json};

use super::*;

/// As the API server sends it, with labels and other annotations.
fn object() -> Value {
    json!({
        "apiVersion": "docspace.onlyoffice.com/v1alpha1", "kind": "DocSpaceBackupSchedule",
        "metadata": {
            "name": "nightly", "namespace": "ns", "uid": "me", "resourceVersion": "7", "generation": 3,
            "creationTimestamp": "2026-11-23T12:00:00Z", "deletionTimestamp": "2026-11-24T12:00:00Z",
            "finalizers": ["example.com/other", "docspace.onlyoffice.com/backup-schedule"],
            "labels": {"team": "storage"},
            "annotations": {REQUESTED_AT: "now", "example.com/other": "x"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}],
            "managedFields": [{"manager": "x", "operation": "Update"}],
        },
        "spec": {
            "portal": {"url": "https://docs.example.com", "apiKeySecretRef": {"name": "key"}},
            "storageType": "DataStore", "cronParams": {"period": "EveryDay", "hour": 3}, "backupsStored": 7,
        },
        "status": {"observedGeneration": 3, "schedule": "x"},
    })
}

fn read(object: &Value) -> Guarded {
    serde_json::from_str(&object.to_string()).expect("an object")
}

fn error(object: &Value) -> String {
    let read = read(object);
    assert_eq!(read.name_any(), "nightly", "its metadata is known");
    read.object.expect_err("it cannot be read").error
}

#[test]
fn what_is_used_is_kept_and_nothing_else() {
    let text = object();
    let read = read(&text);
    assert!(read.bytes > 500 && read.bytes < text.to_string().len());
    let kept = read.object.expect("a valid object");
    let (spec, status) = (&text["spec"], &text["status"]);
    assert_eq!(
        serde_json::to_value(&kept.spec.portal).expect("JSON")["url"],
        spec["portal"]["url"]
    );
    assert_eq!(serde_json::to_value(&kept.status).expect("JSON"), *status);
    let mut wanted = text["metadata"].clone();
    for dropped in ["labels", "ownerReferences", "managedFields"] {
        wanted.as_object_mut().expect("an object").remove(dropped);
    }
    wanted["annotations"] = json!({REQUESTED_AT: "now"});
    assert_eq!(serde_json::to_value(&kept.metadata).expect("JSON"), wanted);
    let slim: Metadata = serde_json::from_value(text).expect("metadata");
    assert_eq!(serde_json::to_value(&slim.metadata).expect("JSON"), wanted);
}

#[test]
fn a_request_is_cut_between_characters() {
    let mut long = object();
    long["metadata"]["annotations"][REQUESTED_AT] = json!("ü".repeat(1000));
    assert_eq!(
        read(&long).annotations()[REQUESTED_AT],
        "ü".repeat(LONGEST_REQUEST / 2)
    );
}

#[test]
fn of_an_object_that_cannot_be_parsed_the_metadata_and_the_reason_are_known() {
    let mut odd = object();
    odd["spec"]["storageType"] = json!("S3");
    let said = error(&odd);
    assert!(
        said.starts_with("unknown variant `S3`, expected one of") && !said.contains("line"),
        "{said}"
    );
    odd["spec"]["storageType"] = json!({"x\n": "x".repeat(10_000)});
    assert!(error(&odd).len() < 1000);
    odd.as_object_mut().expect("an object").remove("spec");
    assert_eq!(error(&odd), "missing field `spec`");
    let mut odd = object();
    odd["status"] = json!({"observedGeneration": "many"});
    assert!(error(&odd).contains("many"));
}

#[test]
fn what_is_too_large_is_not_kept() {
    let large = "x".repeat(70_000);
    let mut object = object();
    object["spec"]["storageParams"] = json!([{"key": "module", "value": large}]);
    assert_eq!(
        error(&object),
        "spec has 70212 bytes, and more than 65536 are not read; shorten its longest fields, usually storageParams"
    );
    object["spec"]["storageParams"] = json!([]);
    let finalizers: Vec<_> = (0..1000).map(|n| format!("example.com/{n}")).collect();
    object["metadata"]["finalizers"] = json!(finalizers);
    assert!(
        error(&object).starts_with("metadata.finalizers has"),
        "{}",
        error(&object)
    );
    assert!(read(&object).finalizers().is_empty());
}

#[test]
fn of_a_status_that_is_too_large_the_part_of_the_portal_goes_first() {
    let large = "x".repeat(70_000);
    let mut object = object();
    object["status"]["difference"] = json!([large]);
    let status = |object: &Value| read(object).object.expect("a valid object").status;
    let kept = status(&object).expect("a status");
    assert_eq!(
        (kept.schedule.as_deref(), kept.difference),
        (Some("x"), Vec::new())
    );
    object["status"]["schedule"] = json!(large);
    assert_eq!(status(&object), None);
}

#[test]
fn an_object_comes_back_as_it_was_and_a_typical_one_is_small_at_rest() {
    let typical = include_str!("typical.json");
    let other = typical
        .replace("docspace.example.com", "another.example.org")
        .replace("2026-11-2", "2026-10-1")
        .replace("63ca828d-d5f4", "d1e2f3a4-b5c6")
        .replace("cd613e30-d8f1", "a1b2c3d4-e5f6")
        .replace("\"backups\"", "\"another-bucket\"");
    let mut invalid = object();
    invalid["spec"]["storageType"] = json!("S3");
    for (text, most) in [
        (typical.to_owned(), 64),
        (other, 700),
        (object().to_string(), 1024),
        (invalid.to_string(), 1024),
    ] {
        let object: Guarded = serde_json::from_str(&text).expect("an object");
        let packed = Packed::new(&object);
        let size = packed.size();
        assert!(size <= most, "{size} bytes of {}", text.len());
        let unpacked = packed.unpack().expect("an object");
        assert_eq!(unpacked.bytes, object.bytes);
        assert_eq!(unpacked.meta(), object.meta());
        match (unpacked.object, object.object) {
            (Ok(unpacked), Ok(object)) => {
                assert_eq!((unpacked.spec, unpacked.status), (object.spec, object.status));
            }
            (unpacked, object) => assert_eq!(
                unpacked.expect_err("invalid").error,
                object.expect_err("invalid").error
            ),
        }
    }
}
