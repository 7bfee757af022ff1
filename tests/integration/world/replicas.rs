//! Two operators whose leader is stopped or killed repeatedly.
//!
//! SIGTERM is sent at any call. SIGKILL is sent during a check of the portal: a completed but unreported write would be
//! lost with the process, and tests expect the report. The tests in `leader` and `single_post` kill it during a write. On a
//! busy machine a leader may fail to renew its Lease in time, and end by itself; it is started again, as by its node.

use std::{
    env,
    fs::OpenOptions,
    io::Write,
    path::Path,
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use harness::{DEADLINE, Operator, control_plane, wait_for};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use simulated_portal::{Fault, FaultId, Request, SimulatedPortal};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{OPERATOR, rights::ACCOUNT};

/// If this variable is set, every world has two operators, except worlds that need one process.
pub const REPLICAS: &str = "DOCSPACE_TEST_REPLICAS";
/// File in the control plane's folder with a line for each world, each write to its portal and each ended leader.
pub const TALLY: &str = "replicas";
/// Flags for a quick election.
pub const ELECTION: &str = "--leader-election --lease-duration 5s --renew-deadline 3s --retry-period 500ms";
/// The next leader waits this long after one that did not release its Lease.
const RENEW_DEADLINE: Duration = Duration::from_secs(3);
/// The number of calls to the portal after which a leader is ended; each turn uses one of these. A new object takes six
/// calls, and a check with the longest audit trail of these tests 13, so some leaders finish it. Some make two checks, which
/// prove that a backup is missing.
const CALLS: [usize; 6] = [5, 9, 2, 40, 4, 40];
/// A leader that makes fewer calls is ended this long after its writes begin. Two checks of one process, ten seconds apart,
/// prove a drift, and a busy machine needs some seconds for each.
const PACE: Duration = Duration::from_secs(20);
/// One of this many leaders is killed.
const KILLED: u64 = 5;
/// A pause without calls.
const QUIET: Duration = Duration::from_millis(200);

/// Whether a world has two operators; records the answer.
pub fn wanted(one_process: Option<&str>) -> bool {
    if env::var_os(REPLICAS).is_none() {
        return false;
    }
    match one_process {
        Some(why) => tally(&format!("one: {why}")),
        None => tally("two"),
    }
    one_process.is_none()
}

/// Records a line that the test in `replicas` counts.
pub fn tally(line: &str) {
    let path = control_plane().folder().join(TALLY);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("the folder is writable");
    file.write_all(format!("{line}\n").as_bytes())
        .expect("a line is written");
}

/// Two operators, and the task that ends the leader.
pub struct Replicas {
    end: End,
    /// Set while no task owns them.
    operators: Option<[Operator; 2]>,
    task: Option<(CancellationToken, JoinHandle<[Operator; 2]>)>,
}

/// The state of the task that ends leaders.
#[derive(Clone)]
struct End {
    leases: Api<Lease>,
    server: SimulatedPortal,
    turns: Arc<AtomicU64>,
    /// Worlds start their turns at different entries, because most worlds take only a few turns.
    first: u64,
}

impl Replicas {
    /// No operator runs yet. Their Lease is in this namespace, and they write to this portal.
    pub fn new(client: &Client, home: &str, server: SimulatedPortal) -> Self {
        static WORLDS: AtomicU64 = AtomicU64::new(0);
        Self {
            end: End {
                leases: Api::namespaced(client.clone(), home),
                server,
                turns: Arc::default(),
                first: WORLDS.fetch_add(1, Ordering::Relaxed),
            },
            operators: None,
            task: None,
        }
    }

    /// Starts both.
    pub async fn start(&mut self, kubeconfig: &Path, namespace: &str, arguments: &[&str]) {
        let arguments: Vec<_> = ELECTION.split(' ').chain(arguments.iter().copied()).collect();
        let start = |pod| Operator::start_as(Some(pod), OPERATOR, kubeconfig, namespace, &arguments);
        self.operators = Some([start("replica-0").await, start("replica-1").await]);
        self.stand().await;
        self.go_on(None);
    }

    async fn stand(&self) {
        for operator in self.operators.iter().flatten() {
            operator.stands().await;
        }
    }

    /// Ends leaders from now on. The Lease does not exist yet, or its last holder has ended.
    fn go_on(&mut self, left_by: Option<String>) {
        let operators = self.operators.take().expect("both run");
        let stop = CancellationToken::new();
        let task = tokio::spawn(self.end.clone().again_and_again(operators, left_by, stop.clone()));
        self.task = Some((stop, task));
    }

    /// Both operators; no task ends them any more.
    async fn halt(&mut self) -> &mut [Operator; 2] {
        if let Some((stop, task)) = self.task.take() {
            stop.cancel();
            self.operators = Some(task.await.expect("the leaders end as they should"));
        }
        self.operators.as_mut().expect("they were started")
    }

    /// Ends both with SIGTERM.
    pub async fn stop(&mut self) {
        for operator in self.halt().await {
            operator.stop().await;
        }
    }

    /// Ends both with SIGKILL.
    pub async fn kill(&mut self) {
        for operator in self.halt().await {
            operator.kill().await;
        }
    }

    /// Starts both again.
    pub async fn restart(&mut self) {
        for operator in self.halt().await.iter_mut().filter(|operator| operator.runs()) {
            operator.kill().await;
        }
        let lease = self.end.leases.get_opt(ACCOUNT).await.expect("the API answers");
        for operator in self.halt().await {
            operator.restart().await;
        }
        self.stand().await;
        self.go_on(lease.as_ref().map(holder));
    }

    /// The number of leaders that were ended.
    pub fn turns(&self) -> u64 {
        self.end.turns.load(Ordering::Relaxed)
    }

    /// Fails if a leader did not end correctly.
    pub fn check(&self) {
        let ended = |(_, task): &(_, JoinHandle<_>)| task.is_finished();
        assert!(
            !self.task.as_ref().is_some_and(ended),
            "a leader did not end as it should"
        );
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.task {
            task.abort();
        }
    }
}

/// The identity of the leader; empty where nobody leads.
pub fn holder(lease: &Lease) -> String {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.holder_identity.clone())
        .unwrap_or_default()
}

