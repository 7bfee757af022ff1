//! The request of the API's documentation page, and its unchanged Python program where the page is available.

use std::{fs, process::Stdio};

use serde_json::json;
use simulated_portal::Holder;
use tokio::process::Command;

use crate::world::{World, every_day};

const PAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../shared/seed/create-a-backup-schedule.md"
);

#[tokio::test]
async fn what_the_pages_request_made_is_adopted() {
    let world = World::new().await;
    let body = json!({
        "storageType": "CustomCloud",
        "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
        "backupsStored": 7,
        "dump": true,
    });
    world.portal.set_schedule_as_posted(&body);
    world.create(&harness::from_api_docs(&world.server.url())).await;
    world.ready("nightly").await;
    assert_eq!(world.posts(), 0);
}

#[tokio::test]
async fn the_pages_python_program_runs_as_it_is() {
    let Ok(page) = fs::read_to_string(PAGE) else {
        eprintln!("skipped: the page is not at hand");
        return;
    };
    let world = World::new().await;
    let token = world.portal.issue_session(Holder::Owner);
    let program = page
        .split("``` py\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a program");
    let program: String = program
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line)))
        .collect();
    let program = program
        .replace("https://yourportal.onlyoffice.com", &world.server.url())
        .replace("your_api_key", &token);
    let python = Command::new("python3")
        .arg("-c")
        .arg(&program)
        .stdin(Stdio::null())
        .output();
    let output = python.await.expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("created successfully"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        world.portal.schedule(true).map(|row| row.cron),
        Some(every_day(3))
    );
}
