//! A row of the matrix: what fails, and when that begins. Everything else follows from it.

use std::{fmt, time::Duration};

use harness::{KubeCall, KubeFault};

use crate::portal::{PortalCall, PortalFault, left_out_at_stake};

/// Seconds; see [`Row::recovers_within`].
const USUALLY_RECOVERS_WITHIN: u64 = 110;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Injected {
    /// A request to the Kubernetes API.
    Kube(KubeCall, KubeFault),
    /// A call to the portal.
    Portal(PortalCall, PortalFault),
    /// The operator is killed at a write: after its effect, or before.
    Kill(Effect, bool),
}

/// A write of the story, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// To Kubernetes: finalizer, status, Event.
    Kube(usize),
    /// To the portal.
    Post(usize),
    /// To the portal, the only one.
    Delete,
}

/// When the fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// Before the operator starts and the object is created.
    Start,
    /// When the object is Ready.
    Ready,
    /// Before a backup is due.
    Night,
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
    /// What kind of portal it is.
    pub kind: Kind,
    /// Whether a second operator stands by, whose requests never fail.
    pub standby: bool,
    /// Whether a fault may hide the others, so that one that is met suffices.
    pub one_suffices: bool,
    /// Whether the user asks again where an object is stalled.
    pub helped: bool,
}

/// A kind of portal, for the calls that only some of them get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// On one's own server.
    #[default]
    Standalone,
    /// The same with a name of its own, so that the operator asks for its domain.
    Named,
    /// In the vendor's cloud, where backups are counted.
    Cloud,
    /// Over TLS.
    Tls,
    /// Somebody's schedule there keeps more archives than the manifest does.
    AtStake,
}

