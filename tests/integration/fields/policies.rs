//! What the policies change: who takes over a schedule, and what remains of it after a deletion.

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulated_portal::{Archive, Schedule};

use super::outcome::is_settled;
use crate::world::{World, at, every_day, is_ready, message, reason};

const ADOPTION: [&str; 3] = ["Safe", "Always", "Never"];

/// The reason of Ready at the first contact with a different schedule.
fn at_first_contact(policy: &str, archives_at_stake: bool) -> &'static str {
    match (policy, archives_at_stake) {
        ("Never", _) => "AdoptionRefused",
        ("Safe", true) => "WouldDeleteArchives",
        _ => "InSync",
    }
}

async fn expect(world: &World, wanted: &str, told: &str) {
    let object = world.wait("nightly", is_settled).await;
    assert_eq!(reason(&object, "Ready"), Some(wanted), "{told}");
    let words = message(&object, "Ready");
    assert!(
        is_ready(&object) || words.contains("adoptionPolicy"),
        "{told}: {words}"
    );
    let taken = world.cron() == Some(every_day(3));
    assert_eq!(taken, is_ready(&object), "{told}: {:?}", world.cron());
}

/// Somebody's schedule keeps more archives than this manifest.
#[tokio::test]
async fn each_adoption_policy_after_each_other() {
    let world = World::of_one_process("it counts writes").await;
    world.server.clock().set(at("11-23 12:00"));
    for at_stake in [false, true] {
        if at_stake {
            for number in 0..9 {
                let made = at("11-22 12:00") + SignedDuration::from_mins(number);
                world
                    .portal
                    .add_archive(false, Archive::scheduled(&format!("archive-{number}"), made));
            }
        }
        for from in ADOPTION {
            for to in ADOPTION {
                let told = format!("{from} → {to}, archives at stake: {at_stake}");
                world.portal.set_schedule(Schedule {
                    backups_stored: 30,
                    ..Schedule::every_day(9)
                });
                let posts = world.posts();
                let mut object = json!(world.nightly());
                object["spec"]["adoptionPolicy"] = json!(from);
                object["spec"]["deletionPolicy"] = json!("Orphan");
                world
                    .create(&serde_json::from_value(object).expect("an object"))
                    .await;
                let first = at_first_contact(from, at_stake);
                expect(&world, first, &told).await;
                world
                    .patch("nightly", json!({"spec": {"adoptionPolicy": to}}))
                    .await;
                let then = match first {
                    // The schedule is its own by now.
                    "InSync" => "InSync",
                    _ => at_first_contact(to, at_stake),
                };
                expect(&world, then, &told).await;
                assert_eq!(world.posts() - posts, u64::from(then == "InSync"), "{told}");
                world.delete("nightly").await;
                world.gone("nightly").await;
            }
        }
    }
    assert_eq!(world.deletes(), 0);
}

/// Each end of an object's spec, and whether its deletion also deletes the schedule.
fn ends() -> [(Value, bool); 5] {
    [
        (json!({"deletionPolicy": "Delete"}), true),
        (json!({"deletionPolicy": null}), true),
        (json!({"deletionPolicy": "Orphan"}), false),
        (json!({"deletionPolicy": "Delete", "suspend": true}), false),
        (
            json!({"deletionPolicy": "Delete", "managementPolicy": "Observe"}),
            false,
        ),
    ]
}

#[tokio::test]
async fn each_deletion_policy_after_each_other() {
    let world = World::of_one_process("it counts deletions").await;
    let usual = json!({"suspend": false, "managementPolicy": "Enforce"});
    for (from, _) in ends() {
        for (to, deletes) in ends() {
            let told = format!("{from} → {to}");
            world.create(&world.nightly()).await;
            world.ready("nightly").await;
            for spec in [&from, &usual, &to] {
                world.patch("nightly", json!({"spec": spec})).await;
                world.wait("nightly", is_settled).await;
            }
            let (before, posts) = (world.deletes(), world.posts());
            world.delete("nightly").await;
            world.gone("nightly").await;
            assert_eq!(world.deletes() - before, u64::from(deletes), "{told}");
            assert_eq!(world.posts(), posts, "{told}");
            assert_eq!(world.portal.schedule(false).is_none(), deletes, "{told}");
            world.portal.remove_schedule(false);
        }
    }
}

/// Whether the object is as it was: `dump` cannot change.
#[tokio::test]
async fn dump_of_an_applied_schedule_stays() {
    let world = World::with_ready_nightly().await;
    for dump in [json!(true), json!(false), Value::Null] {
        let patch = kube::api::Patch::Merge(json!({"spec": {"dump": dump}}));
        let schedules = world.schedules();
        let patched = schedules
            .patch("nightly", &kube::api::PatchParams::default(), &patch)
            .await;
        match patched {
            Ok(object) => assert!(dump != true && is_ready(&object)),
            Err(error) => assert!(dump == true && error.to_string().contains("spec.dump"), "{error}"),
        }
    }
    let object: DocSpaceBackupSchedule = world.get("nightly").await;
    assert_eq!(object.metadata.generation, Some(1));
}
