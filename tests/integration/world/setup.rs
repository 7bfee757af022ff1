//! The initial state of a world.

use std::time::Duration;

use harness::{ControlPlane, Namespace, control_plane};
use simulated_portal::{ApiKey, Installation, SimulatedPortal};

use super::{
    World, at,
    processes::Processes,
    replicas::{self, Replicas},
    rights::may_watch,
    rights::{ACCOUNT, Watched, grant},
};

/// The duration of a write to the portal in tests that end leaders.
const WRITES_TAKE: Duration = Duration::from_millis(300);

/// Options of a test beyond the defaults.
pub struct Setup<'a> {
    plane: &'a ControlPlane,
    installation: Installation,
    everywhere: bool,
    one_process: Option<&'static str>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            plane: control_plane(),
            installation: Installation::default(),
            everywhere: false,
            one_process: None,
        }
    }
}

impl<'a> Setup<'a> {
    /// Another control plane.
    pub fn on(plane: &'a ControlPlane) -> Self {
        Self {
            plane,
            ..Self::default()
        }
    }

    /// An installation of this kind.
    pub fn installation(self, installation: Installation) -> Self {
        Self { installation, ..self }
    }

    /// The rights of `clusterWide`, and an operator namespace elsewhere: both outlive the deletion of the namespace.
    pub fn everywhere(self) -> Self {
        Self {
            everywhere: true,
            ..self
        }
    }

    /// A single operator, even if other worlds have two; the text says why.
    pub fn of_one_process(self, why: &'static str) -> Self {
        Self {
            one_process: Some(why),
            ..self
        }
    }

    /// Everything except a running operator.
    pub async fn idle(self) -> World {
        let plane = self.plane;
        let client = plane.client().await;
        let namespace = Namespace::create(&client).await;
        let home = match self.everywhere {
            true => Namespace::create(&client).await,
            false => namespace.clone(),
        };
        let (own, name) = ([namespace.name()], home.name());
        let watched = if self.everywhere {
            Watched::All
        } else {
            Watched::These(&own)
        };
        grant(&client, name, watched).await;
        let kubeconfig = plane.kubeconfig_of(&client, name, ACCOUNT).await;
        let two = replicas::wanted(self.one_process);
        let mut installation = self.installation;
        if two {
            // Lets leaders be ended during writes, too, and lets writes of two leaders overlap if they can.
            installation.writes_take = WRITES_TAKE;
        }
        let server = SimulatedPortal::start(installation).await;
        let portal = server.first();
        let key = portal.issue_key(ApiKey::named("full"));
        let replicas = two.then(|| Replicas::new(&client, name, server.clone()));
        let world = World {
            operator: Processes::new(&kubeconfig, namespace.name(), replicas),
            audit: plane.audit().from_now_on(),
            client,
            namespace,
            home,
            server,
            portal,
            key,
            changed: Default::default(),
            believed: Default::default(),
        };
        world.set_key(&world.key).await;
        world
    }

    /// With the operator running, which also watches another namespace.
    pub async fn with_another_namespace(self) -> (World, Namespace) {
        let mut world = self.idle().await;
        let other = Namespace::create(&world.client).await;
        may_watch(&world.client, world.namespace.name(), other.name()).await;
        world.operator.start(&["--namespace", other.name()]).await;
        (world, other)
    }

    /// With the operator running, with these arguments.
    pub async fn start(self, arguments: &[&str]) -> World {
        let mut world = self.idle().await;
        world.operator.start(arguments).await;
        world
    }
}

impl World {
    /// With a valid key in the Secret and the operator running.
    pub async fn new() -> Self {
        Self::with_arguments(&[]).await
    }

    /// The same with a single process in every run, for this reason.
    pub async fn of_one_process(why: &'static str) -> Self {
        Setup::default().of_one_process(why).start(&[]).await
    }

    /// The same, with an object that is Ready.
    pub async fn with_ready_nightly() -> Self {
        Self::new().await.ready_nightly().await
    }

    /// Creates the object that most tests use, and waits until it is Ready.
    pub async fn ready_nightly(self) -> Self {
        self.create(&self.nightly()).await;
        self.ready("nightly").await;
        self
    }

    /// The same without it, and with these arguments for the operator.
    pub async fn with_arguments(arguments: &[&str]) -> Self {
        Setup::default().start(arguments).await
    }

    /// On another control plane.
    pub async fn on(plane: &ControlPlane) -> Self {
        Setup::on(plane).start(&[]).await
    }

    /// With a portal that uses TLS, with a certificate of its own CA.
    pub async fn with_tls() -> Self {
        let installation = Installation::default().with_tls(&["127.0.0.1"]);
        Setup::default().installation(installation).start(&[]).await
    }

    /// With an installation of this kind, whose clock is stopped at noon on November 23.
    pub async fn at_noon(installation: Installation) -> Self {
        let world = Setup::default().installation(installation).start(&[]).await;
        world.server.clock().set(at("11-23 12:00"));
        world
    }

    /// The same, with a standalone installation and an object that is Ready and backs up every day at this hour.
    pub async fn with_ready_at(hour: i32) -> Self {
        let world = Self::at_noon(Installation::default()).await;
        world.create(&world.nightly_at(hour)).await;
        world.ready("nightly").await;
        world
    }
}
