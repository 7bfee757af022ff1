//! A row of the matrix: what fails, and when that begins. Everything else follows from it.

use std::{fmt, time::Duration};

use harness::{KubeCall, KubeFault};

use crate::portal::{PortalCall, PortalFault};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Injected {
    /// A request to the Kubernetes API.
    Kube(KubeCall, KubeFault),
    /// A call to the portal.
    Portal(PortalCall, PortalFault),
}

/// When the fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// Before the operator starts and the object is created.
    Start,
    /// When the object is Ready.
    Ready,
    /// Before the object is deleted.
    Deletion,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What fails at the same time.
    pub faults: Vec<Injected>,
    /// From when on.
    pub begins: Begins,
    /// Whether the operator takes part in a leader election, as the chart has it.
    pub elected: bool,
    /// Whether the user's status is removed while the fault lasts, as by a restore.
    pub wiped: bool,
    /// Whether the API server refuses to stream lists.
    pub pages: bool,
}

impl Row {
    /// With one fault. The rest of the row follows from its number.
    pub fn of(fault: Injected, begins: Begins, number: usize) -> Self {
        let calls = |wanted: fn(KubeCall) -> bool| matches!(fault, Injected::Kube(call, _) if wanted(call));
        let mut faults = vec![fault];
        // It is read only after a patch was refused.
        if calls(|call| call == KubeCall::GetObject) {
            faults.push(Injected::Kube(KubeCall::PatchStatus, KubeFault::Answer(422)));
        }
        Self {
            faults,
            begins,
            elected: calls(KubeCall::is_of_lease) || number.is_multiple_of(3),
            wiped: number.is_multiple_of(4),
            pages: calls(|call| matches!(call, KubeCall::PageObjects | KubeCall::PageSecrets)),
        }
    }

    /// Whether the faults have met requests: the first one; of a pair, one may hide the other.
    pub fn is_met(&self, hits: &[u64]) -> bool {
        hits.first().is_some_and(|hits| *hits > 0)
    }

    /// How long the fault lasts, at least.
    pub fn lasts(&self) -> Duration {
        let lasts = self.faults.iter().map(|fault| match fault {
            Injected::Kube(_, fault) => kube_fault_lasts(*fault),
            Injected::Portal(call, fault) => fault.lasts(*call),
        });
        lasts.max().unwrap_or_default()
    }

    /// Within this time after its end, all is as the manifest says.
    pub fn recovers_within(&self) -> Duration {
        let dead = |fault: &Injected| matches!(fault, Injected::Kube(_, KubeFault::Dead));
        match self.faults.iter().any(dead) {
            // The operator takes a silent watch for dead after 295 s.
            true => Duration::from_secs(330),
            false => Duration::from_secs(100),
        }
    }
}

/// Longer than the operator waits for the Kubernetes API (30 s), where nothing comes back.
fn kube_fault_lasts(fault: KubeFault) -> Duration {
    let seconds = match fault {
        KubeFault::BlackHole | KubeFault::Late => 33,
        KubeFault::Slow => 6,
        _ => 4,
    };
    Duration::from_secs(seconds)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            let and = if at == 0 { "" } else { " + " };
            match fault {
                Injected::Kube(call, fault) => write!(f, "{and}{call}: {fault}")?,
                Injected::Portal(call, fault) => write!(f, "{and}{call}: {fault}")?,
            }
        }
        let begins = match self.begins {
            Begins::Start => "from the start",
            Begins::Ready => "when Ready",
            Begins::Deletion => "at the deletion",
        };
        write!(f, ", {begins}")
    }
}
