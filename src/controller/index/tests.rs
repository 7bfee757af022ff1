use serde_json::json;

use super::*;

/// `nightly` with this uid; it owns the schedule of its portal, or none.
fn object(uid: &str, owns: bool) -> Guarded {
    let portal = "http://portal.test";
    let schedule = json!({"storageType": "Documents", "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
        "backupsStored": 7, "dump": false});
    let applied = json!({"time": "2026-11-23T12:00:00Z", "reason": "Created", "generation": 1, "uid": uid,
        "url": portal, "schedule": schedule});
    let mut spec = schedule;
    spec["portal"] = json!({"url": portal, "apiKeySecretRef": {"name": "key"}});
    spec["storageParams"] = json!([{"key": "folderId", "value": "1"}]);
    let status = if owns {
        json!({"applied": applied})
    } else {
        json!({})
    };
    let object = json!({
        "apiVersion": "docspace.onlyoffice.com/v1alpha1", "kind": "DocSpaceBackupSchedule",
        "metadata": {"name": "nightly", "namespace": "ns", "uid": uid, "resourceVersion": "1", "generation": 1},
        "spec": spec, "status": status,
    });
    let object: DocSpaceBackupSchedule = serde_json::from_value(object).expect("an object");
    object.into()
}

fn key() -> Key {
    ObjectRef::new("nightly").within("ns")
}

/// The uid of what is gone, whether it leaves a schedule behind, and whether it was released.
fn known(listing: Option<&Listing>) -> Option<(&str, bool, bool)> {
    let listing = listing?;
    Some((
        listing.uid.as_deref()?,
        listing.portal.is_some(),
        listing.released,
    ))
}

#[test]
fn an_object_in_the_place_of_another_says_what_was_known_of_the_other() {
    let index = Index::default();
    assert_eq!(known(index.file(&object("first", false)).replaced.as_ref()), None);
    // It is the same one.
    assert_eq!(known(index.file(&object("first", true)).replaced.as_ref()), None);
    let filed = index.file(&object("second", false));
    assert_eq!(known(filed.replaced.as_ref()), Some(("first", true, false)));
    let filed = index.file(&object("second", false));
    assert_eq!(known(filed.replaced.as_ref()), None, "only once");
    assert_eq!(
        known(index.forget(&key()).0.as_ref()),
        Some(("second", false, false))
    );
    assert_eq!(known(index.forget(&key()).0.as_ref()), None, "only once");
}

#[test]
fn what_was_released_is_known_as_released_until_it_is_gone() {
    let index = Index::default();
    index.file(&object("first", true));
    index.released(&key());
    // The watch shows the object without the finalizer before it is gone.
    index.file(&object("first", true));
    assert_eq!(
        known(index.forget(&key()).0.as_ref()),
        Some(("first", true, true))
    );

    // Nor does the next one of its name count as released.
    index.file(&object("first", true));
    index.released(&key());
    let filed = index.file(&object("second", true));
    assert_eq!(known(filed.replaced.as_ref()), Some(("first", true, true)));
    assert_eq!(
        known(index.forget(&key()).0.as_ref()),
        Some(("second", true, false))
    );
}
