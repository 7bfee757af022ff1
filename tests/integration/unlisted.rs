//! A watched namespace that cannot be listed holds up nobody else.

use std::{path::PathBuf, time::Duration};

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use harness::{API_KEY, DEADLINE, Namespace, Operator, control_plane, wait_for};
use kube::{Api, api::PostParams};
use tokio::time::{Instant, timeout};

use crate::world::{
    OPERATOR, Setup, World, is_ready,
    replicas::ELECTION,
    rights::{ACCOUNT, Watched, grant, may_watch},
};

/// After this long the others are looked after.
const PATIENCE: Duration = Duration::from_secs(30);

/// A world whose operator has another account, which may watch that namespace, but not yet the other one.
async fn with_an_unlisted_namespace() -> (World, Namespace, Namespace, PathBuf) {
    let plane = control_plane();
    let world = Setup::default().idle().await;
    let (home, other) = (
        Namespace::create(&world.client).await,
        Namespace::create(&world.client).await,
    );
    grant(&world.client, home.name(), Watched::These(&[])).await;
    let account = format!("--serviceaccount={}:{ACCOUNT}", home.name());
    let role = format!("--role={ACCOUNT}");
    let bind = ["create", "rolebinding", "other", &role, &account];
    plane.kubectl_ok(
        &[&bind[..], &["--namespace", world.namespace.name()]].concat(),
        "",
    );
    let kubeconfig = plane.kubeconfig_of(&world.client, home.name(), ACCOUNT).await;
    (world, home, other, kubeconfig)
}

async fn ready(schedules: &Api<DocSpaceBackupSchedule>) {
    wait_for(schedules, "nightly", PATIENCE + 2 * DEADLINE, is_ready).await;
}

/// Waits until it answers this path with this status and a text like this; returns the text.
async fn answers(operator: &Operator, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
    let answered = async {
        loop {
            let (status, said) = operator.get(path).await;
            if wanted(status, &said) {
                return said;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let answered = timeout(2 * DEADLINE, answered).await;
    answered.unwrap_or_else(|_| panic!("{path}; the operator's log:\n{}", operator.log()))
}

#[tokio::test]
async fn the_others_are_looked_after_and_it_follows_when_it_can_be_listed() {
    let (world, home, other, kubeconfig) = with_an_unlisted_namespace().await;
    world.create(&world.nightly()).await;
    let started = Instant::now();
    let scope = ["--namespace", other.name()];
    let mut operator = Operator::start(OPERATOR, &kubeconfig, world.namespace.name(), &scope).await;
    let refused = |kind: &str| {
        format!(
            "the watch of {kind} in namespace {} has been failing since ",
            other.name()
        )
    };
    let kinds = ["DocSpaceBackupSchedules", "Secrets"];
    let tells = |said: &str| kinds.iter().all(|kind| said.contains(&refused(kind)));
    answers(&operator, "/readyz", |status, said| status == 503 && tells(said)).await;
    ready(&world.schedules()).await;
    assert!(started.elapsed() >= PATIENCE, "{:?}", started.elapsed());

    assert_eq!(operator.get("/readyz").await, (200, "ok\n".into()));
    let (status, said) = operator.get("/readyz?verbose").await;
    assert!(
        status == 200 && tells(&said) && said.ends_with("\nok\n"),
        "{said}"
    );
    let series = |kind: &str, namespace: &str, value: u8| {
        format!("docspace_backup_watch_failing{{kind=\"{kind}\",namespace=\"{namespace}\"}} {value}\n")
    };
    let (_, metrics) = operator.get("/metrics").await;
    for kind in kinds {
        assert!(metrics.contains(&series(kind, other.name(), 1)), "{metrics}");
        assert!(
            metrics.contains(&series(kind, world.namespace.name(), 0)),
            "{metrics}"
        );
    }
    let log = operator.log();
    let warnings = |log: &str| {
        let of_other = |line: &&str| line.contains(" WARN ") && line.contains("forbidden");
        log.lines().filter(of_other).count()
    };
    assert_eq!(warnings(&log), kinds.len(), "one for each kind: {log}");
    assert!(
        log.contains("the operator begins without what it cannot list"),
        "{log}"
    );

    let secret = harness::secret(API_KEY, &[("apiKey", &world.key)]);
    let secrets = other.secrets(&world.client);
    let created = secrets.create(&PostParams::default(), &secret).await;
    created.expect("the Secret is created");
    let schedules = other.schedules(&world.client);
    let mut dump = world.nightly();
    dump.spec.dump = true;
    let created = schedules.create(&PostParams::default(), &dump).await;
    created.expect("the object is accepted");
    may_watch(&world.client, home.name(), other.name()).await;
    ready(&schedules).await;
    answers(&operator, "/readyz?verbose", |_, said| said == "ok\n").await;
    let (_, metrics) = operator.get("/metrics").await;
    for kind in kinds {
        assert!(metrics.contains(&series(kind, other.name(), 0)), "{metrics}");
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_leader_neither_waits_twice_nor_ends_late() {
    let (world, _home, other, kubeconfig) = with_an_unlisted_namespace().await;
    world.create(&world.nightly()).await;
    let flags: Vec<_> = ELECTION.split(' ').chain(["--namespace", other.name()]).collect();
    let started = Instant::now();
    let mut operator = Operator::start(OPERATOR, &kubeconfig, world.namespace.name(), &flags).await;
    ready(&world.schedules()).await;
    assert!(started.elapsed() < 2 * PATIENCE, "{:?}", started.elapsed());
    operator.stop().await;
    let log = operator.log();
    assert!(!log.contains("unfinished work"), "{log}");
}
