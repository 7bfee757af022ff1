//! Leader election: of several operators one writes, and whatever befalls it, never two at a time.

use std::time::Duration;

use harness::{DEADLINE, Namespace, Operator, Proxy, control_plane, wait_for};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::json;
use simulated_portal::Fault;
use tokio::process::Command;

use crate::world::{OPERATOR, World, every_day};

const DURATION: Duration = Duration::from_secs(5);
const RENEW_DEADLINE: Duration = Duration::from_secs(3);

/// A Lease of one test's own, and the flags that lead to it.
struct Election {
    leases: Api<Lease>,
    name: String,
    flags: Vec<String>,
}

impl Election {
    /// The Lease is there, and given up: the first that comes leads at once.
    async fn new() -> Self {
        Self::held_by("", Timestamp::now()).await
    }

    /// The Lease is held, and by its holder's clock was renewed at this time.
    async fn held_by(holder: &str, renewed: Timestamp) -> Self {
        let name = format!("lease-{:016x}", fastrand::u64(..));
        let leases = Api::namespaced(control_plane().client().await, "default");
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.into()),
                lease_duration_seconds: Some(DURATION.as_secs() as i32),
                renew_time: Some(MicroTime(renewed)),
                ..LeaseSpec::default()
            }),
        };
        leases
            .create(&PostParams::default(), &lease)
            .await
            .expect("the Lease is created");
        let flags = format!(
            "--leader-election --lease-namespace default --lease-name {name} --lease-duration 5s --renew-deadline 3s \
             --retry-period 500ms"
        );
        Self {
            leases,
            name,
            flags: flags.split(' ').map(Into::into).collect(),
        }
    }

    fn flags(&self) -> Vec<&str> {
        self.flags.iter().map(String::as_str).collect()
    }

    /// Waits until another than this one leads; gives who that is, and since when.
    async fn leader_after(&self, before: &str) -> (String, Timestamp) {
        let holder = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
        let other =
            |lease: &Lease| holder(lease).is_some_and(|holder| !holder.is_empty() && holder != before);
        let lease = wait_for(&self.leases, &self.name, DEADLINE, other).await;
        let since = lease.spec.as_ref().and_then(|spec| spec.acquire_time.clone());
        (
            holder(&lease).expect("a holder"),
            since.expect("a time when it began").0,
        )
    }

    /// A world whose operator leads; gives its identity, too.
    async fn world(&self) -> (World, String) {
        let world = World::with_arguments(&self.flags()).await;
        let (leader, _) = self.leader_after("").await;
        (world, leader)
    }

    /// A further operator in this world.
    async fn another(&self, world: &World, flags: &[&str]) -> Operator {
        let flags = [&self.flags(), flags].concat();
        Operator::start(
            OPERATOR,
            &control_plane().kubeconfig(),
            world.namespace.name(),
            &flags,
        )
        .await
    }
}

/// Expects that each write to the portal ended before the next one began.
fn writes_do_not_overlap(world: &World) {
    let log = world.server.log();
    assert_eq!(log.most_at_once(|request| request.method != "GET"), 1);
}

/// How long after this time the first of these calls came, by the wall clock.
fn first_call_after(world: &World, calls: u64, time: Timestamp) -> SignedDuration {
    let log = world.server.log().requests();
    let call = log
        .iter()
        .find(|request| request.number > calls)
        .expect("a further call");
    let came = Timestamp::now() - SignedDuration::try_from(call.started.elapsed()).expect("seconds");
    came.duration_since(time)
}

