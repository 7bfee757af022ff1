//! A release on a real node, from installation to uninstall. `make e2e` runs it in separate Linux namespaces.

mod cluster;

use harness::wait_gone;
use jiff::Timestamp;
use kube::{ResourceExt, api::DeleteParams};
use serde_json::json;

use crate::cluster::{
    Cluster, EXAMPLE, NAMESPACE, OPERATOR, POD_DEADLINE, SCHEDULES, UMBRELLA, ask, process_status,
};

/// The life of one installation: each part starts from the state that the previous part left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a node, and so root: make e2e"]
async fn a_release_from_its_installation_to_its_end() {
    let cluster = Cluster::start().await;
    an_install_brings_a_schedule_to_ready(&cluster).await;
    its_pod_is_restricted_and_answers(&cluster).await;
    an_upgrade_hands_over(&cluster).await;
    a_deleted_leader_hands_over(&cluster).await;
    an_uninstall_leaves_what_is_the_users(&cluster).await;
    a_reinstall_takes_it_up_again(&cluster).await;
    schedules_of_a_release_come_and_go(&cluster).await;
    after_an_uninstall_an_object_can_go(&cluster).await;
    as_a_part_of_another_chart(&cluster).await;
}

/// With the default values of the chart, and objects created as in the README.
async fn an_install_brings_a_schedule_to_ready(cluster: &Cluster) {
    cluster.helm("install", &OPERATOR, None);
    cluster.create_secret(harness::API_KEY, &cluster.portal);
    let warned = cluster.apply_example();
    assert!(warned.contains("CustomCloud"), "kubectl's warnings: {warned}");
    cluster.ready(EXAMPLE).await;
    let posts = cluster.portal.log().posts();
    let bodies: Vec<_> = posts.iter().map(|post| post.body.as_ref()).collect();
    let body = json!({
        "storageType": "CustomCloud",
        "storageParams": [],
        "cronParams": {"period": "EveryDay", "hour": 3, "day": 0},
        "backupsStored": 7,
        "dump": true,
    });
    assert_eq!(bodies, [Some(&body)]);
}

