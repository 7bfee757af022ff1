//! More objects, or more requests, than anybody needs.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    World,
    attackers::observer,
    portal::{Deed, Portal},
    world::Plan,
};

/// Observers with a key that the portal does not know, at the victims' own addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observers_of_a_victims_portal() {
    const OBJECTS: usize = 400;
    let mut world = World::planned(Plan {
        victims: 2,
        calls_take: Duration::from_millis(400),
        ..Plan::of("400 observers at victims' own addresses")
    })
    .await;
    let (addresses, log) = {
        let victims = world.victims.lock().await;
        let addresses: Vec<_> = (0..victims.count())
            .map(|number| victims.portal(number))
            .collect();
        (addresses, victims.server.log().clone())
    };
    log.keep(simulated_portal::Keep::All);
    let attackers = world.attackers.clone();
    world
        .attack(attackers.with_keys(OBJECTS, |number| {
            let (url, host) = &addresses[number % addresses.len()];
            let mut object = observer(number, url);
            object.spec.portal.host_header = Some(host.clone());
            object
        }))
        .await;
    let refused = log.wait_for_count(
        Duration::from_secs(30),
        "GET",
        "getbackupschedule",
        OBJECTS as u64,
    );
    world
        .attack_for(Duration::from_secs(10), async {
            let _ = refused.await;
        })
        .await;
    let victims = world.victims.lock().await;
    let own = |token: Option<&str>| token.is_some_and(|token| victims.own(token));
    let most = addresses
        .iter()
        .map(|(_, host)| log.most_at_once(|request| request.host == *host && !own(request.token())));
    let most = most.max().unwrap_or_default();
    drop(victims);
    world.expect(most > 0, "no attacker called");
    world.expect(
        most <= 4,
        format!("attackers had {most} calls to one portal under way"),
    );
    world.judge().await;
}

/// Requests for looks, as many as leave Kubernetes room for others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests() {
    const OBJECTS: usize = 10;
    const FOR: Duration = Duration::from_secs(10);
    /// The first look, one for the first request, and one every two seconds.
    const LOOKS: usize = 7;
    let mut world = World::before("400 changes of requestedAt, of 10 objects").await;
    let portal = Portal::start(|_| Deed::Honest).await;
    let attackers = world.attackers.clone();
    world.observed(&portal, OBJECTS).await;
    world
        .attack_for(FOR, async {
            let requests = (0..OBJECTS).map(async |number| {
                let mut pace = interval(Duration::from_millis(250));
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    pace.tick().await;
                    attackers.request(number).await;
                }
            });
            join_all(requests).await;
        })
        .await;
    let looks = portal.count("getbackupschedule");
    world.expect(
        looks <= OBJECTS * LOOKS,
        format!("{looks} looks at {OBJECTS} objects"),
    );
    world.judge().await;
}

/// Portals that accept a connection, and never answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn portals_that_hang() {
    const OBJECTS: usize = 500;
    let mut world = World::before("500 portals that hang").await;
    let portal = Portal::start(|_| Deed::Stall("".into())).await;
    let attackers = world.attackers.clone();
    world.attack(attackers.observers(OBJECTS, &portal.url())).await;
    world
        .attack_for(
            Duration::from_secs(10),
            portal.asked("getbackupschedule", OBJECTS),
        )
        .await;
    world.expect(portal.count("getbackupschedule") > 0, "nobody was asked");
    world.judge().await;
}
