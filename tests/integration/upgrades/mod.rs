//! An operator of another version takes over objects and the Lease: no write to a portal, and nothing told twice.
//!
//! `make upgrade` does it with two programs: an earlier one, the present one, and the earlier one again. On the way it can
//! record what the earlier one wrote (`make upgrade RECORD=1`), and the present program takes over these recordings in
//! every run of `make test`.

mod handover;
mod recorded;
mod seen;
mod stage;

use std::{env, path::PathBuf, process::Command, time::Instant};

use harness::{ControlPlane, Operator};

use self::{
    handover::Replica,
    seen::{Seen, ask, looked_at},
    stage::{Stage, TABLE},
};
use crate::world::OPERATOR;

/// The program of the earlier version; `tests/programs/earlier-operator/build` builds it.
const EARLIER: &str = "DOCSPACE_EARLIER_OPERATOR";

/// The CRD as a program prints it.
fn apply_crd_of(program: &str, plane: &ControlPlane) {
    let crd = Command::new(program).arg("crd").output().expect("it runs");
    let crd = String::from_utf8(crd.stdout).expect("it prints text");
    plane.kubectl_ok(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &crd);
}

/// Events that the earlier operator repeats after each start.
const REPEATED: [&str; 1] = ["ClockSkew"];

/// Expects that the present operator has taken over everything as it was.
async fn is_as_before(stage: &Stage, before: &Seen, objects: &[&str], since: Instant) {
    looked_at(stage, objects, since).await;
    before.is_still_so(stage, objects, &[]).await;
}

#[tokio::test]
#[ignore = "needs the earlier program; make upgrade"]
async fn an_earlier_operator_and_the_present_one_take_over_from_each_other() {
    let earlier = env::var(EARLIER).unwrap_or_else(|_| panic!("{EARLIER} is not set; make upgrade sets it"));
    let plane = ControlPlane::own().await;
    apply_crd_of(&earlier, &plane);
    let stage = Stage::on(&plane).await;
    let objects: Vec<_> = TABLE.iter().map(|(name, _)| *name).collect();
    let replica = |pod, program: &str| Replica {
        pod,
        program: PathBuf::from(program),
    };

    let first = replica("earlier-0", &earlier).begins(&stage).await;
    stage.play().await;
    // What only a request finds out is known before the handover.
    let but_lost: Vec<_> = objects.iter().copied().filter(|name| *name != "lost").collect();
    looked_at(&stage, &but_lost, Instant::now()).await;
    stage.lose_a_write("lost").await;
    stage.leave("leaving").await;
    stage.is_settled().await;
    if env::var_os(recorded::RECORD).is_some() {
        recorded::record(&stage).await;
    }
    let before = Seen::now(&stage).await;

    plane.apply_crd();
    let (second, since) = replica("present-0", OPERATOR).takes_over(first, &stage).await;
    is_as_before(&stage, &before, &objects, since).await;
    begun_by_the_one_is_ended_by_the_other(&stage, "lost", "leaving").await;

    let objects: Vec<_> = objects.into_iter().filter(|name| *name != "leaving").collect();
    stage.change_nightly().await;
    looked_at(&stage, &objects, Instant::now()).await;
    stage.lose_a_write("later-lost").await;
    stage.leave("later-leaving").await;
    let before = Seen::now(&stage).await;

    apply_crd_of(&earlier, &plane);
    let (third, since) = replica("earlier-1", &earlier).takes_over(second, &stage).await;
    looked_at(&stage, &objects, since).await;
    before.is_still_so(&stage, &objects, &REPEATED).await;
    begun_by_the_one_is_ended_by_the_other(&stage, "later-lost", "later-leaving").await;
    drop::<Operator>(third);
}

/// What an earlier operator wrote, with its Lease, which it did not give up.
#[tokio::test]
async fn recorded_objects_are_taken_over_as_they_were() {
    let stage = Stage::of_one_process().await;
    recorded::restore(&stage).await;
    let before = Seen::now(&stage).await;
    let objects: Vec<_> = TABLE.iter().map(|(name, _)| *name).collect();
    let replica = Replica {
        pod: "present-0",
        program: OPERATOR.into(),
    };
    let since = Instant::now();
    let operator = replica.begins(&stage).await;
    is_as_before(&stage, &before, &objects, since).await;
    begun_by_the_one_is_ended_by_the_other(&stage, "lost", "leaving").await;
    drop::<Operator>(operator);
}

/// Lets the portals of these answer again: a write without an answer, which the portal carried out, and a deletion that
/// waits for its portal.
async fn begun_by_the_one_is_ended_by_the_other(stage: &Stage, lost: &str, leaving: &str) {
    let writes = stage.writes(lost);
    stage.reach(lost);
    let world = &stage.world;
    ask(world, lost).await;
    world.ready(lost).await;
    assert_eq!(stage.writes(lost), writes, "{lost} was carried out");

    let writes = stage.writes(leaving);
    stage.reach(leaving);
    world.gone(leaving).await;
    assert_eq!(stage.writes(leaving), writes + 1, "the deletion of {leaving}");
    assert_eq!(stage.portal(leaving).schedule(false), None);
}
