//! The Kubernetes side of the matrix: each request of the operator with each fault.

use harness::{KubeCall, KubeFault};

use crate::row::{Begins, Injected, Row};

/// The faults of every request, but for those that are left out.
const FAULTS: [KubeFault; 7] = [
    KubeFault::ResetBefore,
    KubeFault::ResetAfter,
    KubeFault::CutOff,
    KubeFault::Slow,
    KubeFault::BlackHole,
    KubeFault::Late,
    KubeFault::Dead,
];

/// When a request is made, and so when its fault may begin.
fn begins(call: KubeCall) -> &'static [Begins] {
    use Begins::{Deletion, Night, Ready, Start};
    match call {
        KubeCall::Discovery | KubeCall::PatchObject => &[Start, Deletion],
        KubeCall::PageObjects | KubeCall::PageSecrets | KubeCall::NextSecrets | KubeCall::CreateLease => {
            &[Start]
        }
        KubeCall::ListObjects => &[Start, Ready, Deletion],
        KubeCall::ListSecrets | KubeCall::WatchSecrets => &[Start, Ready],
        KubeCall::WatchObjects => &[Start, Ready, Night, Deletion],
        KubeCall::PatchStatus => &[Start, Ready, Night],
        KubeCall::GetSecret | KubeCall::CreateEvent | KubeCall::GetLease | KubeCall::ReplaceLease => {
            &[Start, Ready, Deletion]
        }
        KubeCall::GetObject => &[Ready],
    }
}

/// Why a fault of a request is no row.
pub fn left_out(call: KubeCall, fault: KubeFault) -> Option<&'static str> {
    let writes = call.is_write() || matches!(call, KubeCall::CreateLease | KubeCall::ReplaceLease);
    match fault {
        KubeFault::ResetAfter | KubeFault::Late if !writes => {
            Some("a read has no effect: before and after are the same")
        }
        KubeFault::Dead if !call.is_watch() => Some("only a watch stays open for good"),
        _ => None,
    }
}

fn faults() -> impl Iterator<Item = KubeFault> {
    KubeFault::STATUSES
        .into_iter()
        .map(KubeFault::Answer)
        .chain(FAULTS)
}

/// Each request with each fault, but for those that are left out.
pub fn pairs() -> impl Iterator<Item = (KubeCall, KubeFault)> {
    KubeCall::ALL
        .into_iter()
        .flat_map(|call| faults().map(move |fault| (call, fault)))
}

/// The rows.
pub fn rows() -> Vec<Row> {
    let pairs = pairs().filter(|(call, fault)| left_out(*call, *fault).is_none());
    let rows = pairs.flat_map(|(call, fault)| {
        let times = match fault {
            // It takes minutes.
            KubeFault::Dead => &[Begins::Start, Begins::Ready],
            _ => begins(call),
        };
        let fault = Injected::Kube(call, fault);
        times.iter().map(move |begins| (fault, *begins))
    });
    rows.enumerate()
        .map(|(number, (fault, begins))| Row::of(fault, begins, number))
        .collect()
}
