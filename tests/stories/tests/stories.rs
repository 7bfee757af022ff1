//! The contract: every recorded story gives the recorded results when played against the simulated portal.
//! `RECORDINGS=<folder>` plays other stories in the same format.

use std::{collections::BTreeSet, fs, path::Path};

use stories::{Story, recordings};

#[tokio::test]
async fn recordings_of_stories_go_the_same_on_the_simulated_portal() {
    let (mut stories, mut steps, mut requests) = (0, 0, 0);
    let mut failures = Vec::new();
    for story in Story::all(&recordings()) {
        stories += 1;
        let mut play = story.begin().await;
        loop {
            match play.next_step().await {
                Ok(None) => break,
                Ok(Some(step)) => {
                    steps += 1;
                    requests += step.requests;
                    let of =
                        |difference| format!("{} {}. {}: {difference}", play.name(), step.number, step.text);
                    failures.extend(step.differences.into_iter().map(of));
                }
                Err(error) => {
                    failures.push(format!("{}: {error}", play.name()));
                    break;
                }
            }
        }
    }
    println!("{stories} stories, {steps} steps, {requests} requests");
    assert!(steps > 0, "no stories in {}", recordings().display());
    assert!(
        failures.is_empty(),
        "{} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Replaces a piece of a story's file; returns the steps that then differ.
async fn differing(name: &str, piece: &str, instead: &str) -> Result<BTreeSet<usize>, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../recordings/stories/{name}.json"));
    let text = fs::read_to_string(path).expect("a story");
    assert!(text.contains(piece), "{name} has no {piece}");
    let mut play = Story::read(name, &text.replace(piece, instead))?.begin().await;
    let mut differing = BTreeSet::new();
    while let Some(step) = play.next_step().await? {
        if !step.differences.is_empty() {
            differing.insert(step.number);
        }
    }
    Ok(differing)
}

/// Steps: POST; scheduler and worker; history; cleaner, which deletes the archive; history.
const STORY: &str = "cleaner-on-postgresql";

#[tokio::test]
async fn what_is_not_as_it_was_recorded_is_told() {
    let changes: [(&str, &str, &[usize]); 10] = [
        (
            "\"status\": 200,\n    \"response\": {\n     \"response\": true",
            "\"status\": 201, \"response\": {\"response\": true",
            &[1],
        ),
        ("backup requested: tenant=1", "backup requested: tenant=2", &[2]),
        (
            "audit: ScheduledBackupCompleted",
            "audit: ScheduledBackupFailed",
            &[2],
        ),
        (
            "\"last_backup_time\": \"2026-11-23 03:07:00+00\"",
            "\"last_backup_time\": \"2026-11-23 03:08:00+00\"",
            &[2, 3, 4, 5],
        ),
        ("\"paid\": \"f\"", "\"paid\": \"t\"", &[2, 3, 4, 5]),
        ("\"action\": \"5128\"", "\"action\": \"5129\"", &[2, 3, 4, 5]),
        ("\"removed\": \"t\"", "\"removed\": \"f\"", &[4, 5]),
        ("\"filesOnDisk\": []", "\"filesOnDisk\": [\"a.tar.gz\"]", &[4]),
        (
            "\"createdOn\": \"2026-11-23T03:07:00Z\"",
            "\"createdOn\": \"2026-11-23T03:07:00\"",
            &[3],
        ),
        (
            "\"done\": []",
            "\"done\": [\"storage: ConsumerBackupStorage.DeleteAsync(a)\"]",
            &[4],
        ),
    ];
    for (piece, instead, steps) in changes {
        let found = differing(STORY, piece, instead).await;
        assert_eq!(found, Ok(steps.iter().copied().collect()), "{piece}");
    }
    let due = differing("repost", "\"due\": true", "\"due\": false").await;
    assert_eq!(due.map(|steps| steps.is_empty()), Ok(false));
    let progress = differing("audit", "\"progress\": 36", "\"progress\": 37").await;
    assert_eq!(progress.map(|steps| steps.is_empty()), Ok(false));
}

#[tokio::test]
async fn what_is_not_understood_is_an_error() {
    let pieces = [
        ("\"done\": []", "\"undone\": []"),
        ("\"filesOnDisk\"", "\"filesInTheCloud\""),
        ("\"published\"", "\"postponed\""),
    ];
    for (piece, instead) in pieces {
        assert!(differing(STORY, piece, instead).await.is_err(), "{piece}");
    }
    let silent = differing("repost", "clock 02:59:59", "an hour later").await;
    assert!(silent.unwrap_err().contains("nothing is told"));
}
