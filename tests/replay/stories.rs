//! The operator's verdict after each step of the recorded stories.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stories::Story;

use crate::operator::{Operator, Told};

/// A manifest for the schedule that a story stores in its portal: storage, hour, number of archives and dump.
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

/// The verdicts after each step, half an hour after the last step, and three hours after it.
async fn told(story: Story, manifest: &Value) -> Vec<String> {
    let mut play = story.begin().await;
    let mut operator = None;
    let mut lines = Vec::new();
    while let Some(step) = play.next_step().await.expect("a step that is understood") {
        let server = play.server();
        let operator =
            operator.get_or_insert_with(|| Operator::new(&server.url(), play.key(), manifest).only_telling());
        let told = look(operator, server.clock().now()).await;
        lines.push(told.to_string());
        println!("    {}. {}: {told}", step.number, step.text);
    }
    let operator = operator.as_mut().expect("a story has steps");
    for (minutes, later) in [(31, "half an hour later"), (150, "three hours later")] {
        play.server().clock().advance(SignedDuration::from_mins(minutes));
        let told = look(operator, play.server().clock().now()).await;
        println!("    {later}: {told}");
        lines.push(told.to_string());
    }
    lines
}

/// A check that needs confirmation is followed by another one within this time.
const SOON: Duration = Duration::from_secs(20);

/// A check, and the one that confirms it, if it needs one.
async fn look(operator: &mut Operator, now: Timestamp) -> Told {
    let told = operator.look(now).await;
    if told.wait <= SOON {
        return operator.look(now + told.wait).await;
    }
    told
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

/// Story, manifest, and the verdicts after each step, half an hour after the last step and three hours after it: the plan,
/// the reason of Ready, the reason of BackupFresh. Plans that would write are reported but not carried out.
fn verdicts() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let custom_cloud = || json!({"storageType": "CustomCloud"});
    let data_store = || json!({"storageType": "DataStore"});
    vec![
        // The second run fails. The trail is read when the schedule has changed, so it shows only then.
        (
            "audit",
            manifest(local("/backups"), 0, false),
            &[
                "adopt Adopted: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Failed",
                "refuse BackupRunning: BackupRunning, Failed",
                "write Corrected: InSync, Failed",
                "refuse BackupRunning: BackupRunning, Failed",
                "write Corrected: InSync, Failed",
                "write Corrected: InSync, Failed",
                "write Corrected: InSync, Failed",
                "write Corrected: InSync, Failed",
                "write Corrected: InSync, Failed",
                "write Corrected: InSync, Failed",
                "write Corrected: InSync, Failed",
                "write Corrected: InSync, Failed",
                "write Corrected: InSync, Failed",
            ],
        ),
        // Adopted with seven archives, of which the newest must be listed again; then a person lowers the number.
        (
            "backups-stored-lowered",
            manifest(local("/backups7"), 3, false),
            &[
                "adopt Adopted: InSync, NotDueYet",
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
                "adopt Adopted: InSync, NotDueYet",
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
                "adopt Adopted: InSync, NotDueYet",
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
        // The archive survives a pass of the cleaner.
        (
            "cleaner-on-mariadb",
            manifest(local("/backupsm"), 0, false),
            &[
                "adopt Adopted: InSync, NotDueYet",
                "nothing: InSync, NotDueYet",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, BackupFound",
                "nothing: InSync, BackupFound",
            ],
        ),
        // The archive does not survive: one listing is no proof.
        (
            "cleaner-on-postgresql",
            manifest(local("/backups"), 3, false),
            &[
                "adopt Adopted: InSync, NotDueYet",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Confirming",
                "nothing: InSync, Vanished",
                "nothing: InSync, Vanished",
            ],
        ),
        // The portal holds different schedules from this one.
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
        // First predicted, then reported by the portal itself.
        (
            "customcloud",
            manifest(custom_cloud(), 3, false),
            &[
                "adopt Adopted: InSync, StorageCannotBackUp",
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
        // No schedule is in force, so nothing is due, whatever is listed.
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
        // The second portal POSTs the same schedule, so no change is needed.
        (
            "dump-of-two-portals",
            manifest(local("/backups"), 3, true),
            &[
                "adopt Adopted: InSync, NotDueYet",
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
        // The portal removes a schedule that was due: Recreated (only reported here), not Corrected. At the end a person POSTs a
        // schedule with another hour.
        (
            "quota-used-up",
            manifest(data_store(), 3, false),
            &[
                "write Created: InSync, NotDueYet",
                "adopt Adopted: InSync, NotDueYet",
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
        // This story has no run, so only the storage type can be judged.
        (
            "repost",
            manifest(custom_cloud(), 3, false),
            &[
                "adopt Adopted: InSync, StorageCannotBackUp",
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
        // Removed before it was due, so by a person: Corrected.
        (
            "schedule-deleted-then-new",
            manifest(local("/backups7"), 3, false),
            &[
                "adopt Adopted: InSync, NotDueYet",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, Confirming",
                "write Corrected: InSync, BackupFound",
                "write Corrected: InSync, BackupFound",
                "write Corrected: InSync, BackupFound",
                "write Corrected: InSync, BackupFound",
            ],
        ),
        // No schedule was ever in force for this object.
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
