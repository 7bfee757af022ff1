//! Leader election: one of several operators writes, and never two at a time, whatever happens to the leader.

use std::time::Duration;

use harness::{DEADLINE, Operator, Proxy, control_plane, wait_for};
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
use simulated_portal::{Fault, Request};
use tokio::{process::Command, time::timeout};

use crate::world::{OPERATOR, Setup, World, every_day, is_ready, replicas::ELECTION, rights::ACCOUNT};

const DURATION: Duration = Duration::from_secs(5);
const RENEW_DEADLINE: Duration = Duration::from_secs(3);

/// The Lease of a world.
struct Election {
    leases: Api<Lease>,
}

impl Election {
    /// A world with nobody in it yet. The Lease is there, and given up: the first that comes leads at once.
    async fn new() -> (World, Self) {
        Self::held_by("", Timestamp::now()).await
    }

    /// The same; the Lease is held, and by its holder's clock was renewed at this time.
    async fn held_by(holder: &str, renewed: Timestamp) -> (World, Self) {
        let world = Setup::default().idle().await;
        let leases = Api::namespaced(world.client.clone(), world.namespace.name());
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(ACCOUNT.into()),
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
        (world, Self { leases })
    }

    /// Waits until another than this one leads; gives who that is, and since when.
    async fn leader_after(&self, before: &str) -> (String, Timestamp) {
        let holder = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
        let other =
            |lease: &Lease| holder(lease).is_some_and(|holder| !holder.is_empty() && holder != before);
        let lease = wait_for(&self.leases, ACCOUNT, DEADLINE, other).await;
        let since = lease.spec.as_ref().and_then(|spec| spec.acquire_time.clone());
        (
            holder(&lease).expect("a holder"),
            since.expect("a time when it began").0,
        )
    }
}

fn flags() -> Vec<&'static str> {
    ELECTION.split(' ').collect()
}

/// A world whose operator leads; gives its identity, too.
async fn led() -> (World, Election, String) {
    let (mut world, election) = Election::new().await;
    world.operator.start(&flags()).await;
    let (leader, _) = election.leader_after("").await;
    (world, election, leader)
}

/// The same with a second operator; the first is in the middle of a write, which ends when its fault is cleared.
async fn in_a_write() -> (World, Election, String, Operator, simulated_portal::FaultId) {
    let (world, election, leader) = led().await;
    let other = world.operator.another(&flags()).await;
    let post = world.server.order(Fault::hang().to("createbackupschedule"));
    world.create(&world.nightly()).await;
    world.seen_call("createbackupschedule").await;
    (world, election, leader, other, post)
}

/// Expects that each write to the portal ended before the next one began.
fn writes_do_not_overlap(world: &World) {
    let log = world.server.log();
    assert_eq!(log.most_at_once(Request::is_write), 1);
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
    let (mut world, election, leader) = led().await;
    // Were it to look at an object, it would say OriginNotAllowed.
    let elsewhere = ["--allowed-origin", "https://elsewhere.example.com"];
    let mut other = world.operator.another(&[&flags()[..], &elsewhere].concat()).await;
    world.create(&world.nightly()).await;
    for _ in 0..5 {
        world.ready("nightly").await;
        world.request("nightly").await;
    }
    assert_eq!(election.leader_after("").await.0, leader);
    assert_eq!(world.events("OriginNotAllowed").await, 0);
    world.operator.stop().await;
    election.leader_after(&leader).await;
    world.request("nightly").await;
    world.stalled("nightly", "OriginNotAllowed").await;
    other.stop().await;
}

#[tokio::test]
async fn sigterm_hands_over_at_once_and_without_a_second_post() {
    let (mut world, election, leader) = led().await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let mut other = world.operator.another(&flags()).await;
    world.operator.stop().await;
    let (next, _) = election.leader_after(&leader).await;
    world.request("nightly").await;
    // One log for both.
    let log = other.log();
    let leads = |line: &&str| line.contains("leading; writes begin") && line.contains(&next);
    let leads = log.lines().find(leads).expect("it tells that it leads");
    assert!(leads.contains("wait=0ns"), "the lease was not given up: {leads}");
    assert_eq!(world.posts(), 1);
    writes_do_not_overlap(&world);
    other.stop().await;
}

#[tokio::test]
async fn sigterm_in_a_write_gives_the_lease_up_after_it() {
    let (mut world, election, leader, mut other, post) = in_a_write().await;
    let stopped = Timestamp::now();
    world.operator.only_mut().signal("TERM").await;
    wait_for(&election.leases, ACCOUNT, DEADLINE, |lease| {
        let spec = lease.spec.clone().unwrap_or_default();
        assert_eq!(spec.holder_identity.as_ref(), Some(&leader), "while it writes");
        spec.renew_time.is_some_and(|renewed| renewed.0 > stopped)
    })
    .await;
    world.server.clear_fault(post);
    assert_eq!(world.operator.only_mut().wait(DEADLINE).await.code(), Some(0));
    election.leader_after(&leader).await;
    world.request("nightly").await;
    assert_eq!(world.posts(), 1);
    writes_do_not_overlap(&world);
    other.stop().await;
}