impl Kind {
    /// The kind of portal that gets a call.
    pub fn of(call: PortalCall) -> Self {
        match call {
            PortalCall::Connect => Self::Tls,
            PortalCall::BackupsCount | PortalCall::ServiceState => Self::Cloud,
            PortalCall::Portal => Self::Named,
            _ => Self::Standalone,
        }
    }
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
        // A list follows a watch whose version is too old.
        let watch = match fault {
            Injected::Kube(KubeCall::ListObjects, _) => Some(KubeCall::WatchObjects),
            Injected::Kube(KubeCall::ListSecrets, _) => Some(KubeCall::WatchSecrets),
            _ => None,
        };
        if let Some(watch) = watch.filter(|_| begins != Begins::Start) {
            faults.push(Injected::Kube(watch, KubeFault::Answer(410)));
        }
        Self {
            kind: Kind::default(),
            faults,
            begins,
            elected: calls(KubeCall::is_of_lease) || number.is_multiple_of(3),
            wiped: number.is_multiple_of(4),
            pages: calls(|call| {
                matches!(
                    call,
                    KubeCall::PageObjects | KubeCall::PageSecrets | KubeCall::NextSecrets
                )
            }),
            standby: matches!(
                fault,
                Injected::Kube(_, KubeFault::ClockAhead(_) | KubeFault::ClockStopped)
            ),
            one_suffices: false,
            helped: !number.is_multiple_of(5),
        }
    }

    /// In which nothing fails.
    pub fn without_a_fault() -> Self {
        Self {
            faults: Vec::new(),
            ..Self::of(Injected::Kill(Effect::Delete, true), Begins::Start, 1)
        }
    }

    /// With the faults of both at the same time; none if they do not go together.
    pub fn with(&self, other: &Self) -> Option<Self> {
        let (kind, same) = match (self.kind, other.kind) {
            (Kind::Standalone, kind) | (kind, Kind::Standalone) => (kind, true),
            (kind, of_other) => (kind, kind == of_other),
        };
        let is_of = |fault: &Injected| match fault {
            Injected::Kube(call, _) => Some((Some(*call), None)),
            Injected::Portal(call, _) => Some((None, Some(*call))),
            Injected::Kill(..) => None,
        };
        let apart = |fault: &Injected| {
            other
                .faults
                .iter()
                .all(|of_other| is_of(fault) != is_of(of_other))
        };
        // Such an answer of another portal must not meet archives at stake; and a write there waits for the user.
        let unfit = |fault: &Injected| match fault {
            Injected::Portal(PortalCall::Create, _) => true,
            Injected::Portal(call, fault) => left_out_at_stake(*call, *fault).is_some(),
            _ => false,
        };
        let mut all = self.faults.iter().chain(&other.faults);
        let fit = kind != Kind::AtStake || !all.any(unfit);
        let together = same && fit && self.begins == other.begins && self.faults.iter().all(apart);
        together.then(|| Self {
            faults: [self.faults.clone(), other.faults.clone()].concat(),
            begins: self.begins,
            elected: self.elected || other.elected,
            wiped: self.wiped || other.wiped,
            pages: self.pages || other.pages,
            kind,
            standby: self.standby || other.standby,
            one_suffices: true,
            helped: self.helped || other.helped,
        })
    }

    /// Whether the faults have met requests: all of them, or any.
    pub fn is_met(&self, hits: &[u64]) -> bool {
        let is_met = |hits: &u64| *hits > 0;
        if self.one_suffices {
            hits.iter().any(is_met)
        } else {
            !hits.is_empty() && hits.iter().all(is_met)
        }
    }

    /// Whether the operator is killed.
    pub fn kills(&self) -> bool {
        self.faults
            .iter()
            .any(|fault| matches!(fault, Injected::Kill(..)))
    }

    /// Whether changes of a watch come late, twice, or not at all.
    pub fn views(&self) -> bool {
        self.faults
            .iter()
            .any(|fault| matches!(fault, Injected::Kube(_, fault) if fault.is_of_changes()))
    }

    /// The requests to Kubernetes that fail.
    pub fn kube_calls(&self) -> impl Iterator<Item = KubeCall> {
        self.faults.iter().filter_map(|fault| match fault {
            Injected::Kube(call, _) => Some(*call),
            Injected::Portal(..) | Injected::Kill(..) => None,
        })
    }

    /// Whether changes of one object are merged.
    pub fn merges(&self) -> bool {
        self.faults
            .iter()
            .any(|fault| matches!(fault, Injected::Kube(_, KubeFault::Merged)))
    }

    /// Whether a fault needs that there is no Lease.
    pub fn creates_the_lease(&self) -> bool {
        let creates = |fault: &Injected| matches!(fault, Injected::Kube(KubeCall::CreateLease, _));
        self.faults.iter().any(creates)
    }

    /// How long the fault lasts, at least.
    pub fn lasts(&self) -> Duration {
        let lasts = self.faults.iter().map(|fault| match fault {
            Injected::Kube(_, fault) => kube_fault_lasts(*fault),
            Injected::Portal(call, fault) => fault.lasts(*call),
            Injected::Kill(..) => Duration::ZERO,
        });
        lasts.max().unwrap_or_default()
    }

    /// Within this time after its end, all is as the manifest says.
    pub fn recovers_within(&self) -> Duration {
        let within = self.faults.iter().map(|fault| match fault {
            // The operator takes a silent watch for dead after 295 s.
            Injected::Kube(_, KubeFault::Dead) => 330,
            // The portal has a minute to show what it accepted.
            Injected::Portal(_, PortalFault::Accepted) => 180,
            _ => USUALLY_RECOVERS_WITHIN,
        });
        let within = within.max().unwrap_or(USUALLY_RECOVERS_WITHIN);
        // The operator looks again at twice the interval, with a tenth of it by chance.
        Duration::from_secs(if self.helped {
            within
        } else {
            within.max(2 * 66 + 60)
        })
    }
}

/// Longer than the operator waits for the Kubernetes API (30 s), where nothing comes back.
fn kube_fault_lasts(fault: KubeFault) -> Duration {
    let seconds = match fault {
        KubeFault::BlackHole | KubeFault::Late => 33,
        KubeFault::Slow | KubeFault::HeldBack | KubeFault::Dropped | KubeFault::Merged => 6,
        // Longer than a lease.
        KubeFault::ClockAhead(_) | KubeFault::ClockStopped => 15,
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
                Injected::Kill(effect, true) => write!(f, "{and}killed after {effect}")?,
                Injected::Kill(effect, false) => write!(f, "{and}killed before {effect}")?,
            }
        }
        if self.kills() {
            return Ok(());
        }
        let begins = match self.begins {
            Begins::Start => "from the start",
            Begins::Ready => "when Ready",
            Begins::Night => "at night",
            Begins::Deletion => "at the deletion",
        };
        write!(f, ", {begins}")?;
        match self.kind {
            Kind::AtStake => f.write_str(", archives at stake"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kube(number) => write!(f, "write {number} to Kubernetes"),
            Self::Post(number) => write!(f, "POST {number}"),
            Self::Delete => f.write_str("the DELETE"),
        }
    }
}
