//! Patches that the Kubernetes API refuses for a while: what they were to tell is told later, and once.

use docspace_backup_operator::api::DeletionPolicy;
use harness::{ApiFront, DEADLINE, KubeCall, KubeFault, KubeFaultId, control_plane};
use tokio::time::timeout;

use crate::world::{Setup, World, ready_reason_is};

const ONE_API: &str = "only its own requests go through the front";

/// A world whose operator reaches the Kubernetes API through a front.
async fn behind_front() -> (World, ApiFront) {
    let plane = control_plane();
    let front = ApiFront::of(plane).await;
    let mut world = Setup::default().of_one_process(ONE_API).idle().await;
    let kubeconfig = front.kubeconfig(plane, world.operator.kubeconfig());
    world.operator.set_kubeconfig(kubeconfig);
    world.operator.start(&[]).await;
    (world, front)
}

/// Waits until a fault has met this many requests.
async fn met(front: &ApiFront, fault: &KubeFaultId, count: u64) {
    let met = async {
        while fault.hits() < count {
            front.changed().await;
        }
    };
    let met = timeout(DEADLINE, met).await;
    assert!(met.is_ok(), "the fault met {} of {count} requests", fault.hits());
}

#[tokio::test]
async fn what_a_changed_secret_led_to_is_told_soon() {
    // The next look at a healthy object comes long after the deadline.
    let (world, front) = behind_front().await;
    let world = world.ready_nightly().await;
    for status in [500, 404] {
        let fault = front.order(KubeCall::PatchStatus, KubeFault::Answer(status));
        world.set_key(&format!("sk-unknown-{status}")).await;
        met(&front, &fault, 1).await;
        front.end_faults();
        world
            .wait("nightly", |object| ready_reason_is(object, "Unauthorized"))
            .await;
        world.set_key(&world.key).await;
        world.ready("nightly").await;
    }
}

#[tokio::test]
async fn a_schedule_that_is_left_behind_counts_once() {
    let (world, front) = behind_front().await;
    let mut orphan = world.nightly();
    orphan.spec.deletion_policy = DeletionPolicy::Orphan;
    world.create(&orphan).await;
    world.ready("nightly").await;
    // An API server that starts does not know the CRD yet.
    let fault = front.order(KubeCall::PatchObject, KubeFault::Answer(404));
    world.delete("nightly").await;
    met(&front, &fault, 2).await;
    front.end_faults();
    world.gone("nightly").await;
    world.event("ScheduleLeftBehind").await;
    assert_eq!(
        (&*world.left_behind().await, world.lines_of_left_behind()),
        ("1", 1)
    );
    let events = world.all_events().await;
    let told = events
        .iter()
        .filter(|event| event.reason.as_deref() == Some("ScheduleLeftBehind"));
    assert_eq!(told.count(), 1);
}