#[tokio::test]
async fn a_leader_killed_in_a_write_is_followed_when_its_lease_and_its_write_have_ended() {
    let (mut world, election, leader, mut other, post) = in_a_write().await;
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
    let (mut world, election, leader) = led().await;
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
    world.operator.only_mut().signal("STOP").await;
    world.server.clear_fault(look);
    let mut other = world.operator.another(&flags()).await;
    let (next, _) = election.leader_after(&leader).await;
    world.gone("nightly").await;
    // The last thing that the other one says.
    world.event("ScheduleDeleted").await;
    let (calls, events) = (world.calls(), world.all_events().await.len());

    world.operator.only_mut().signal("CONT").await;
    assert_eq!(world.operator.only_mut().wait(DEADLINE).await.code(), Some(1));
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
    let (mut world, election) = Election::new().await;
    let direct = world.operator.kubeconfig().to_owned();
    let by_proxy = plane.kubeconfig_by(&direct, proxy.address());
    world.operator.set_kubeconfig(by_proxy);
    world.operator.start(&flags()).await;
    world.operator.set_kubeconfig(direct);
    let (leader, _) = election.leader_after("").await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    let mut other = world.operator.another(&flags()).await;

    proxy.cut();
    world.somebody_sets_hour(9);
    assert_eq!(world.operator.only_mut().wait(DEADLINE).await.code(), Some(1));
    let calls = world.calls();
    let (_, since) = election.leader_after(&leader).await;
    world.request("nightly").await;
    world
        .seen(|requests| requests.iter().filter(|request| request.is_write()).count() == 2)
        .await;
    let waited = first_call_after(&world, calls, since);
    assert!(
        waited >= SignedDuration::from_millis(2950),
        "{waited:?}: the first may have been writing"
    );
    assert_eq!((world.posts(), world.cron()), (2, Some(every_day(3))));
    writes_do_not_overlap(&world);
    other.stop().await;
}

/// Else it would put back a schedule whose object is gone.
#[tokio::test]
async fn a_standby_whose_watch_hangs_lists_anew_before_it_writes() {
    let plane = control_plane();
    let proxy = Proxy::to(plane.address()).await;
    let (mut world, election, leader) = led().await;
    let by_proxy = plane.kubeconfig_by(world.operator.kubeconfig(), proxy.address());
    world.operator.set_kubeconfig(by_proxy);
    let mut other = world.operator.another(&flags()).await;
    world.create(&world.nightly()).await;
    world.ready("nightly").await;
    world.set_key("sk-bogus-0000").await;
    world.stalled("nightly", "Unauthorized").await;
    let is_stalled = |line: &str| line.starts_with("docspace_backup_stalled{") && !line.ends_with(" 0");
    let shown = async {
        while !other.get("/metrics").await.1.lines().any(is_stalled) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, shown).await.expect("it watches");

    proxy.cut_present();
    world.set_key(&world.key).await;
    world.ready("nightly").await;
    world.delete("nightly").await;
    world.gone("nightly").await;
    world.operator.stop().await;
    election.leader_after(&leader).await;
    let mut witness = world.named("witness");
    witness.spec.dump = true;
    world.create(&witness).await;
    // A request that hangs is given up after 30 seconds.
    wait_for(&world.schedules(), "witness", 3 * DEADLINE, is_ready).await;
    assert_eq!((world.posts(), world.cron()), (2, None));
    other.stop().await;
}

#[tokio::test]
async fn a_leader_whose_lease_is_taken_or_deleted_ends() {
    for (stolen, said) in [
        (true, "the lease went to somebody"),
        (false, "the Lease was deleted"),
    ] {
        let (mut world, election, _) = led().await;
        let leases = &election.leases;
        if stolen {
            let patch = Patch::Merge(json!({"spec": {"holderIdentity": "somebody"}}));
            let patched = leases.patch(ACCOUNT, &PatchParams::default(), &patch).await;
            patched.map(drop).expect("the Lease is patched");
        } else {
            let deleted = leases.delete(ACCOUNT, &DeleteParams::default()).await;
            deleted.map(drop).expect("the Lease is deleted");
        }
        assert_eq!(world.operator.only_mut().wait(DEADLINE).await.code(), Some(1));
        let log = world.operator.log();
        assert!(log.contains(said), "{log}");
    }
}

#[tokio::test]
async fn a_holder_whose_clock_is_wrong_keeps_its_lease_for_as_long_as_it_says() {
    for hours in [-1, 1] {
        let renewed = Timestamp::now() + SignedDuration::from_hours(hours);
        let (mut world, election) = Election::held_by("somebody", renewed).await;
        let started = Timestamp::now();
        world.operator.start(&flags()).await;
        let (_, since) = election.leader_after("somebody").await;
        let waited = since.duration_since(started);
        assert!(
            waited >= DURATION.try_into().expect("seconds"),
            "{hours} h: {waited:?}"
        );
        world.operator.stop().await;
    }
}
