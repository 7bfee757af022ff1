//! What an operator may see late, twice, in another order or not at all; and where it may end.

use harness::{KubeCall, KubeFault};

use crate::row::{Begins, Effect, Injected, Row};

/// Views of one watch. The other one goes on, so that objects and Secrets are seen out of order.
const VIEWS: [KubeFault; 4] = [
    KubeFault::HeldBack,
    KubeFault::Dropped,
    KubeFault::Doubled,
    KubeFault::Merged,
];

/// What the leader's clock may show, as its Lease tells it. The clock of one process alone cannot be moved.
const CLOCKS: [KubeFault; 3] = [
    KubeFault::ClockAhead(3600),
    KubeFault::ClockAhead(-3600),
    KubeFault::ClockStopped,
];

/// The writes of the story to Kubernetes: the finalizer; a status and an Event for each of three writes to the portal; the
/// finalizer again, and an Event.
pub const KUBE_WRITES: usize = 9;
/// The POSTs of the story.
pub const POSTS: usize = 3;

/// Views of the watches, each alone and both at a time.
fn watches() -> Vec<Row> {
    use Begins::{Deletion, Ready, Start};
    let mut rows = Vec::new();
    for call in [KubeCall::WatchObjects, KubeCall::WatchSecrets] {
        for view in VIEWS {
            for begins in [Start, Ready, Deletion] {
                // A deletion concerns no Secret.
                if (call, begins) != (KubeCall::WatchSecrets, Deletion) {
                    rows.push(Row::of(Injected::Kube(call, view), begins, rows.len()));
                }
            }
        }
    }
    for objects in VIEWS {
        for secrets in VIEWS {
            let mut row = Row::of(Injected::Kube(KubeCall::WatchObjects, objects), Ready, rows.len());
            row.faults.push(Injected::Kube(KubeCall::WatchSecrets, secrets));
            rows.push(row);
        }
    }
    rows
}

/// The leader's clock, beside another candidate.
fn clocks() -> Vec<Row> {
    let rows = CLOCKS.into_iter().enumerate().map(|(number, clock)| {
        let fault = Injected::Kube(KubeCall::ReplaceLease, clock);
        Row::of(fault, Begins::Ready, number)
    });
    rows.collect()
}

/// A kill before and after each write.
fn kills() -> Vec<Row> {
    let kube = (0..KUBE_WRITES).map(Effect::Kube);
    let effects: Vec<_> = kube
        .chain((0..POSTS).map(Effect::Post))
        .chain([Effect::Delete])
        .collect();
    let both = effects
        .into_iter()
        .flat_map(|effect| [(effect, false), (effect, true)]);
    both.enumerate()
        .map(|(number, (effect, after))| Row::of(Injected::Kill(effect, after), Begins::Start, number))
        .collect()
}

/// The rows.
pub fn rows() -> Vec<Row> {
    [watches(), clocks(), kills()].concat()
}
