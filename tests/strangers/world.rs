//! One operator for two namespaces: victims live in one, attackers in the other. Beside it a second operator, the control,
//! has victims only.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use harness::{DEADLINE, Namespace, Operator, control_plane};
use kube::Client;
use simulated_portal::Fault;
use tokio::{
    sync::{Mutex, Semaphore, SemaphorePermit, watch},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    attackers::Attackers,
    limit::{Meter, Peak, binary, under_limit},
    portal::Portal,
    probes::{Probes, get},
    verdict::{Look, Verdict},
    victims::{At, Victims},
};

/// The most worlds at a time: more would slow each other down.
const AT_ONCE: u32 = 3;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE as usize);
/// At least this many looks at victims, or as many as there are victims, begin after the last step of an attack.
const LOOKS: usize = 12;
/// The limit for each wait: for the victims to be Ready, for one step of an attack, for enough looks.
pub const LONG: Duration = Duration::from_secs(120);

/// How a world is set up.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The attack, in a few words.
    pub attack: &'static str,
    /// How many victims there are. The fewer there are, the more time is between two looks.
    pub victims: usize,
    /// Where the victims' portals are.
    pub at: At,
    /// How long a call to a victim's portal takes.
    pub calls_take: Duration,
    /// The program that starts the operator. By default it sets the memory limit.
    pub through: Vec<String>,
    /// Further arguments of the operator.
    pub arguments: Vec<&'static str>,
    /// Whether no other world runs at the same time.
    pub alone: bool,
}

impl Plan {
    /// A plan with the defaults.
    pub fn of(attack: &'static str) -> Self {
        Self {
            attack,
            victims: 24,
            at: At::Address,
            calls_take: Duration::ZERO,
            through: under_limit(),
            arguments: Vec::new(),
            alone: false,
        }
    }
}

/// One operator, its victims and its attackers.
pub struct World {
    pub operator: Operator,
    pub attackers: Attackers,
    pub victims: Arc<Mutex<Victims>>,
    /// A second operator that nobody attacks. It has its own victims, and each look at a victim has its counterpart there
    /// at the same time. If that is slow, the machine or Kubernetes is slow.
    control: Operator,
    meter: Meter,
    probes: Probes,
    /// All looks so far. Closed after the last one.
    looks: watch::Receiver<Vec<Look>>,
    wanted_looks: usize,
    last_look: CancellationToken,
    looking: AbortOnDropHandle<()>,
    /// When each step of the attack began.
    steps: Vec<Instant>,
    /// The most memory that earlier processes took.
    peak: Peak,
    verdict: Verdict,
    _places: SemaphorePermit<'static>,
}

impl World {
    /// The world before the attack: all victims are Ready, and looks are taken from now on.
    pub async fn before(attack: &'static str) -> Self {
        Self::planned(Plan::of(attack)).await
    }

    /// The same with this plan.
    pub async fn planned(plan: Plan) -> Self {
        let places = PLACES.acquire_many(if plan.alone { AT_ONCE } else { 1 });
        let places = places.await.expect("never closed");
        let client = control_plane().client().await;
        let abroad = Namespace::create(&client).await;
        let arguments = [&["--namespace", abroad.name()], plan.arguments.as_slice()].concat();
        let ((operator, victims), (control, controls)) = tokio::join!(
            operator_with_victims(&plan, &client, &arguments),
            operator_with_victims(&plan, &client, &plan.arguments),
        );
        let victims = Arc::new(Mutex::new(victims));
        let (tell, looks) = watch::channel(Vec::new());
        let last_look = CancellationToken::new();
        let looking = look_again_and_again(victims.clone(), controls, tell, last_look.clone());
        Self {
            attackers: Attackers::of(&client, &abroad),
            meter: Meter::of(operator.id()),
            probes: Probes::of(operator.address().await, control.address().await),
            looks,
            wanted_looks: LOOKS.min(plan.victims),
            last_look,
            looking: AbortOnDropHandle::new(tokio::spawn(looking)),
            steps: Vec::new(),
            victims,
            operator,
            control,
            peak: Peak::default(),
            verdict: Verdict::on(plan.attack),
            _places: places,
        }
    }

    /// Prepares what keeps Kubernetes busy and is not yet an attack. No looks are taken during this time.
    pub async fn prepare(&mut self, preparation: impl Future<Output = ()>) {
        let victims = self.victims.clone();
        let _pause = victims.lock().await;
        let done = self.within(LONG, preparation).await;
        self.verdict.expect(done, "the attack was not prepared in time");
    }

    /// Makes a step of the attack, which must be done in time. Stops early if the operator ends.
    pub async fn attack(&mut self, attack: impl Future<Output = ()>) {
        let done = self.attack_for(LONG, attack).await;
        self.verdict.expect(done, "the attack was not made in time");
    }

    /// Creates observers at this portal, and waits until the operator has looked at each once.
    pub async fn observed(&mut self, portal: &Portal, count: usize) {
        let attackers = self.attackers.clone();
        self.attack(async {
            attackers.observers(count, &portal.url()).await;
            portal.asked("@self", count).await;
        })
        .await;
    }

