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

/// How many archives the manifest keeps, and so many the portal has where none is at stake.
const KEPT: i32 = 7;
/// How many it has where some are: the manifest would let the portal delete two.
pub const AT_STAKE: i32 = 9;
/// How many others have and keep.
const OF_OTHERS: i32 = 3;
/// The other portal of the server.
const OTHER: &str = "other.test";
/// More than a page has.
const MORE_SECRETS: usize = 3;
/// The operator's Lease.
const LEASE: &str = "docspace-backup-operator";
/// The portal's clock, where a night passes.
const NOON: &str = "2026-11-23T12:00:00Z";

async fn server_of(row: &Row) -> SimulatedPortal {
    let installation = match row.kind {
        Kind::Standalone | Kind::Named | Kind::AtStake => Installation::default(),
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

/// What others have on the server.
pub struct Others {
    /// The schedule of a dump.
    pub dump: Schedule,
    /// Another portal.
    pub portal: Portal,
    /// Its schedule.
    pub schedule: Schedule,
    /// A key for it.
    pub key: String,
}

impl Others {
    fn on(server: &SimulatedPortal) -> Self {
        let every_day = |hour, dump| Schedule {
            dump,
            backups_stored: OF_OTHERS,
            ..Schedule::every_day(hour)
        };
        let first = server.first();
        first.set_schedule(every_day(11, true));
        add_archives(&first, true, OF_OTHERS);
        let portal = server.tenants().remove(1);
        portal.set_schedule(every_day(9, false));
        add_archives(&portal, false, OF_OTHERS);
        Self {
            dump: first.schedule(true).expect("it was set"),
            schedule: portal.schedule(false).expect("it was set"),
            key: portal.issue_key(ApiKey::named("other")),
            portal,
        }
    }
}

/// One for each of the last days.
fn add_archives(portal: &Portal, dump: bool, count: i32) {
    for number in 0..count {
        let made = portal.server().clock().now() - SignedDuration::from_hours(24 * i64::from(number + 1));
        portal.add_archive(dump, Archive::scheduled(&format!("before-{number}"), made));
    }
}

/// What the portal has before the object comes.
fn earlier_on(portal: &Portal, row: &Row) {
    if row.kind == Kind::AtStake {
        portal.set_schedule(Schedule {
            backups_stored: 30,
            ..Schedule::every_day(4)
        });
        add_archives(portal, false, AT_STAKE);
    } else {
        add_archives(portal, false, KEPT);
    }
}

impl World {
    /// Everything but a running operator and the object.
    pub async fn of(row: &Row) -> Self {
        let plane = control_plane();
        let client = plane.client().await;
        let namespace = Namespace::create(&client).await;
        let server = server_of(row).await;
        let others = Others::on(&server);
        earlier_on(&server.first(), row);
        let front = ApiFront::of(plane).await;
        let manifest = Manifest {
            hour: 3,
            stored: KEPT,
            storage_key: secret_value(),
        };
        let mut world = Self {
            row: row.clone(),
            portal: server.first(),
            kubeconfig: front.kubeconfig(plane, &plane.kubeconfig_in(namespace.name())),
            seen: Seen::of(namespace.schedules(&client)),
            wanted: vec![manifest.clone()],
            secrets: vec![manifest.storage_key.clone(), others.key.clone()],
            starts: Vec::new(),
            may_write_again: Vec::new(),
            steps: Vec::new(),
            deleted_at: None,
            operator: None,
            ended: None,
            standby: None,
            killed: 0,
            active: Vec::new(),
            client,
            namespace,
            server,
            others,
            front,
            manifest,
            key: String::new(),
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
            for number in 0..MORE_SECRETS {
                world.set_secret(&format!("more-{number}"), "key", "value").await;
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
