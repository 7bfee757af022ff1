//! The API server accepts every rendering, in a namespace that enforces Pod Security `restricted`.

use harness::{ControlPlane, Namespace, control_plane};
use serde_json::{Value, json};

use crate::helm::{OPERATOR, SCHEDULES, documents, lint, of_kind, read, template, yaml};

/// All values of a chart. Some exclude others, so there are several documents.
pub fn every_value(chart: &str) -> Vec<Value> {
    let of_operator = chart == OPERATOR;
    let name = if of_operator {
        "all-values"
    } else {
        "all-schedules"
    };
    documents(&read(&format!("tests/chart/{name}.yaml")))
}

/// All values of the operator's chart that do not exclude each other.
pub fn all_values() -> Value {
    every_value(OPERATOR).remove(0)
}

fn renderings(namespace: &str, watched: &[&str]) -> Vec<(&'static str, String, Value)> {
    let named = |name: &'static str, values: Value| (name, "operator".to_owned(), values);
    let long = || "l".repeat(53);
    let all = every_value(OPERATOR).into_iter();
    let all = all.map(|values| named("all values", values));
    let several = vec![
        named("default values", json!({})),
        ("a long release name", long(), json!({})),
        (
            "long names everywhere",
            long(),
            json!({
                "nameOverride": "n".repeat(63), "fullnameOverride": "f".repeat(63), "replicas": 2,
                "serviceAccount": {"name": "s".repeat(63)}, "watchNamespaces": watched,
                "serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true},
                "grafanaDashboard": {"enabled": true}, "podDisruptionBudget": {"enabled": true},
            }),
        ),
        named(
            "a name that ends in a dash where it is cut",
            json!({"fullnameOverride": format!("{}-b", "a".repeat(49))}),
        ),
        named(
            "empty lists and maps",
            json!({
                "imagePullSecrets": [], "watchNamespaces": [], "extraArgs": [], "extraEnv": [], "tolerations": [],
                "topologySpreadConstraints": [], "labels": {}, "annotations": {}, "podLabels": {}, "podAnnotations": {},
                "resources": {"requests": null, "limits": null}, "release": {"resources": {"requests": null, "limits": null}},
                "networkPolicy": {"enabled": true, "ingressFrom": [], "egress": []},
                "grafanaDashboard": {"enabled": true, "labels": {}},
            }),
        ),
        named("the whole cluster", json!({"clusterWide": true})),
        named("a list of namespaces", json!({"watchNamespaces": watched})),
        named(
            "a list with its own",
            json!({"watchNamespaces": [namespace, watched[0], namespace]}),
        ),
        named("three replicas", json!({"replicas": 3})),
        named(
            "three replicas, placed by hand",
            json!({
                "replicas": 3, "podAntiAffinity": "none", "podDisruptionBudget": {"enabled": true},
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]},
                ]}}},
            }),
        ),
        named("none", json!({"replicas": 0})),
        named(
            "no leader election",
            json!({"leaderElection": {"enabled": false}}),
        ),
        named(
            "as little as may be",
            json!({
                "crd": {"install": false}, "rbac": {"create": false}, "serviceAccount": {"create": false},
                "release": {"enabled": false}, "admissionWarnings": {"enabled": false}, "service": {"enabled": false},
            }),
        ),
    ];
    all.chain(several).collect()
}

/// The CRDs of the Prometheus Operator.
pub fn monitoring(plane: &ControlPlane) {
    plane.kubectl_ok(
        &["apply", "--server-side", "-f", "-"],
        &read("tests/chart/monitoring-crds.yaml"),
    );
    plane.kubectl_ok(
        &["wait", "--for=condition=Established", "--timeout=30s", "-f", "-"],
        &read("tests/chart/monitoring-crds.yaml"),
    );
}

async fn restricted_namespace() -> Namespace {
    let plane = control_plane();
    let namespace = Namespace::create(&plane.client().await).await;
    let label = "pod-security.kubernetes.io/enforce=restricted";
    plane.kubectl_ok(&["label", "namespace", namespace.name(), label], "");
    namespace
}

/// kubectl's errors for a dry run of applying these manifests.
fn complaint(manifests: &str) -> Option<String> {
    complaint_with(&[], manifests)
}

/// The same in a namespace that the manifests need not name.
pub fn complaint_in(namespace: &str, manifests: &str) -> Option<String> {
    complaint_with(&["-n", namespace], manifests)
}

