//! The plan of a check is what the operator then does.

use docspace_backup_operator::api::{
    AdoptionPolicy, DocSpaceBackupSchedule, ManagementPolicy, Period, Status,
};
use simulated_portal::{ApiKey, Archive, Fault, Installation, Mode};

use super::check_manifest;
use crate::world::{Setup, World, at, condition};

fn status(report: &serde_json::Value) -> Status {
    serde_json::from_value(report["status"].clone()).expect("a status")
}

/// A portal and a manifest before the operator has seen either.
struct Scene {
    name: &'static str,
    installation: Installation,
    /// Arranges the portal and the Secret.
    arrange: fn(&World),
    change: fn(&mut DocSpaceBackupSchedule),
    plan: &'static str,
    ready: &'static str,
}

impl Scene {
    fn new(name: &'static str, plan: &'static str, ready: &'static str) -> Self {
        Self {
            name,
            installation: Installation::default(),
            arrange: |_| {},
            change: |_| {},
            plan,
            ready,
        }
    }

    fn arrange(self, arrange: fn(&World)) -> Self {
        Self { arrange, ..self }
    }

    fn change(self, change: fn(&mut DocSpaceBackupSchedule)) -> Self {
        Self { change, ..self }
    }

    fn cloud(self) -> Self {
        let installation = Installation::saas();
        Self { installation, ..self }
    }
}

fn archives(world: &World) {
    for day in 1..=9 {
        let archive = Archive::scheduled(&format!("archive-{day}"), at(&format!("11-0{day} 03:08")));
        world.portal.add_archive(false, archive);
    }
}

fn another_hour(world: &World) {
    world.hold(&world.nightly_at(22));
}

fn scenes() -> Vec<Scene> {
    vec![
        Scene::new("an empty portal", "Create", "InSync"),
        Scene::new("an empty portal of the cloud", "Create", "InSync").cloud(),
        Scene::new("an hour that never starts", "Create", "InSync").change(|object| {
            object.spec.cron_params.period = Period::EveryWeek;
            object.spec.cron_params.day = Some(1);
        }),
        Scene::new("a day that February lacks", "Create", "InSync").change(|object| {
            object.spec.cron_params.period = Period::EveryMonth;
            object.spec.cron_params.day = Some(31);
        }),
        Scene::new("the same schedule", "Adopt", "InSync").arrange(|world| world.hold(&world.nightly())),
        Scene::new("another schedule", "Replace", "InSync").arrange(another_hour),
        Scene::new("another schedule, never adopted", "Refuse", "AdoptionRefused")
            .arrange(another_hour)
            .change(|object| object.spec.adoption_policy = AdoptionPolicy::Never),
        Scene::new("another schedule, observed", "Refuse", "OutOfSync")
            .arrange(another_hour)
            .change(|object| object.spec.management_policy = ManagementPolicy::Observe),
        Scene::new("the same schedule, observed", "Nothing", "InSync")
            .arrange(|world| world.hold(&world.nightly()))
            .change(|object| object.spec.management_policy = ManagementPolicy::Observe),
        Scene::new(
            "archives that a write would delete",
            "Refuse",
            "WouldDeleteArchives",
        )
        .arrange(archives),
        Scene::new("archives that may be deleted", "Create", "InSync")
            .arrange(archives)
            .change(|object| object.spec.adoption_policy = AdoptionPolicy::Always),
        Scene::new("suspended", "Suspend", "Suspended").change(|object| object.spec.suspend = true),
        Scene::new("a revoked key", "Refuse", "Unauthorized")
            .arrange(|world| world.portal.revoke_key(&world.key)),
        Scene::new("a plain user's key", "Refuse", "UserNotAllowed").arrange(|world| {
            world
                .portal
                .change_key(&world.key, |key| *key = ApiKey::named("plain").of_plain_user());
        }),
        Scene::new("a portal behind a broken proxy", "Refuse", "ProxyError").arrange(|world| {
            world.server.order(Fault::bad_gateway());
        }),
        Scene::new("a dump", "Create", "InSync").change(|object| object.spec.dump = true),
        Scene::new("a Secret that is missing", "Refuse", "SecretMissing")
            .change(|object| object.spec.portal.api_key_secret_ref.name = "missing".into()),
        Scene::new("an address that is never a portal", "Refuse", "AddressNotAllowed")
            .change(|object| object.spec.portal.url = "http://169.254.169.254".into()),
    ]
}

/// Each scene is checked, then handed to the operator, which must do what was said.
#[tokio::test]
async fn the_plan_is_what_the_operator_then_does() {
    let scenes: Vec<_> = scenes()
        .into_iter()
        .map(|scene| tokio::spawn(play(scene)))
        .collect();
    for scene in scenes {
        scene.await.expect("no panic");
    }
}

async fn play(scene: Scene) {
    let Scene {
        name, plan, ready, ..
    } = scene;
    let is_cloud = scene.installation.mode == Mode::Saas;
    let mut world = Setup::default()
        .installation(scene.installation)
        .of_one_process("the plan of the first one counts")
        .idle()
        .await;
    world.server.clock().set(at("11-23 12:00"));
    (scene.arrange)(&world);
    let mut object = world.nightly();
    if is_cloud {
        object = world.in_the_cloud(object);
    }
    (scene.change)(&mut object);

    let said = check_manifest(&world, &object, &["-o", "json"]).await;
    let report = said.report();
    assert_eq!(report["plan"], plan, "{name}: {report:#}");
    let foretold = status(&report);
    assert_eq!((world.posts(), world.deletes()), (0, 0), "{name}");
    assert!(
        world
            .schedules()
            .get_opt("nightly")
            .await
            .expect("an answer")
            .is_none(),
        "{name}"
    );

    world.operator.start(&[]).await;
    world.create(&object).await;
    let done = world
        .wait("nightly", |object| {
            condition(object, "Ready").is_some_and(|ready| ready.reason == ready_reason(&foretold))
        })
        .await;
    assert_eq!(ready_reason(&foretold), ready, "{name}");
    let writes = u64::from(matches!(plan, "Create" | "Replace"));
    assert_eq!(world.posts(), writes, "{name}");
    assert_eq!(
        said.code,
        Some(match plan {
            "Refuse" => 2,
            "Create" | "Replace" => 1,
            _ => 0,
        }),
        "{name}"
    );
    let status = done.status.expect("a status");
    let facts = |status: &Status| {
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .map(|condition| {
                let texts = [
                    &condition.type_,
                    &condition.status,
                    &condition.reason,
                    &condition.message,
                ];
                texts.map(Clone::clone)
            })
            .collect();
        let key = status.api_key.clone();
        (
            conditions,
            status.next_backup_time.clone(),
            status.schedule.clone(),
            status.portal.clone(),
            key,
        )
    };
    assert_eq!(facts(&foretold), facts(&status), "{name}");
}

fn ready_reason(status: &Status) -> &str {
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    ready.map_or("", |ready| &ready.reason)
}
