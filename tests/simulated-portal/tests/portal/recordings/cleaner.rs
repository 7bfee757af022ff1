//! Recorded passes of the cleaner.

use std::fs;

use jiff::Timestamp;
use serde_json::Value;
use simulated_portal::{Archive, Expiry, Installation, Schedule, SimulatedPortal};

use super::{exchange, folder};

/// `id | tenant_id | is_scheduled | storage_type | storage_path | created_on | removed`.
fn archive(line: &str) -> (i32, Archive) {
    let fields: Vec<&str> = line.split(" | ").collect();
    let created_on: Timestamp = fields[5].parse().expect("a time");
    let archive = Archive {
        file_name: fields[4].to_owned(),
        scheduled: fields[2] == "t",
        removed: fields[6] == "t",
        expires_on: Expiry::Never,
        ..Archive::scheduled(fields[0], created_on).in_storage(fields[3].parse().expect("a number"))
    };
    (fields[1].parse().expect("a number"), archive)
}

fn lines(story: &Value, name: &str) -> Option<Vec<(i32, Archive)>> {
    let lines = story.get(name)?.as_array()?;
    lines.iter().map(|line| line.as_str().map(archive)).collect()
}

#[tokio::test]
async fn recordings_of_a_cleaner_pass_are_what_the_simulated_cleaner_does() {
    let stories = exchange::files(&folder()).into_iter();
    let stories =
        stories.map(|file| serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap());
    for story in stories.filter(|story| story.get("cleaner").is_some()) {
        let (before, after) = (lines(&story, "before").unwrap(), lines(&story, "after").unwrap());
        let server = SimulatedPortal::start(Installation::default()).await;
        let portal = server.first();
        server
            .clock()
            .set(story["cleaner"]["utcNow"].as_str().unwrap().parse().unwrap());
        for (tenant, archive) in before {
            portal.add_archive(tenant == -1, archive);
        }
        for dump in [false, true] {
            portal.set_schedule(Schedule {
                backups_stored: 2,
                dump,
                ..Schedule::every_day(3)
            });
        }
        let deleted = server.run_cleaner().len();
        assert_eq!(deleted, story["cleaner"]["done"].as_array().unwrap().len());
        let kept = |archives: Vec<Archive>| archives.into_iter().map(|archive| (archive.id, archive.removed));
        let found: Vec<_> = kept(portal.archives(false))
            .chain(kept(portal.archives(true)))
            .collect();
        let wanted: Vec<_> = kept(after.into_iter().map(|(_, archive)| archive).collect()).collect();
        assert_eq!(found, wanted);
    }
}