fn complaint_with(options: &[&str], manifests: &str) -> Option<String> {
    let apply = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
    let output = control_plane().kubectl(&[&apply, options].concat(), manifests);
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The pods that a Deployment and a Job would create.
fn pods(documents: &[Value], namespace: &str) -> Vec<Value> {
    documents
        .iter()
        .filter(|document| document["spec"]["template"]["spec"]["containers"].is_array())
        .map(|document| {
            let mut pod = document["spec"]["template"].clone();
            pod["apiVersion"] = json!("v1");
            pod["kind"] = json!("Pod");
            pod["metadata"]["name"] = document["metadata"]["name"].clone();
            pod["metadata"]["namespace"] = json!(namespace);
            pod
        })
        .collect()
}

#[tokio::test]
async fn every_rendering_is_accepted() {
    let plane = control_plane();
    monitoring(plane);
    let (namespace, watched) = (restricted_namespace().await, restricted_namespace().await);
    let other = restricted_namespace().await;
    let mut wrong = Vec::new();
    for (name, release, values) in renderings(namespace.name(), &[watched.name(), other.name()]) {
        if let Err(said) = lint(OPERATOR, &values) {
            wrong.push(format!("{name}: {said}"));
        }
        let rendered = template(OPERATOR, &release, namespace.name(), &values)
            .unwrap_or_else(|said| panic!("{name}: {said}"));
        let documents = documents(&rendered);
        wrong.extend(complaint(&rendered).map(|said| format!("{name}: {said}")));
        let pods = pods(&documents, namespace.name());
        assert!(!pods.is_empty(), "{name}");
        wrong.extend(complaint(&yaml(&pods)).map(|said| format!("{name}, its pods: {said}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The namespace really rejects pods that violate the policy.
    let rendered = template(OPERATOR, "operator", namespace.name(), &json!({})).expect("it renders");
    let mut pod = pods(&documents(&rendered), namespace.name()).remove(0);
    pod["spec"]["containers"][0]["securityContext"] = json!({});
    let said = complaint(&yaml([&pod])).expect("it is refused");
    assert!(said.contains("violates PodSecurity"), "{said}");
}

#[tokio::test]
async fn every_list_of_schedules_is_accepted() {
    let namespace = restricted_namespace().await;
    let local = json!([{"key": "filePath", "value": "/app/onlyoffice/data/backup"}]);
    let docspace = json!({"enabled": true, "namespace": "docspace", "host": "docs.example.com"});
    for (name, values, count) in [
        ("none", json!({}), 0),
        (
            "the preset",
            json!({
                "docspace": docspace,
                "schedules": [{"name": "nightly", "spec": {"storageType": "Local", "storageParams": local}}],
            }),
            1,
        ),
        // With the four documents of the test.
        ("all values", every_value(SCHEDULES).remove(0), 6),
    ] {
        lint(SCHEDULES, &values).unwrap_or_else(|said| panic!("{name}: {said}"));
        let rendered = template(SCHEDULES, "schedules", namespace.name(), &values)
            .unwrap_or_else(|said| panic!("{name}: {said}"));
        let documents = documents(&rendered);
        assert_eq!(documents.len(), count, "{name}");
        if count > 0 {
            assert_eq!(complaint(&rendered), None, "{name}");
        }
    }
}

#[test]
fn schedules_are_the_preset_then_the_defaults_then_their_own() {
    let values = json!({
        "docspace": {"enabled": true, "host": "docs.example.com"},
        "defaults": {"storageType": "DataStore", "backupsStored": 3},
        "schedules": [
            {"name": "a"},
            {"name": "b", "spec": {
                "backupsStored": 5, "dump": true,
                "portal": {"url": "https://other.example.com", "hostHeader": null},
                "cronParams": {"hour": 4},
            }},
        ],
    });
    let rendered = template(SCHEDULES, "x", "docs", &values);
    assert!(rendered.is_err(), "hostHeader is a text: {rendered:?}");
    let mut values = values;
    values["schedules"][1]["spec"]["portal"]["hostHeader"] = json!("other.example.com");
    let rendered = documents(&template(SCHEDULES, "x", "docs", &values).expect("it renders"));
    let objects = of_kind(&rendered, "DocSpaceBackupSchedule");
    assert_eq!(
        objects[0]["spec"],
        json!({
            "portal": {
                "url": "http://router.docs.svc:8092",
                "hostHeader": "docs.example.com",
                "apiKeySecretRef": {"name": "docspace-api-key"},
            },
            "storageType": "DataStore",
            "cronParams": {"period": "EveryDay", "hour": 3},
            "backupsStored": 3,
        })
    );
    assert_eq!(
        objects[1]["spec"],
        json!({
            "portal": {
                "url": "https://other.example.com",
                "hostHeader": "other.example.com",
                "apiKeySecretRef": {"name": "docspace-api-key"},
            },
            "storageType": "DataStore",
            "cronParams": {"period": "EveryDay", "hour": 4},
            "backupsStored": 5,
            "dump": true,
        })
    );
}

/// Two releases of one name may have their monitors in one namespace.
#[test]
fn what_is_in_a_shared_namespace_has_a_name_of_its_own() {
    let values = json!({
        "serviceMonitor": {"enabled": true, "namespace": "monitoring"},
        "grafanaDashboard": {"enabled": true, "namespace": "monitoring"},
    });
    let names = |release_namespace: &str| {
        let rendered = template(OPERATOR, "operator", release_namespace, &values).expect("it renders");
        let rendered = documents(&rendered);
        ["ServiceMonitor", "ConfigMap"].map(|kind| {
            let metadata = &of_kind(&rendered, kind)[0]["metadata"];
            assert_eq!(metadata["namespace"], "monitoring", "{kind}");
            metadata["name"].clone()
        })
    };
    let (one, other) = (names("a"), names("b"));
    assert!(one.iter().zip(&other).all(|(one, other)| one != other), "{one:?}");
    let monitor = template(OPERATOR, "operator", "a", &values).expect("it renders");
    let monitor = of_kind(&documents(&monitor), "ServiceMonitor")[0]["spec"].clone();
    assert_eq!(monitor["namespaceSelector"], json!({"matchNames": ["a"]}));
}