/// The namespace enforces `restricted`; this checks the resulting process.
async fn its_pod_is_restricted_and_answers(cluster: &Cluster) {
    let status = process_status("/docspace-backup-operator");
    for line in [
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "CapPrm:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    let pods = cluster.operator_pods().await;
    assert_eq!(pods.len(), 1);
    assert_eq!(
        (ask(&pods[0], "/livez").await, ask(&pods[0], "/readyz").await),
        ("ok\n".into(), "ok\n".into())
    );
    let ready = format!("docspace_backup_ready{{namespace=\"{NAMESPACE}\",name=\"{EXAMPLE}\"}} 1");
    let metrics = ask(&pods[0], "/metrics").await;
    assert!(metrics.contains(&ready), "{metrics}");
}

async fn an_upgrade_hands_over(cluster: &Cluster) {
    let (before, _) = cluster.leader().await;
    let started = Timestamp::now();
    cluster.helm(
        "upgrade",
        &OPERATOR,
        Some(&json!({"operator": {"logLevel": "debug"}})),
    );
    cluster.handed_over("helm upgrade", &before, started).await;
}

async fn a_deleted_leader_hands_over(cluster: &Cluster) {
    cluster.helm("upgrade", &OPERATOR, Some(&json!({"replicas": 2})));
    assert_eq!(cluster.operator_pods().await.len(), 2);
    let (before, leader) = cluster.leader().await;
    let pods = cluster.pods();
    let deleted = Timestamp::now();
    let deletion = pods.delete(&leader, &DeleteParams::default()).await;
    deletion.expect("the deletion is accepted");
    cluster.handed_over("kubectl delete pod", &before, deleted).await;
    wait_gone(&pods, &leader, POD_DEADLINE).await;
}

async fn an_uninstall_leaves_what_is_the_users(cluster: &Cluster) {
    cluster.helm("uninstall", &OPERATOR, None);
    cluster.no_pods().await;
    let object = cluster
        .schedules()
        .get(EXAMPLE)
        .await
        .expect("the object is left");
    assert_eq!(object.finalizers(), [""; 0]);
    cluster.portal_has_had(1, 0, "helm uninstall");
}

async fn a_reinstall_takes_it_up_again(cluster: &Cluster) {
    cluster.helm("install", &OPERATOR, None);
    let object = cluster.look().await;
    assert!(!object.finalizers().is_empty());
    cluster.ready(EXAMPLE).await;
    cluster.portal_has_had(1, 0, "helm install");
}

/// With finalizers: the schedules belong to another release, so the operator still runs and removes them.
async fn schedules_of_a_release_come_and_go(cluster: &Cluster) {
    let operator = cluster.operator_pods().await.remove(0).spec.expect("a spec");
    let values = json!({
        "test": {"image": operator.containers[0].image},
        "defaults": {"portal": {"url": cluster.portal.url()}},
        "schedules": [{
            "name": "nightly",
            "spec": {
                "storageType": "Local",
                "storageParams": [{"key": "filePath", "value": "/app/onlyoffice/data/backup"}],
            },
        }],
    });
    cluster.helm("install", &SCHEDULES, Some(&values));
    cluster.ready("nightly").await;
    cluster.portal_has_had(2, 0, "helm install of a schedule");
    let said = cluster.helm_test(&SCHEDULES);
    assert!(said.contains("plan        nothing"), "{said}");
    cluster.portal_has_had(2, 0, "helm test");
    cluster.helm("uninstall", &SCHEDULES, None);
    cluster.portal_has_had(2, 1, "helm uninstall of a schedule");
    assert_eq!(cluster.portal.first().schedule(false), None);
}

async fn after_an_uninstall_an_object_can_go(cluster: &Cluster) {
    cluster.helm("uninstall", &OPERATOR, None);
    cluster.kubectl(&["delete", "dsbs", EXAMPLE, "--timeout", "20s"], "");
    cluster.portal_has_had(2, 1, "kubectl delete");
}

/// With the user that the namespace has for its pods, and a portal whose CA is in a ConfigMap.
async fn as_a_part_of_another_chart(cluster: &Cluster) {
    cluster.no_pods().await;
    let portal = cluster.private_portal().await;
    cluster.create_secret("private-portal", &portal);
    cluster.assign_user(1_000_680_000);
    // The first release has left its CRD.
    let operator = json!({
        "crd": {"install": false}, "runAsUser": null, "runAsGroup": null, "caBundle": {"configMap": "portal-ca"},
    });
    cluster.helm(
        "install",
        &UMBRELLA,
        Some(&json!({"docspace-backup-operator": operator})),
    );
    let status = process_status("/docspace-backup-operator");
    let user = "Uid:\t1000680000\t1000680000\t1000680000\t1000680000";
    assert!(status.contains(user), "{status}");
    assert!(cluster.kubectl(&["get", "dsbs"], "").0.is_empty());

    let secret = json!({"name": "private-portal"});
    let values = json!({
        "docspace-backup-operator": operator,
        "docspace-backup-schedules": {
            "enabled": true,
            "defaults": {"portal": {"url": portal.url(), "apiKeySecretRef": secret}},
            "schedules": [{"name": "private", "spec": {"storageType": "DataStore"}}],
        },
    });
    cluster.helm("upgrade", &UMBRELLA, Some(&values));
    cluster.ready("private").await;
    assert!(portal.first().schedule(false).is_some());

    // The Job stops the operator first, so the portal keeps the schedule.
    cluster.helm("uninstall", &UMBRELLA, None);
    cluster.no_pods().await;
    assert!(cluster.kubectl(&["get", "dsbs"], "").0.is_empty());
    assert!(portal.first().schedule(false).is_some());
}
