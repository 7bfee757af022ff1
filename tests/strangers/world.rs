//! One operator for two namespaces: victims live in one, attackers in the other.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use harness::{DEADLINE, Namespace, Operator, control_plane};
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
    verdict::Verdict,
    victims::{At, Victims},
};

/// So many worlds at a time, or they disturb each other's times.
const AT_ONCE: u32 = 3;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE as usize);
/// Looks at victims before the attack, and at least so many during it.
const LOOKS: usize = 12;
/// An attack is made within this time, and enough looks come within as long.
const LONG: Duration = Duration::from_secs(60);

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
    meter: Meter,
    probes: Probes,
    before: Vec<Duration>,
    looks: Arc<Mutex<Vec<Duration>>>,
    looking: AbortOnDropHandle<()>,
    /// Of earlier processes.
    peak: Peak,
    verdict: Verdict,
    _places: SemaphorePermit<'static>,
}

impl World {
    /// Before the attack: looks at victims were measured, and from now on each is one during the attack.
    pub async fn before(attack: &'static str) -> Self {
        Self::planned(Plan::of(attack)).await
    }

    /// The same after this plan.
    pub async fn planned(plan: Plan) -> Self {
        let places = PLACES.acquire_many(if plan.alone { AT_ONCE } else { 1 });
        let places = places.await.expect("never closed");
        let plane = control_plane();
        let client = plane.client().await;
        let [home, abroad] = [Namespace::create(&client).await, Namespace::create(&client).await];
        let mut arguments = vec!["--namespace", abroad.name()];
        arguments.extend(&plan.arguments);
        let through: Vec<_> = plan.through.iter().map(String::as_str).collect();
        let kubeconfig = plane.kubeconfig();
        let operator =
            Operator::start_through(&through, binary(), &kubeconfig, home.name(), &arguments).await;
        let meter = Meter::of(operator.id());
        let mut victims = Victims::create(&client, &home, plan.victims, plan.at).await;
        victims.are_ready().await;
        if !plan.calls_take.is_zero() {
            victims.server.order(Fault::delay(plan.calls_take));
        }
        let mut before = Vec::new();
        for _ in 0..LOOKS.min(plan.victims) {
            before.push(victims.look().await);
        }
        let victims = Arc::new(AsyncMutex::new(victims));
        let looks = Arc::<Mutex<Vec<Duration>>>::default();
        let looking = look_again_and_again(victims.clone(), looks.clone());
        Self {
            attackers: Attackers::of(&client, &abroad),
            meter,
            probes: Probes::of(operator.address().await),
            before,
            looking: AbortOnDropHandle::new(tokio::spawn(looking)),
            looks,
            victims,
            operator,
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
        let ready = self.attack_for(DEADLINE, async {
            while !is_ready().await {
                sleep(Duration::from_millis(20)).await;
            }
        });
        let ready = ready.await;
        self.verdict.expect(ready, "the operator was not ready in time");
        self.probes = Probes::of(address);
    }

    /// What this attack in particular must not cause.
    pub fn expect(&mut self, is_so: bool, fault: impl Into<String>) {
        self.verdict.expect(is_so, fault);
    }

    /// Waits until there were enough looks during the attack, prints what the attack took, and fails if it harmed anybody.
    pub async fn judge(mut self) {
        let (looks, wanted) = (self.looks.clone(), self.before.len());
        let enough = self.attack_for(LONG, async {
            while looks.lock().expect("nobody panicked").len() < wanted {
                sleep(Duration::from_millis(50)).await;
            }
        });
        let enough = enough.await;
        self.looking.abort();
        let looks = self.looks.lock().expect("nobody panicked").clone();
        let mut verdict = self.verdict;
        verdict.on_memory(self.peak.max(self.meter.peak()));
        verdict.on_looks(&self.before, &looks);
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

async fn look_again_and_again(victims: Arc<AsyncMutex<Victims>>, looks: Arc<Mutex<Vec<Duration>>>) {
    loop {
        let took = victims.lock().await.look().await;
        looks.lock().expect("nobody panicked").push(took);
    }
}
