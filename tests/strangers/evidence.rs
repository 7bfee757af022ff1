//! Evidence of backups that takes long to go through, or much memory.

use std::{fmt::Write as _, time::Duration};

use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::{
    World,
    attackers::number,
    portal::{Deed, Portal, success},
};

/// Events of a scheduled and of a manual backup, and the numbers that DocSpace has for them.
const EVENTS: [(&str, u32); 2] = [("BackupCompleted", 5125), ("ScheduledBackupCompleted", 5128)];
const MOST: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_against_events() {
    held_against(
        "5,000 archives against 100 and 12,000 events",
        5_000,
        [100, 12_000],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_archives_against_events() {
    held_against(
        "55,000 archives against 100 and 12,000 events",
        55_000,
        [100, 12_000],
    )
    .await;
}

/// Eight observers: the number of events alternates.
async fn held_against(attack: &'static str, archives: u64, events: [u64; 2]) {
    const OBJECTS: usize = 8;
    let mut world = World::before(attack).await;
    let history = history(archives);
    let trails = events.map(|count| EVENTS.map(|(name, number)| (name, trail(number, count))));
    let portal = Portal::start(move |ask| match ask.call.as_str() {
        "getbackuphistory" => Deed::Answer(history.clone()),
        "filter" => {
            let trails = &trails[number(&ask.host) % 2];
            let is_asked = |name: &str| ask.query.contains(&format!("action={name}&"));
            match trails.iter().find(|(name, _)| is_asked(name)) {
                Some((_, trail)) => Deed::Answer(trail.clone()),
                None => Deed::Honest,
            }
        }
        _ => Deed::Honest,
    })
    .await;
    let attackers = world.attackers.clone();
    // The first look learns what is in force; from the second one on, there is something to prove.
    world.observed(&portal, OBJECTS).await;
    world
        .attack_for(MOST, async {
            attackers.request_all(OBJECTS).await;
            portal.asked("filter", OBJECTS * EVENTS.len()).await;
        })
        .await;
    world.expect(portal.count("getbackuphistory") > 0, "no history was read");
    world.judge().await;
}

/// Archives that may all be the schedule's.
fn history(count: u64) -> Bytes {
    let newest = Timestamp::now();
    let mut items = String::new();
    for number in 0..count {
        let made = newest - SignedDuration::from_secs(number.cast_signed());
        let made = made.strftime("%Y-%m-%dT%H:%M:%S");
        let _ = write!(
            items,
            r#"{{"id":"{number:05}","createdOn":"{made}","storageType":5}},"#
        );
    }
    success(&format!("[{}]", items.trim_end_matches(',')))
}

/// Events of this kind, all new.
fn trail(number: u32, count: u64) -> Bytes {
    let date = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let event = format!(r#"{{"actionId":{number},"date":"{date}"}},"#);
    let items = event.repeat(usize::try_from(count).expect("not that many"));
    success(&format!("[{}]", items.trim_end_matches(',')))
}
