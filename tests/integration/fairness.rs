//! Namespaces share turns, locks and looks: however many objects one of them has, and whatever their keys and portals do,
//! the others are looked after as before.

use std::time::{Duration, Instant};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, ManagementPolicy, REQUESTED_AT};
use futures::{StreamExt, TryStreamExt, stream};
use harness::{API_KEY, DEADLINE, wait_for};
use kube::{Api, api::PostParams};
use serde_json::json;
use simulated_portal::Fault;

use crate::world::{Setup, World, random};

/// An object of one team, and a namespace of another with a key that no portal knows.
struct Teams {
    world: World,
    strangers: Api<DocSpaceBackupSchedule>,
}

impl Teams {
    async fn new() -> Self {
        let one = "it measures what one process does";
        let setup = Setup::default().of_one_process(one);
        let (world, namespace) = setup.with_another_namespace().await;
        let world = world.ready_nightly().await;
        let secret = harness::secret(API_KEY, &[("apiKey", "sk-bogus")]);
        let secrets = namespace.secrets(&world.client);
        secrets
            .create(&PostParams::default(), &secret)
            .await
            .expect("it is created");
        Self {
            strangers: namespace.schedules(&world.client),
            world,
        }
    }

    /// As many objects of the strangers, changed by `change`.
    async fn create(&self, name: &str, count: usize, change: impl Fn(&mut DocSpaceBackupSchedule)) {
        let object = |n: usize| {
            let mut object = self.world.named(&format!("{name}-{n}"));
            change(&mut object);
            object
        };
        let all = stream::iter((0..count).map(object));
        let all = all.map(|object| async move {
            self.strangers
                .create(&PostParams::default(), &object)
                .await
                .map(drop)
        });
        let all = all.buffer_unordered(16).try_collect::<()>().await;
        all.expect("they are created");
    }

    async fn ask(&self, value: &str) {
        let annotation = json!({"metadata": {"annotations": {REQUESTED_AT: value}}});
        self.world.patch("nightly", annotation).await;
    }

    /// How long a requested look takes.
    async fn request(&self) -> Duration {
        let (value, began) = (random(), Instant::now());
        self.ask(&value).await;
        let echoed = |object: &DocSpaceBackupSchedule| {
            let status = object.status.as_ref();
            status.and_then(|status| status.last_handled_reconcile_at.as_ref()) == Some(&value)
        };
        wait_for(&self.world.schedules(), "nightly", DEADLINE, echoed).await;
        began.elapsed()
    }
}

#[tokio::test]
async fn strangers_with_a_bogus_key_hold_up_no_owner() {
    // It took 25 s.
    const SOON: Duration = Duration::from_secs(10);
    let mut teams = Teams::new().await;
    teams
        .create("observer", 200, |object| {
            object.spec.management_policy = ManagementPolicy::Observe;
        })
        .await;
    teams.create("enforcer", 200, |_| {}).await;
    // At a start, all of them are looked at.
    teams.world.operator.stop().await;
    teams.world.operator.restart().await;
    let took = teams.request().await;
    assert!(took < SOON, "{took:?}");
    teams.world.ready("nightly").await;
    assert_eq!(teams.world.posts(), 1);
}

#[tokio::test]
async fn hanging_portals_of_one_team_hold_up_no_other() {
    /// Turns of one namespace, and looks that wait for their portal.
    const TURNS: usize = 40;
    const WAITING: usize = 64;
    let teams = Teams::new().await;
    let (server, _key) = World::another_server().await;
    server.order(Fault::hang());
    let url = server.url();
    let count = std::sync::atomic::AtomicUsize::new(0);
    teams
        .create("hanging", 300, |object| {
            // Each is a portal of its own.
            let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            object.spec.portal.url.clone_from(&url);
            object.spec.portal.host_header = Some(format!("portal-{n}.test"));
        })
        .await;
    let hanging = server
        .log()
        .wait_until(DEADLINE, |requests| requests.len() > TURNS)
        .await;
    hanging.expect("looks that hang");
    let took = teams.request().await;
    assert!(server.log().in_flight() > 0, "they still hang");
    assert!(took < DEADLINE / 3, "{took:?}");
    assert!(server.log().most_in_flight() <= TURNS + WAITING);
}

#[tokio::test]
async fn a_request_soon_after_another_one_waits() {
    const APART: Duration = Duration::from_secs(2);
    let teams = Teams::new().await;
    let before = teams.world.looks();
    teams.request().await;
    let began = Instant::now();
    for _ in 0..20 {
        teams.ask(&random()).await;
    }
    teams.request().await;
    let took = began.elapsed();
    assert!(took >= APART - Duration::from_millis(500), "{took:?}");
    let looks = teams.world.looks() - before;
    assert!(
        looks <= 2 + took.as_secs() / APART.as_secs(),
        "{looks} in {took:?}"
    );
}
