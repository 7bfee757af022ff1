//! The operators of a world.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use harness::{ApiFront, DEADLINE, KubeCall, KubeFault, Operator, control_plane};

use super::World;
use crate::row::Injected;

const OPERATOR: &str = env!("CARGO_BIN_EXE_docspace-backup-operator");
/// A quick election, so that a restart costs little time, but not so quick that a busy machine loses it.
const ELECTION: &str = "--leader-election --lease-duration 10s --renew-deadline 7s --retry-period 500ms";
/// A node starts an operator again after this time.
const RESTARTS_AFTER: Duration = Duration::from_millis(500);
/// An operator that stands by.
pub(super) struct Standby {
    front: ApiFront,
    operator: Operator,
    ended: Option<Instant>,
}

impl World {
    /// Starts the operator, and then the one that stands by.
    pub async fn start(&mut self) {
        let kubeconfig = self.kubeconfig.clone();
        self.operator = Some(self.start_as("first", &kubeconfig).await);
        if self.row.standby {
            // The faults are those of the leader.
            let leads = |world: &Self| world.front.has_done(KubeCall::ReplaceLease);
            self.until("the first leads", DEADLINE, leads).await;
            let plane = control_plane();
            let front = ApiFront::of(plane).await;
            let kubeconfig = front.kubeconfig(plane, &plane.kubeconfig_in(self.namespace.name()));
            self.standby = Some(Standby {
                operator: self.start_as("second", &kubeconfig).await,
                front,
                ended: None,
            });
        }
    }

    /// Through which the operators go.
    pub fn fronts(&self) -> impl Iterator<Item = &ApiFront> {
        let standby = self.standby.as_ref().map(|standby| &standby.front);
        std::iter::once(&self.front).chain(standby)
    }

    async fn start_as(&mut self, pod: &str, kubeconfig: &Path) -> Operator {
        let elected = ELECTION.split(' ').filter(|_| self.row.elected);
        let arguments: Vec<_> = elected.collect();
        self.starts.push(Instant::now());
        Operator::start_as(Some(pod), OPERATOR, kubeconfig, self.namespace.name(), &arguments).await
    }

    /// Kills the operator and starts it again.
    pub async fn kill(&mut self) {
        self.end().await;
        self.start_again().await;
    }

    /// The time passes in which DocSpace may carry out a lost write: no clock can be moved, so the status gets older, and a
    /// new process reads it.
    pub async fn ten_minutes_pass(&mut self) {
        self.end().await;
        self.age_the_lost_write().await;
        self.start_again().await;
    }

    async fn end(&mut self) {
        let operator = self.operator.as_mut().expect("it was started");
        if operator.has_ended().is_none() && operator.runs() {
            operator.kill().await;
        }
    }

    async fn start_again(&mut self) {
        self.ended = None;
        self.starts.push(Instant::now());
        self.may_write_again.push(Instant::now());
        let operator = self.operator.as_mut().expect("it was started");
        operator.restart().await;
    }

    /// Does what a node does: starts an operator again that has ended. And kills it, where the row says so.
    pub async fn tend(&mut self) {
        if self.row.kills() && self.hits().iter().any(|hits| *hits > 0) {
            self.killed += 1;
            self.kill().await;
            self.recover();
        }
        let starts = &mut self.starts;
        if let Some(operator) = &mut self.operator {
            restart_ended(operator, &mut self.ended, starts).await;
        }
        if let Some(standby) = &mut self.standby {
            restart_ended(&mut standby.operator, &mut standby.ended, starts).await;
        }
    }

    /// Ends all operators, with SIGTERM.
    pub async fn stop(&mut self) {
        let standby = self.standby.take().map(|standby| standby.operator);
        for mut operator in self.operator.take().into_iter().chain(standby) {
            if operator.has_ended().is_none() && operator.runs() {
                operator.stop().await;
            }
        }
    }

    /// What the standby does while the leader's Lease tells another clock, and nothing else fails.
    pub async fn stands_by(&mut self) {
        let leads = |world: &Self| {
            let standby = world.standby.as_ref().expect("such a row has one");
            standby.front.has_done(KubeCall::ReplaceLease)
        };
        match self.row.faults[..] {
            // It never led, and the leader went on.
            [Injected::Kube(_, KubeFault::ClockAhead(_))] => {
                let writes = self.fronts().skip(1).flat_map(ApiFront::asked);
                let writes = writes.filter(|asked| asked.call.is_write()).count();
                assert!(!leads(self) && writes == 0, "the standby leads\n{}", self.shown());
                assert_eq!(self.starts.len(), 2, "a process ended\n{}", self.shown());
            }
            // The Lease stays as it is, like that of a leader that is dead.
            [Injected::Kube(_, KubeFault::ClockStopped)] => {
                self.until("the standby takes over", DEADLINE, leads).await;
            }
            _ => {}
        }
    }
}

async fn restart_ended(operator: &mut Operator, ended: &mut Option<Instant>, starts: &mut Vec<Instant>) {
    if operator.has_ended().is_some() {
        *ended = Some(Instant::now());
    }
    if ended.is_some_and(|ended| ended.elapsed() >= RESTARTS_AFTER) {
        *ended = None;
        starts.push(Instant::now());
        operator.restart().await;
    }
}
