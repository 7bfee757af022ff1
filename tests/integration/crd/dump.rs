//! `dump` selects one of two schedules of a portal, so it is immutable once one of them is applied.

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use harness::{Namespace, control_plane, nightly};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

#[tokio::test]
async fn dump_changes_until_the_schedule_is_in_the_portal() {
    let client = control_plane().client().await;
    let namespace = Namespace::create(&client).await;
    let schedules: Api<DocSpaceBackupSchedule> = namespace.schedules(&client);
    let change = async |spec| {
        let patch = Patch::Merge(json!({"spec": spec}));
        schedules.patch("nightly", &PatchParams::default(), &patch).await
    };
    let created = schedules
        .create(
            &PostParams::default(),
            &nightly("https://yourportal.onlyoffice.com"),
        )
        .await
        .expect("a valid object");

    change(json!({"dump": true}))
        .await
        .expect("nothing is in the portal yet");
    change(json!({"dump": false})).await.expect("nor now");

    let applied = json!({
        "time": "2026-01-01T00:00:00Z",
        "reason": "Created",
        "generation": 1,
        "uid": created.metadata.uid,
        "url": "https://yourportal.onlyoffice.com",
        "schedule": {
            "storageType": "ThirdPartyConsumer",
            "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
            "backupsStored": 7,
            "dump": false,
        },
    });
    let patch = Patch::Merge(json!({"status": {"applied": applied}}));
    schedules
        .patch_status("nightly", &PatchParams::default(), &patch)
        .await
        .expect("a valid status");

    let said = change(json!({"dump": true}))
        .await
        .expect_err("it would be another schedule")
        .to_string();
    assert!(said.contains("spec.dump"), "{said}");
    assert!(
        said.contains("delete this object (set deletionPolicy: Orphan first"),
        "{said}"
    );
    change(json!({"cronParams": {"hour": 4}, "dump": false}))
        .await
        .expect("the rest may change");
}
