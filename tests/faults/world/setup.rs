//! The initial state of a world.

use harness::{ApiFront, KubeCall, KubeFault, Namespace, control_plane};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, api::PostParams};
use simulated_portal::{ApiKey, Archive, Installation, Portal, Schedule, SimulatedPortal, Tenant};

use super::World;
use crate::{
    manifest::{CA, Manifest, STORAGE},
    row::{Begins, Kind, Row},
    seen::Seen,
    world::secret_value,
};

/// How many archives the portal has; as many as the manifest keeps.
const ARCHIVES: i64 = 7;
/// The other portal of the server.
const OTHER: &str = "other.test";
/// The operator's Lease.
const LEASE: &str = "docspace-backup-operator";
/// The portal's clock, where a night passes.
const NOON: &str = "2026-11-23T12:00:00Z";

async fn server_of(row: &Row) -> SimulatedPortal {
    let installation = match row.kind {
        Kind::Standalone | Kind::Named => Installation::default(),
        Kind::Cloud => Installation::saas(),
        Kind::Tls => Installation::default().with_tls(&["127.0.0.1"]),
    };
    let mut tenant = Tenant::at("portal.test");
    if row.kind == Kind::Named {
        tenant.alias = "docs".into();
        tenant.mapped_domain = Some("127.0.0.1".into());
    }
    let server = SimulatedPortal::start_with(installation, vec![tenant, Tenant::at(OTHER)]).await;
    if row.begins == Begins::Night {
        server.clock().run_from(NOON.parse().expect("a time"));
    }
    server
}

/// What others have on the server: the schedule of a dump, archives, and a portal of their own; gives that portal and a key
/// for it.
fn others_on(server: &SimulatedPortal) -> (Portal, String) {
    let portal = server.first();
    portal.set_schedule(Schedule {
        dump: true,
        ..Schedule::every_day(11)
    });
    for number in 0..ARCHIVES {
        let made = server.clock().now() - SignedDuration::from_hours(24 * (number + 1));
        portal.add_archive(false, Archive::scheduled(&format!("before-{number}"), made));
    }
    let other = server.tenants().remove(1);
    other.set_schedule(Schedule::every_day(9));
    let key = other.issue_key(ApiKey::named("other"));
    (other, key)
}

impl World {
    /// Everything but a running operator and the object.
    pub async fn of(row: &Row) -> Self {
        let plane = control_plane();
        let client = plane.client().await;
        let namespace = Namespace::create(&client).await;
        let server = server_of(row).await;
        let (other, other_key) = others_on(&server);
        let front = ApiFront::of(plane).await;
        let manifest = Manifest {
            hour: 3,
            storage_key: secret_value(),
        };
        let mut world = Self {
            row: row.clone(),
            portal: server.first(),
            kubeconfig: front.kubeconfig(plane, &plane.kubeconfig_in(namespace.name())),
            seen: Seen::of(namespace.schedules(&client)),
            wanted: vec![manifest.clone()],
            secrets: vec![manifest.storage_key.clone(), other_key.clone()],
            starts: Vec::new(),
            operator: None,
            ended: None,
            standby: None,
            killed: 0,
            active: Vec::new(),
            client,
            namespace,
            server,
            other,
            other_key,
            front,
            manifest,
        };
        world.new_key().await;
        world
            .set_secret(STORAGE, "sse", &world.manifest.storage_key)
            .await;
        if let Some(ca) = world.server.ca_pem() {
            world.set_secret(CA, "ca.crt", ca).await;
        }
        if row.elected && !row.creates_the_lease() {
            world.give_up_the_lease().await;
        }
        if row.pages {
            for list in [KubeCall::ListObjects, KubeCall::ListSecrets] {
                world.front.always(list, KubeFault::Answer(422));
            }
        }
        world
    }

    /// The Lease, as a leader leaves it that has ended: the next one need not wait.
    async fn give_up_the_lease(&self) {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(LEASE.into()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(1),
                renew_time: Some(MicroTime(Timestamp::now())),
                ..LeaseSpec::default()
            }),
        };
        let leases = Api::<Lease>::namespaced(self.client.clone(), self.namespace.name());
        let created = leases.create(&PostParams::default(), &lease).await;
        created.expect("the Lease is created");
    }
}
