//! One operator for two namespaces: victims live in one, attackers in the other. Beside it a second operator, the control,
//! has victims only.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use harness::{DEADLINE, Namespace, Operator, control_plane};
use kube::Client;
use simulated_portal::Fault;
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    attackers::Attackers,
    limit::{Meter, Peak, binary, under_limit},
    portal::Portal,
    probes::{Probes, get},
    verdict::{Look, Verdict},
    victims::{At, Victims},
};

/// So many worlds at a time, or they disturb each other's times.
const AT_ONCE: u32 = 3;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE as usize);
/// At least so many looks at victims during the attack.
const LOOKS: usize = 12;
/// What comes before an attack, the attack, and enough looks each come within this time.
pub const LONG: Duration = Duration::from_secs(120);

/// How a world is set up.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The attack, in few words.
    pub attack: &'static str,
    /// How many victims there are; the fewer, the longer each waits before it asks again.
    pub victims: usize,
    /// Where they have their portals.
    pub at: At,
    /// How long a call to one of these takes.
    pub calls_take: Duration,
    /// A program that becomes the operator; by default the one that sets the limit.
    pub through: Vec<String>,
    /// Further arguments of the operator.
    pub arguments: Vec<&'static str>,
    /// Whether there is no other world meanwhile.
    pub alone: bool,
}

impl Plan {
    /// With the defaults.
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
    pub victims: Arc<AsyncMutex<Victims>>,
    /// An operator like the other one, with victims of its own whom the next looks meet at the same time. What these
    /// take, the machine and Kubernetes take.
    control: Operator,
    meter: Meter,
    probes: Probes,
    looks: Arc<Mutex<Vec<Look>>>,
    enough_looks: usize,
    looking: AbortOnDropHandle<()>,
    /// Of earlier processes.
    peak: Peak,
    verdict: Verdict,
    _places: SemaphorePermit<'static>,
}

impl World {
    /// Before the attack: all victims are Ready, and from now on looks are taken.
    pub async fn before(attack: &'static str) -> Self {
        Self::planned(Plan::of(attack)).await
    }

    /// The same after this plan.
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
        let victims = Arc::new(AsyncMutex::new(victims));
        let looks = Arc::<Mutex<Vec<Look>>>::default();
        let looking = look_again_and_again(victims.clone(), controls, looks.clone());
        Self {
            attackers: Attackers::of(&client, &abroad),
            meter: Meter::of(operator.id()),
            probes: Probes::of(operator.address().await, control.address().await),
            looks,
            enough_looks: LOOKS.min(plan.victims),
            looking: AbortOnDropHandle::new(tokio::spawn(looking)),
            victims,
            operator,
            control,
            peak: Peak::default(),
            verdict: Verdict::on(plan.attack),
            _places: places,
        }
    }

    /// Prepares what keeps Kubernetes busy and is no attack yet: nobody looks at victims meanwhile.
    pub async fn prepare(&mut self, preparation: impl Future<Output = ()>) {
        let victims = self.victims.clone();
        let _pause = victims.lock().await;
        self.attack(preparation).await;
    }

    /// Makes the attack, or a part of it, which must be done in time; cut short if the operator ends.
    pub async fn attack(&mut self, attack: impl Future<Output = ()>) {
        let done = self.attack_for(LONG, attack).await;
        self.verdict.expect(done, "the attack was not made in time");
    }

    /// Observers at this portal, each of which was looked at once.
    pub async fn observed(&mut self, portal: &Portal, count: usize) {
        let attackers = self.attackers.clone();
        self.attack(async {
            attackers.observers(count, &portal.url()).await;
            portal.asked("@self", count).await;
        })
        .await;
    }

    /// Lets the attack go on until it is spent, but not longer than this; cut short if the operator ends. Whether it is
    /// spent: an operator that holds attackers back need not come that far.
    pub async fn attack_for(&mut self, most: Duration, spent: impl Future<Output = ()>) -> bool {
        let mut ended = self.meter.ended();
        tokio::select! {
            in_time = timeout(most, spent) => in_time.is_ok(),
            _ = ended.wait_for(|ended| *ended) => true,
        }
    }

    /// Restarts the operator, and waits until it is ready.
    pub async fn restart(&mut self) {
        if *self.meter.ended().borrow() {
            return;
        }
        // Nobody can be looked at meanwhile.
        let victims = self.victims.clone();
        let _pause = victims.lock().await;
        self.verdict.on_probes(&self.probes.told());
        self.peak = self.peak.max(self.meter.peak());
        self.operator.kill().await;
        self.operator.restart().await;
        self.meter = Meter::of(self.operator.id());
        let address = self.operator.address().await;
        let is_ready = async || {
            let answer = get(&address, "/readyz").await;
            answer.is_ok_and(|answer| answer.starts_with("HTTP/1.0 200 "))
        };
        let ready = self.attack_for(LONG, async {
            while !is_ready().await {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let ready = ready.await;
        self.verdict.expect(ready, "the operator was not ready in time");
        self.probes = Probes::of(address, self.control.address().await);
    }

    /// What this attack in particular must not cause.
    pub fn expect(&mut self, is_so: bool, fault: impl Into<String>) {
        self.verdict.expect(is_so, fault);
    }

    /// Waits until there were enough looks during the attack, prints what the attack took, and fails if it harmed anybody.
    pub async fn judge(mut self) {
        let (looks, enough) = (self.looks.clone(), self.enough_looks);
        let enough = self.attack_for(LONG, async {
            while looks.lock().expect("nobody panicked").len() < enough {
                sleep(Duration::from_millis(50)).await;
            }
        });
        let enough = enough.await;
        self.looking.abort();
        let looks = self.looks.lock().expect("nobody panicked").clone();
        let mut verdict = self.verdict;
        verdict.on_memory(self.peak.max(self.meter.peak()));
        verdict.on_looks(&looks);
        verdict.on_probes(&self.probes.told());
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

async fn look_again_and_again(
    victims: Arc<AsyncMutex<Victims>>,
    mut controls: Victims,
    looks: Arc<Mutex<Vec<Look>>>,
) {
    loop {
        let mut victims = victims.lock().await;
        let (victim, control) = tokio::join!(victims.look(), controls.look());
        looks
            .lock()
            .expect("nobody panicked")
            .push(Look { victim, control });
    }
}