impl End {
    async fn again_and_again(
        self,
        mut operators: [Operator; 2],
        left_by: Option<String>,
        stop: CancellationToken,
    ) -> [Operator; 2] {
        // The next leader starts at once only if the Lease was released.
        let mut waits = match left_by.as_deref() {
            Some("") => Duration::ZERO,
            _ => RENEW_DEADLINE,
        };
        let mut before = left_by.unwrap_or_default();
        for turn in self.first.. {
            let next = async {
                let leader = self.leader_after(&before).await;
                (leader, self.moment(turn, waits).await)
            };
            let Some((leader, kill)) = stop.run_until_cancelled(next).await else {
                break;
            };
            let is_leader = |operator: &&mut Operator| {
                let pod = operator.pod().unwrap_or_default();
                leader.starts_with(&format!("{pod}_"))
            };
            let operator = operators.iter_mut().find(is_leader).expect("one of the two");
            let (how, wait) = match (operator.has_ended(), kill) {
                (Some(status), _) => lost(operator, status),
                (None, Some(_look)) => {
                    operator.kill().await;
                    ("KILL", RENEW_DEADLINE)
                }
                (None, None) => match operator.terminate().await {
                    status if status.success() => ("TERM", Duration::ZERO),
                    status => lost(operator, status),
                },
            };
            tally(how);
            waits = wait;
            before = leader;
            self.turns.fetch_add(1, Ordering::Relaxed);
            operator.restart().await;
            operator.stands().await;
        }
        operators
    }

    /// Waits until a different operator leads.
    async fn leader_after(&self, before: &str) -> String {
        let other = |lease: &Lease| !holder(lease).is_empty() && holder(lease) != before;
        holder(&wait_for(&self.leases, ACCOUNT, DEADLINE, other).await)
    }

    /// Waits for the moment to end a leader whose writes begin after this wait. If it returns a pending check, the leader is
    /// killed, and the check ends with it.
    async fn moment(&self, turn: u64, waits: Duration) -> Option<EndlessLook<'_>> {
        let log = self.server.log();
        if !turn.is_multiple_of(KILLED) {
            let calls = log.requests().len() + CALLS[turn as usize % CALLS.len()];
            // It is ended in both cases.
            let _ = log.wait_until(waits + PACE, |seen| seen.len() >= calls).await;
            return None;
        }
        let look = EndlessLook::of(&self.server);
        let looks = |seen: &[Request]| seen.iter().any(is_under_way);
        let _ = log.wait_until(waits + PACE, looks).await;
        let quiet = |seen: &[Request]| {
            let last = seen
                .iter()
                .map(|request| request.ended.unwrap_or(request.started));
            !seen
                .iter()
                .any(|request| is_under_way(request) && request.is_write())
                && last.max().is_none_or(|last| last.elapsed() >= QUIET)
        };
        while !quiet(&log.requests()) {
            sleep(QUIET / 10).await;
        }
        // The check after a write shows whether the write was carried out.
        let seen = log.requests();
        let (last, before) = (seen.last(), seen.iter().rev().nth(1));
        let looks = last.is_some_and(is_under_way) && !before.is_some_and(Request::is_write);
        looks.then_some(look)
    }
}

/// How a leader ended that could not renew its Lease, and how long the next one waits.
fn lost(operator: &Operator, status: ExitStatus) -> (&'static str, Duration) {
    let log = operator.log();
    let lost = status.code() == Some(1) && log.contains("the lease was not renewed");
    assert!(lost, "a leader has ended by itself ({status}); its log:\n{log}");
    ("LOST", RENEW_DEADLINE)
}

fn is_under_way(request: &Request) -> bool {
    request.ended.is_none()
}

/// The next check of the portal; it does not end before this value is dropped.
struct EndlessLook<'a> {
    server: &'a SimulatedPortal,
    fault: FaultId,
}

impl<'a> EndlessLook<'a> {
    fn of(server: &'a SimulatedPortal) -> Self {
        let fault = server.order(Fault::hang().to("getbackupschedule").times(1));
        Self { server, fault }
    }
}

impl Drop for EndlessLook<'_> {
    fn drop(&mut self) {
        self.server.clear_fault(self.fault);
    }
}
