use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::json;

use super::*;
use crate::{api::AppliedReason, portal::Address, rules::memory::Written, schedule::Schedule};

/// A new version of `nightly` with this uid; it owns the schedule of its portal, or none.
fn object(uid: &str, owns: bool) -> Guarded {
    static VERSIONS: AtomicU64 = AtomicU64::new(1);
    let version = VERSIONS.fetch_add(1, Relaxed).to_string();
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
        "metadata": {"name": "nightly", "namespace": "ns", "uid": uid, "resourceVersion": version, "generation": 1},
        "spec": spec, "status": status,
    });
    let object: DocSpaceBackupSchedule = serde_json::from_value(object).expect("an object");
    object.into()
}

fn key() -> Key {
    Key::new("ns", "nightly")
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
    assert_eq!(
        known(
            index
                .file(object("first", false), Source::Watch)
                .replaced
                .as_ref()
        ),
        None
    );
    // It is the same one.
    assert_eq!(
        known(index.file(object("first", true), Source::Watch).replaced.as_ref()),
        None
    );
    let filed = index.file(object("second", false), Source::Watch);
    assert_eq!(known(filed.replaced.as_ref()), Some(("first", true, false)));
    let filed = index.file(object("second", false), Source::Watch);
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
    index.file(object("first", true), Source::Watch);
    index.released(&key());
    // The watch shows the object without the finalizer before it is gone.
    index.file(object("first", true), Source::Watch);
    assert_eq!(
        known(index.forget(&key()).0.as_ref()),
        Some(("first", true, true))
    );

    // Nor does the next one of its name count as released.
    index.file(object("first", true), Source::Watch);
    index.released(&key());
    let filed = index.file(object("second", true), Source::Watch);
    assert_eq!(known(filed.replaced.as_ref()), Some(("first", true, true)));
    assert_eq!(
        known(index.forget(&key()).0.as_ref()),
        Some(("second", true, false))
    );
}

/// The object with this version.
fn at(mut object: Guarded, version: u64) -> Guarded {
    object.meta_mut().resource_version = Some(version.to_string());
    object
}

#[test]
fn what_this_operator_wrote_is_no_news_and_what_others_wrote_is() {
    let (before, after) = (|| object("me", false), || object("me", true));
    let index = Index::default();
    let owns = || {
        let newest = index.newest(&key()).expect("it is known");
        newest
            .object
            .expect("valid")
            .status
            .is_some_and(|status| status.applied.is_some())
    };
    let filed = |object, source| index.file(object, source).is_news;
    assert!(filed(at(before(), 10), Source::Watch));
    assert!(filed(at(before(), 10), Source::Watch), "a new list");
    index.file(at(after(), 12), Source::Write);
    assert!(owns());
    // Somebody else's change, which the operator's came after.
    assert!(filed(at(before(), 11), Source::Watch) && owns());
    assert!(!filed(at(after(), 12), Source::Watch) && owns());
    assert!(filed(at(before(), 13), Source::Watch) && !owns());

    // Of a write that tells the metadata only, the watch shows the rest.
    index.file(at(before(), 14), Source::WriteOfMetadata);
    assert!(!filed(at(before(), 14), Source::Watch));
    index.file(at(before(), 15), Source::WriteOfMetadata);
    assert!(filed(at(after(), 15), Source::Watch) && owns());
    // Two writes, the first of which the watch shows late.
    index.file(at(before(), 16), Source::WriteOfMetadata);
    index.file(at(after(), 17), Source::Write);
    assert!(!filed(at(before(), 16), Source::Watch) && owns());
    assert!(!filed(at(after(), 17), Source::Watch) && owns());
    // An older answer that comes late, and one for an object that is gone.
    index.file(at(before(), 16), Source::Write);
    assert!(owns());
    index.forget(&key());
    index.file(at(after(), 18), Source::Write);
    assert!(!index.has(&key()));
}

#[test]
fn a_lost_write_concerns_the_portal_at_every_address_of_its_key() {
    let at = |name: &str, url: &str, lost: bool| -> DocSpaceBackupSchedule {
        let mut it = object(name, false).object.expect("an object");
        it.metadata.name = Some(name.into());
        it.spec.portal.url = url.into();
        if lost {
            let request = json!({"operation": "CreateSchedule", "time": Timestamp::now(), "message": "",
                "url": url, "outcomeUnknown": true});
            let status = it.status.as_mut().expect("a status");
            status.last_request = Some(serde_json::from_value(request).expect("a request"));
        }
        it
    };
    let [one, other, stranger] = [("one", "a"), ("other", "b"), ("stranger", "c")]
        .map(|(name, host)| at(name, &format!("http://{host}.test"), false));
    let index = Index::default();
    for (it, key) in [(&one, "sk-1"), (&other, "sk-1"), (&stranger, "sk-2")] {
        index.file(it.clone(), Source::Watch);
        index.uses_key(it, &key.into());
        drop(index.recognize(it, &format!("id of {key}")));
    }
    let lost = Lost {
        by: one.metadata.uid.clone(),
        since: Timestamp::now(),
        reason: AppliedReason::Created,
        written: Written::new(
            &Schedule::without_secrets(&one.spec),
            &Address::parse("http://a.test", None).expect("an address"),
        ),
    };
    let is_known = |it| index.lost_write(it).is_some();
    assert!(!is_known(&other));
    index.lose_write(&one, lost);
    assert_eq!([&one, &other, &stranger].map(is_known), [true, true, false]);
    index.settle_write(&one);
    assert!(![&one, &other].into_iter().any(is_known));

    // The status of another process' object tells the same.
    index.file(at("one", "http://a.test", true), Source::Watch);
    let is_recorded = |it| index.recorded_lost_write(it) != LostWrite::None;
    assert_eq!([&other, &stranger].map(is_recorded), [true, false]);
    index.forget(&Key::of(&one));
    assert!(!is_recorded(&other), "nobody tells of it any more");
}