    /// Makes a step of the attack, for at most this time. Stops early if the operator ends. Returns whether the step was
    /// done: an operator that holds attackers back need not let it come that far.
    pub async fn attack_for(&mut self, most: Duration, step: impl Future<Output = ()>) -> bool {
        self.steps.push(Instant::now());
        self.within(most, step).await
    }

    /// Whether this is done within this time, or the operator has ended.
    async fn within(&self, most: Duration, done: impl Future<Output = ()>) -> bool {
        let mut ended = self.meter.ended();
        tokio::select! {
            in_time = timeout(most, done) => in_time.is_ok(),
            _ = ended.wait_for(|ended| *ended) => true,
        }
    }

    /// Restarts the operator, and waits until it is ready. This is a step of the attack.
    pub async fn restart(&mut self) {
        self.steps.push(Instant::now());
        if *self.meter.ended().borrow() {
            return;
        }
        // No look can be answered during this time.
        let victims = self.victims.clone();
        let _pause = victims.lock().await;
        self.verdict.on_probes(&self.probes.told().await);
        self.peak = self.peak.max(self.meter.peak());
        self.operator.kill().await;
        self.operator.restart().await;
        self.meter = Meter::of(self.operator.id());
        let address = self.operator.address().await;
        let is_ready = async || {
            let answer = get(&address, "/readyz").await;
            answer.is_ok_and(|answer| answer.starts_with("HTTP/1.0 200 "))
        };
        let ready = self.within(LONG, async {
            while !is_ready().await {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let ready = ready.await;
        self.verdict.expect(ready, "the operator was not ready in time");
        self.probes = Probes::of(address, self.control.address().await);
    }

    /// A fault of this attack in particular, unless `is_so`.
    pub fn expect(&mut self, is_so: bool, fault: impl Into<String>) {
        self.verdict.expect(is_so, fault);
    }

    /// Waits for enough looks after the last step, prints what the attack took, and fails if it harmed anybody.
    pub async fn judge(mut self) {
        let first = *self.steps.first().expect("an attack has a step");
        let last = *self.steps.last().expect("an attack has a step");
        let since = |looks: &[Look], step: Instant| -> Vec<Look> {
            looks.iter().copied().filter(|look| look.began >= step).collect()
        };
        // Where the control had no answer, there is nothing to compare with.
        let compared = |looks: &[Look]| looks.iter().filter(|look| look.control.is_some()).count();
        let (mut looks, wanted) = (self.looks.clone(), self.wanted_looks);
        self.within(LONG, async {
            // It fails only if looking has panicked, and then there are too few.
            let _ = looks
                .wait_for(|looks| compared(&since(looks, last)) >= wanted)
                .await;
        })
        .await;
        self.last_look.cancel();
        // The look that is under way counts, too.
        self.within(LONG, async { while looks.changed().await.is_ok() {} })
            .await;
        self.looking.abort();
        let looks = looks.borrow().clone();
        let enough = compared(&since(&looks, last)) >= wanted;
        let mut verdict = self.verdict;
        verdict.on_memory(self.peak.max(self.meter.peak()));
        verdict.on_looks(&since(&looks, first));
        verdict.on_probes(&self.probes.told().await);
        verdict.on_victims(&self.victims.lock().await.faults());
        verdict.expect(enough, "the victims were looked at too seldom");
        if *self.meter.ended().borrow() {
            let status = self.operator.wait(DEADLINE).await;
            verdict.on_the_end(status, &self.operator.log());
        }
        verdict.close();
    }
}

/// An operator of a new namespace, and its victims, which are Ready.
async fn operator_with_victims(plan: &Plan, client: &Client, arguments: &[&str]) -> (Operator, Victims) {
    let namespace = Namespace::create(client).await;
    let through: Vec<_> = plan.through.iter().map(String::as_str).collect();
    let kubeconfig = control_plane().kubeconfig();
    let name = namespace.name();
    let arguments = [arguments, &["--lease-namespace", name]].concat();
    let operator = Operator::start_through(&through, binary(), &kubeconfig, name, &arguments).await;
    let victims = Victims::create(client, &namespace, plan.victims, plan.at).await;
    victims.are_ready().await;
    if !plan.calls_take.is_zero() {
        victims.server.order(Fault::delay(plan.calls_take));
    }
    (operator, victims)
}

/// Looks at victims until the last look is asked for.
async fn look_again_and_again(
    victims: Arc<Mutex<Victims>>,
    mut controls: Victims,
    tell: watch::Sender<Vec<Look>>,
    last: CancellationToken,
) {
    while !last.is_cancelled() {
        let mut victims = victims.lock().await;
        let began = Instant::now();
        let (victim, control) = tokio::join!(victims.look(), controls.look());
        let look = Look {
            began,
            victim,
            control,
        };
        tell.send_modify(|looks| looks.push(look));
    }
}
