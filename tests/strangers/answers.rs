//! Answers that swell in memory.

use std::time::Duration;

use hyper::body::Bytes;

use crate::{
    World,
    portal::{Deed, Portal, head, success},
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// How long answers that never end go on.
const ENDLESS: Duration = Duration::from_secs(8);

/// Histories of 4 MiB, with as many objects as fit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_tiny_objects() {
    let mut world = World::before("60 histories of 4 MiB of tiny objects").await;
    let tiny = r#"{"a":0},"#;
    let items = tiny.repeat((4 * MIB - KIB) / tiny.len());
    let history = success(&format!("[{}]", items.trim_end_matches(',')));
    let portal = Portal::start(move |ask| match ask.call.as_str() {
        "getbackupschedule" => Deed::Nothing,
        "getbackuphistory" => Deed::Answer(history.clone()),
        _ => Deed::Honest,
    })
    .await;
    let attackers = world.attackers.clone();
    world.attack(attackers.enforcers(60, &portal.url())).await;
    world
        .attack_for(ENDLESS, portal.asked("getbackuphistory", 60))
        .await;
    world.expect(portal.count("getbackuphistory") > 0, "no history was read");
    world.judge().await;
}

/// Schedules of which everything but the last byte comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_bodies() {
    let begun = format!("{}{}", head(MIB), " ".repeat(MIB - 1)).into();
    never_ending("150 unfinished bodies of 1 MiB", 150, begun).await;
}

/// Heads of one header that has no end, just below the size at which an HTTP client gives up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_heads() {
    let begun = format!("HTTP/1.1 200 OK\r\nX-Long: {}", "x".repeat(400 * KIB)).into();
    never_ending("300 endless heads of 400 KiB", 300, begun).await;
}

async fn never_ending(attack: &'static str, count: usize, begun: Bytes) {
    let mut world = World::before(attack).await;
    let portal = Portal::start(move |_| Deed::Stall(begun.clone())).await;
    let attackers = world.attackers.clone();
    world.attack(attackers.observers(count, &portal.url())).await;
    world.attack_for(ENDLESS, std::future::pending()).await;
    world.expect(portal.count("getbackupschedule") > 0, "nobody was asked");
    world.judge().await;
}