#[tokio::test]
async fn times_that_do_not_go_together_end_it_with_a_message() {
    for (flags, named) in [
        (["--renew-deadline", "14s"], "--lease-duration"),
        (["--retry-period", "10s"], "--renew-deadline"),
        (["--retry-period", "0s"], "--retry-period"),
    ] {
        let output = Command::new(OPERATOR)
            .args(["run", "--leader-election"])
            .args(flags)
            .output()
            .await
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.starts_with(&format!("docspace-backup-operator: {named}")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn one_leads_and_the_other_does_nothing_until_it_does() {
    let election = Election::new().await;
    let (mut world, leader) = election.world().await;
    // Were it to look at an object, it would say OriginNotAllowed.
    let mut other = election
        .another(&world, &["--allowed-origin", "https://elsewhere.example.com"])
        .await;
    world.create(&world.nightly()).await;
    for _ in 0..5 {
        world.ready("nightly").await;
        world.request("nightly").await;
    }
    assert_eq!(election.leader_after("").await.0, leader);
    assert_eq!(world.events("OriginNotAllowed").await, 0);
    world.operator.stop().await;
    election.leader_after(&leader).await;
    world.touch_secret().await;
    world.stalled("nightly", "OriginNotAllowed").await;
    other.stop().await;
}

#[tokio::test]
async fn sigterm_hands_over_at_once_and_without_a_second_post() {
    let election = Election::new().await;
    let (mut world, leader) = election.world().await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let mut other = election.another(&world, &[]).await;
    world.operator.stop().await;
    let (calls, stopped) = (world.calls(), Timestamp::now());
    let (_, since) = election.leader_after(&leader).await;
    assert!(
        since.duration_since(stopped) < DURATION.try_into().expect("seconds"),
        "{since}"
    );
    world.request("nightly").await;
    let waited = first_call_after(&world, calls, since);
    assert!(
        waited < RENEW_DEADLINE.try_into().expect("seconds"),
        "{waited:?}: the lease had been given up"
    );
    assert_eq!(world.posts(), 1);
    writes_do_not_overlap(&world);
    other.stop().await;
}

#[tokio::test]
async fn sigterm_in_a_write_gives_the_lease_up_after_it() {
    let election = Election::new().await;
    let (mut world, leader) = election.world().await;
    let mut other = election.another(&world, &[]).await;
    let post = world.server.order(Fault::hang().to("createbackupschedule"));
    world.create(&world.nightly()).await;
    world.seen_call("createbackupschedule").await;
    let stopped = Timestamp::now();
    world.operator.signal("TERM").await;
    wait_for(&election.leases, &election.name, DEADLINE, |lease| {
        let spec = lease.spec.clone().unwrap_or_default();
        assert_eq!(spec.holder_identity.as_ref(), Some(&leader), "while it writes");
        spec.renew_time.is_some_and(|renewed| renewed.0 > stopped)
    })
    .await;
    world.server.clear_fault(post);
    assert_eq!(world.operator.wait(DEADLINE).await.code(), Some(0));
    election.leader_after(&leader).await;
    world.request("nightly").await;
    assert_eq!(world.posts(), 1);
    writes_do_not_overlap(&world);
    other.stop().await;
}

#[tokio::test]
async fn a_leader_killed_in_a_write_is_followed_when_its_lease_and_its_write_have_ended() {
    let election = Election::new().await;
    let (mut world, leader) = election.world().await;
    let mut other = election.another(&world, &[]).await;
    let post = world.server.order(Fault::hang().to("createbackupschedule"));
    world.create(&world.nightly()).await;
    world.seen_call("createbackupschedule").await;
    world.operator.kill().await;
    world.server.clear_fault(post);
    let calls = world.calls();
    let (_, since) = election.leader_after(&leader).await;
    world.ready("nightly").await;
    let waited = first_call_after(&world, calls, since);
    // The clocks of the two processes' logs may be read a moment apart.
    let at_least = RENEW_DEADLINE.saturating_sub(Duration::from_millis(50));
    assert!(waited >= at_least.try_into().expect("seconds"), "{waited:?}");
    assert_eq!(world.posts(), 1);
    writes_do_not_overlap(&world);
    other.stop().await;
}

#[tokio::test]
async fn a_leader_that_was_frozen_ends_without_another_write() {
    let election = Election::new().await;
    let (mut world, leader) = election.world().await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    // It is about to write: while it is frozen, it is told that the schedule is still there to be deleted.
    let look = world.server.order(Fault::hang().to("getbackupschedule").times(1));
    world.delete("nightly").await;
    world
        .seen(|requests| {
            requests
                .last()
                .is_some_and(|request| request.is_to("getbackupschedule") && request.ended.is_none())
        })
        .await;
    world.operator.signal("STOP").await;
    world.server.clear_fault(look);
    let mut other = election.another(&world, &[]).await;
    let (next, _) = election.leader_after(&leader).await;
    world.gone("nightly").await;
    let (calls, events) = (world.calls(), world.all_events().await.len());

    world.operator.signal("CONT").await;
    assert_eq!(world.operator.wait(DEADLINE).await.code(), Some(1));
    let log = world.operator.log();
    assert!(log.contains("the lease was not renewed for"), "{log}");
    assert_eq!(
        (world.deletes(), world.calls(), world.all_events().await.len()),
        (1, calls, events)
    );
    writes_do_not_overlap(&world);
    assert_eq!(election.leader_after("").await.0, next);
    other.stop().await;
}

#[tokio::test]
async fn a_leader_that_is_cut_off_ends_before_another_one_begins() {
    let plane = control_plane();
    let proxy = Proxy::to(plane.address()).await;
    let election = Election::new().await;
    let mut world = World::new().await;
    world.operator.kill().await;
    world.operator = Operator::start(
        OPERATOR,
        &plane.kubeconfig_by(proxy.address()),
        world.namespace.name(),
        &election.flags(),
    )
    .await;
    let (leader, _) = election.leader_after("").await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let mut other = election.another(&world, &[]).await;

    proxy.cut();
    world.somebody_sets_hour(9);
    assert_eq!(world.operator.wait(DEADLINE).await.code(), Some(1));
    let calls = world.calls();
    let (_, since) = election.leader_after(&leader).await;
    world.request("nightly").await;
    let waited = first_call_after(&world, calls, since);
    assert!(
        waited >= SignedDuration::from_millis(2950),
        "{waited:?}: the first may have been writing"
    );
    assert_eq!((world.posts(), world.cron()), (2, Some(every_day(3))));
    writes_do_not_overlap(&world);
    other.stop().await;
}

#[tokio::test]
async fn a_leader_whose_lease_is_taken_or_deleted_ends() {
    for (stolen, said) in [
        (true, "the lease went to somebody"),
        (false, "the Lease was deleted"),
    ] {
        let election = Election::new().await;
        let (mut world, _) = election.world().await;
        let (leases, name) = (&election.leases, &election.name);
        if stolen {
            let patch = Patch::Merge(json!({"spec": {"holderIdentity": "somebody"}}));
            let patched = leases.patch(name, &PatchParams::default(), &patch).await;
            patched.map(drop).expect("the Lease is patched");
        } else {
            let deleted = leases.delete(name, &DeleteParams::default()).await;
            deleted.map(drop).expect("the Lease is deleted");
        }
        assert_eq!(world.operator.wait(DEADLINE).await.code(), Some(1));
        let log = world.operator.log();
        assert!(log.contains(said), "{log}");
    }
}

#[tokio::test]
async fn a_holder_whose_clock_is_wrong_keeps_its_lease_for_as_long_as_it_says() {
    for hours in [-1, 1] {
        let renewed = Timestamp::now() + SignedDuration::from_hours(hours);
        let election = Election::held_by("somebody", renewed).await;
        let namespace = Namespace::create(&control_plane().client().await).await;
        let started = Timestamp::now();
        let mut operator = Operator::start(
            OPERATOR,
            &control_plane().kubeconfig(),
            namespace.name(),
            &election.flags(),
        )
        .await;
        let (_, since) = election.leader_after("somebody").await;
        let waited = since.duration_since(started);
        assert!(
            waited >= DURATION.try_into().expect("seconds"),
            "{hours} h: {waited:?}"
        );
        operator.stop().await;
    }
}
