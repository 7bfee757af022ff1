//! Schedules whose hours take long to compare.

use std::time::Duration;

use serde_json::json;

use crate::{
    World,
    attackers::{name, observer},
    portal::{Deed, Portal, schedule, success},
    world::Plan,
};

/// Two groups of objects at one server, one with `dump` and one without: each object is compared with each of the other
/// group. One group has all hours of all days in UTC, the other has them in a zone that is half an hour off, so they
/// never meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_that_never_meet() {
    const OBJECTS: usize = 62;
    let mut world = World::planned(Plan {
        arguments: vec!["--leader-election"],
        ..Plan::of("62 objects with hostile hours at one server")
    })
    .await;
    let portal = Portal::start(|ask| match ask.call.as_str() {
        "getbackupschedule" => {
            let mut held = schedule();
            held["cronParams"] = json!({"period": 2, "hour": 99, "day": 99});
            held["dump"] = json!(ask.query.contains("dump=true"));
            Deed::Answer(success(&held.to_string()))
        }
        "settings" => {
            let settings = json!({
                "timezone": "Asia/Kolkata", "version": "3.1.0", "standalone": true, "tenantAlias": "localhost",
                "baseDomain": "localhost",
            });
            Deed::Answer(success(&settings.to_string()))
        }
        _ => Deed::Honest,
    })
    .await;
    let attackers = world.attackers.clone();
    world
        .attack(attackers.with_keys(OBJECTS, |number| {
            let mut object = observer(number, &portal.url());
            object.spec.dump = number.is_multiple_of(2);
            object.spec.portal.host_header = Some(format!("{}.test", name(number / 2)));
            object
        }))
        .await;
    world
        .attack_for(Duration::from_secs(10), std::future::pending())
        .await;
    world.expect(portal.count("@self") > 0, "nobody was looked at");
    world.judge().await;
}
