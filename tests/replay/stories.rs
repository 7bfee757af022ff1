//! The operator's verdict after each step of the recorded stories.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use jiff::SignedDuration;
use serde_json::{Value, json};
use stories::Story;

use crate::operator::Operator;

/// A manifest that asks for what a story's portal is made to hold: its storage, hour, number and kind.
fn manifest(storage: Value, hour: i64, dump: bool) -> Value {
    let mut manifest =
        json!({"cronParams": {"period": "EveryDay", "hour": hour}, "backupsStored": 7, "dump": dump});
    let fields = storage.as_object().expect("an object").clone();
    manifest.as_object_mut().expect("an object").extend(fields);
    manifest
}

fn local(path: &str) -> Value {
    json!({"storageType": "Local", "storageParams": [{"key": "filePath", "value": path}]})
}

/// What the operator says after each step, and half an hour after the last.
async fn told(story: Story, manifest: &Value) -> Vec<String> {
    let mut play = story.begin().await;
    let mut operator = None;
    let mut lines = Vec::new();
    while let Some(step) = play.next_step().await.expect("a step that is understood") {
        let server = play.server();
        let operator =
            operator.get_or_insert_with(|| Operator::new(&server.url(), play.key(), manifest).only_telling());
        let told = operator.look(server.clock().now()).await;
        lines.push(told.to_string());
        println!("    {}. {}: {told}", step.number, step.text);
    }
    let operator = operator.as_mut().expect("a story has steps");
    for (minutes, later) in [(31, "half an hour later"), (150, "three hours later")] {
        play.server().clock().advance(SignedDuration::from_mins(minutes));
        let told = operator.look(play.server().clock().now()).await;
        println!("    {later}: {told}");
        lines.push(told.to_string());
    }
    lines
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/stories")
}

#[tokio::test]
async fn recordings_of_stories_have_their_verdict_after_each_step() {
    for (name, manifest, expected) in verdicts() {
        println!("{name} {manifest}");
        let story = Story::open(&folder().join(format!("{name}.json")));
        assert_eq!(told(story, &manifest).await, expected, "{name}");
    }
}

#[test]
fn every_story_has_a_verdict() {
    let judged: BTreeSet<String> = verdicts().into_iter().map(|(name, ..)| name.into()).collect();
    let stories = Story::all(&folder())
        .into_iter()
        .map(|story| story.name().to_owned());
    assert_eq!(stories.collect::<BTreeSet<_>>(), judged);
}

/// Story, manifest, and what is said after each step, half an hour after the last and three hours after it: the plan,
/// the reason of Ready, the reason of BackupFresh. What a plan would write is only told.
fn verdicts() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let custom_cloud = || json!({"storageType": "CustomCloud"});
    let data_store = || json!({"storageType": "DataStore"});
    vec![
        // Its runs are seconds apart, so that the archive of the first stands for the second, too, which fails.
        (
            "audit",
            manifest(local("/backups"), 0, false),
            &[
                "adopt: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "refuse BackupRunning: BackupRunning, Running",
                "write Corrected: InSync, Confirming",
                "refuse BackupRunning: BackupRunning, Running",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, BackupFound",
                "write Corrected: InSync, BackupFound",
            ],
        ),
        // Adopted with seven archives, of which the newest is looked for again; then somebody lowers the number.
        (
            "backups-stored-lowered",
            manifest(local("/backups7"), 3, false),
            &[
                "adopt: InSync, NotDueYet",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
            ],
        ),
        // The portal's own schedule runs,
        (
            "both-schedules-at-one-hour",
            manifest(local("/backups"), 3, false),
            &[
                "adopt: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, BackupFound",
                "nothing: InSync, BackupFound",
            ],
        ),
        // and the dump is dropped, which shows at its deadline.
        (
            "both-schedules-at-one-hour",
            manifest(local("/backups"), 3, true),
            &[
                "adopt: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, Dropped",
            ],
        ),
        // The archive outlives a pass of the cleaner.
        (
            "cleaner-on-mariadb",
            manifest(local("/backupsm"), 0, false),
            &[
                "adopt: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, BackupFound",
                "nothing: InSync, BackupFound",
            ],
        ),
        // It does not: so one listing is no proof.
        (
            "cleaner-on-postgresql",
            manifest(local("/backups"), 3, false),
            &[
                "adopt: InSync, NotDueYet",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Vanished",
                "nothing: InSync, Vanished",
            ],
        ),
        // The portal holds other schedules than this one.
        (
            "cleaner-pass",
            manifest(data_store(), 3, false),
            &[
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
            ],
        ),
        // Foretold, and then in the portal's own words.
        (
            "customcloud",
            manifest(custom_cloud(), 3, false),
            &[
                "adopt: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
                "nothing: InSync, Failed",
            ],
        ),
        // No schedule is in force: whatever is listed, nothing is due.
        (
            "datastore-expired",
            manifest(data_store(), 3, false),
            &[
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
                "write Created: InSync, NotDueYet",
            ],
        ),
        // The second portal's POST is the same schedule, so nothing is to be done.
        (
            "dump-of-two-portals",
            manifest(local("/backups"), 3, true),
            &[
                "adopt: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, BackupFound",
                "nothing: InSync, BackupFound",
                "nothing: InSync, BackupFound",
                "nothing: InSync, BackupFound",
                "nothing: InSync, BackupFound",
                "nothing: InSync, BackupFound",
                "nothing: InSync, BackupFound",
            ],
        ),
        // The portal removes what was due: restored (here only told), not put right. A manifest of another hour is posted at the end.
        (
            "quota-used-up",
            manifest(data_store(), 3, false),
            &[
                "write Created: InSync, NotDueYet",
                "adopt: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "write Recreated: InSync, NotDueYet",
                "write Recreated: InSync, NotDueYet",
                "write Recreated: InSync, NotDueYet",
                "write Recreated: InSync, NotDueYet",
                "write Recreated: InSync, NotDueYet",
                "write Recreated: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "write Recreated: InSync, NotDueYet",
                "write Corrected: InSync, NoEvidence",
                "write Corrected: InSync, NoEvidence",
                "write Corrected: InSync, NoEvidence",
                "write Corrected: InSync, NoEvidence",
                "write Corrected: InSync, NoEvidence",
            ],
        ),
        // No run is carried out in this story, so the storage is all that can be said.
        (
            "repost",
            manifest(custom_cloud(), 3, false),
            &[
                "adopt: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
                "nothing: InSync, StorageCannotBackUp",
            ],
        ),
        // Before it came due: somebody, so it is put back.
        (
            "schedule-deleted-then-new",
            manifest(local("/backups7"), 3, false),
            &[
                "adopt: InSync, NotDueYet",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
            ],
        ),
        // Nothing was ever in force for this object.
        (
            "tariff-run-out",
            manifest(data_store(), 3, false),
            &[
                "refuse PlanNotAllowed: PlanNotAllowed, NotDueYet",
                "refuse PlanNotAllowed: PlanNotAllowed, NotDueYet",
                "refuse PlanNotAllowed: PlanNotAllowed, NotDueYet",
                "refuse PlanNotAllowed: PlanNotAllowed, NotDueYet",
                "refuse PlanNotAllowed: PlanNotAllowed, NotDueYet",
                "refuse PlanNotAllowed: PlanNotAllowed, NotDueYet",
            ],
        ),
    ]
}
