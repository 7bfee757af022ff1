//! A release from installation to uninstall, with Helm. There is no node, so nothing waits for pods.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use docspace_backup_operator::api::{DocSpaceBackupSchedule, FINALIZER, crd_yaml};
use harness::{ControlPlane, Namespace, control_plane, nightly, unused};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, ResourceExt, api::PostParams};
use serde_json::{Value, json};

use crate::helm::{OPERATOR, documents, of_kind, on, path, template, yaml};

const CRD: &str = "docspacebackupschedules.docspace.onlyoffice.com";

/// The chart as an older version: its CRD has no short name.
fn older_chart(folder: PathBuf) -> PathBuf {
    let copied = Command::new("cp")
        .arg("-r")
        .arg(path(OPERATOR))
        .arg(&folder)
        .status();
    assert!(copied.expect("cp runs").success());
    let older = crd_yaml().replace("    shortNames:\n    - dsbs\n", "");
    assert!(older != crd_yaml());
    fs::write(folder.join("files/docspacebackupschedules.yaml"), older).expect("it can be written");
    folder
}

async fn short_names(client: &Client) -> Option<Vec<String>> {
    let crd = Api::<CustomResourceDefinition>::all(client.clone())
        .get(CRD)
        .await;
    crd.expect("it is there").spec.names.short_names
}

fn schedules_in(client: &Client, namespace: &Namespace) -> Api<DocSpaceBackupSchedule> {
    namespace.schedules(client)
}

async fn with_finalizer(client: &Client, namespace: &Namespace) {
    let mut object: DocSpaceBackupSchedule = nightly("https://docs.example.com");
    object.metadata.finalizers = Some(vec![FINALIZER.into()]);
    let created = schedules_in(client, namespace)
        .create(&PostParams::default(), &object)
        .await;
    created.expect("the object is accepted");
}

/// Uses a separate control plane, because it changes the CRD back and forth.
#[tokio::test]
async fn installed_upgraded_rolled_back_and_uninstalled() {
    let plane = ControlPlane::own().await;
    let client = plane.client().await;
    let namespace = Namespace::create(&client).await;
    let helm = |arguments: &[&str], values: Option<&Value>| {
        on(&plane, namespace.name(), arguments, values)
            .unwrap_or_else(|said| panic!("helm {}: {said}", arguments.join(" ")))
    };
    let replicas = || {
        let path = "jsonpath={.spec.replicas}";
        plane.kubectl_ok(
            &[
                "get",
                "deployment/docspace-backup-operator",
                "-n",
                namespace.name(),
                "-o",
                path,
            ],
            "",
        )
    };
    let release = "docspace-backup-operator";
    let older = older_chart(plane.folder().join("older-chart"));
    let (older, chart) = (
        older.to_string_lossy().into_owned(),
        path(OPERATOR).to_string_lossy().into_owned(),
    );

    let said = helm(&["install", release, &older], Some(&json!({})));
    assert!(said.contains(&format!("watches {}.", namespace.name())), "{said}");
    plane.kubectl_ok(
        &[
            "wait",
            &format!("crd/{CRD}"),
            "--for=condition=Established",
            "--timeout=30s",
        ],
        "",
    );
    assert_eq!((replicas().as_str(), short_names(&client).await), ("1", None));
    with_finalizer(&client, &namespace).await;

    helm(
        &["upgrade", release, &chart],
        Some(&json!({"replicas": 3, "watchNamespaces": [namespace.name()]})),
    );
    assert_eq!(
        (replicas().as_str(), short_names(&client).await),
        ("3", Some(vec!["dsbs".into()]))
    );

    helm(&["rollback", release, "1"], None);
    assert_eq!((replicas().as_str(), short_names(&client).await), ("1", None));

    let said = helm(&["upgrade", release, &chart], Some(&json!({"clusterWide": true})));
    assert!(said.contains("release --objects-only --namespace"), "{said}");
    let hooks = helm(&["get", "hooks", release], None);
    assert_eq!(of_kind(&documents(&hooks), "Job").len(), 1);

    // Jobs never complete without a node; a separate test covers the Job.
    helm(&["uninstall", release, "--no-hooks"], None);
    let kinds = "deployments,services,serviceaccounts,roles,rolebindings,jobs,secrets";
    let left = plane.kubectl_ok(&["get", kinds, "-n", namespace.name(), "-o", "name"], "");
    assert_eq!(left, "");
    let kinds =
        "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings";
    let label = "app.kubernetes.io/instance=docspace-backup-operator";
    assert_eq!(
        plane.kubectl_ok(&["get", kinds, "-l", label, "-o", "name"], ""),
        ""
    );

    // The CRD and the objects are kept; the same release adopts the CRD again.
    let object = schedules_in(&client, &namespace)
        .get("nightly")
        .await
        .expect("it is kept");
    assert_eq!(object.finalizers(), [FINALIZER]);
    helm(&["install", release, &chart], Some(&json!({})));
    assert_eq!(short_names(&client).await, Some(vec!["dsbs".into()]));
}

/// Helm does not adopt a CRD that kubectl applied without `--take-ownership`.
#[tokio::test]
async fn a_crd_that_is_there_already_is_taken_over_when_asked() {
    let plane = ControlPlane::own().await;
    plane.apply_crd();
    let client = plane.client().await;
    let namespace = Namespace::create(&client).await;
    let chart = path(OPERATOR).to_string_lossy().into_owned();
    let install = ["install", "operator", &chart];
    let values = json!({});
    let said = on(&plane, namespace.name(), &install, Some(&values)).expect_err("it is nobody's");
    assert!(said.contains(CRD), "{said}");
    let with_flag = [&install[..], &["--take-ownership"]].concat();
    let taken = on(&plane, namespace.name(), &with_flag, Some(&values));
    assert!(taken.is_ok(), "{taken:?}");

    // Another release leaves the CRD to the first one.
    let other = Namespace::create(&client).await;
    let without = json!({"crd": {"install": false}});
    let installed = on(&plane, other.name(), &install, Some(&without));
    assert!(installed.is_ok(), "{installed:?}");
}

/// The rows of docs/high-availability.md about a second release.
#[tokio::test]
async fn two_shards_are_two_releases_that_leave_each_other_alone() {
    let plane = ControlPlane::own().await;
    let client = plane.client().await;
    let namespace = Namespace::create(&client).await;
    let name = namespace.name();
    let chart = path(OPERATOR).to_string_lossy().into_owned();
    let helm = |arguments: &[&str], values: Option<&Value>| on(&plane, name, arguments, values);
    let of_shard = |selector: &str, more: Value| {
        let mut values = json!({"clusterWide": true, "selector": selector});
        let more = more.as_object().expect("values").clone();
        values.as_object_mut().expect("values").extend(more);
        values
    };
    let (a, b) = ("shard=a", "shard notin (a)");
    let said = helm(&["install", "a", &chart], Some(&of_shard(a, json!({})))).expect("it is installed");
    assert!(
        said.contains("all namespaces, only objects with the labels shard=a."),
        "{said}"
    );
    let said = helm(&["install", "b", &chart], Some(&of_shard(b, json!({})))).expect_err("the CRD is of a");
    assert!(said.contains(CRD), "{said}");
    let second = json!({"crd": {"install": false}, "admissionWarnings": {"enabled": false}});
    helm(&["install", "b", &chart], Some(&of_shard(b, second))).expect("it is installed");

    let get = |what: &str, path: &str| {
        let path = format!("jsonpath={path}");
        plane.kubectl_ok(&["get", what, "-n", name, "-o", &path], "")
    };
    for (release, selector) in [("a", a), ("b", b)] {
        let full = format!("{release}-docspace-backup-operator");
        let arguments = get(
            &format!("deployment/{full}"),
            "{.spec.template.spec.containers[0].args}",
        );
        assert!(
            arguments.contains(&format!("--selector={selector}")),
            "{arguments}"
        );
        assert!(
            arguments.contains(&format!("--lease-name={full}\"")),
            "{arguments}"
        );
        assert_eq!(
            get(&format!("role/{full}-lease"), "{.rules[1].resourceNames}"),
            format!("[\"{full}\"]")
        );
    }

    for (name, labels) in [("one", json!({"shard": "a"})), ("two", json!({"shard": "b"}))] {
        let mut object: DocSpaceBackupSchedule = nightly("https://docs.example.com");
        object.metadata.name = Some(name.into());
        object.metadata.labels = serde_json::from_value(labels).expect("labels");
        object.metadata.finalizers = Some(vec![FINALIZER.into()]);
        let created = schedules_in(&client, &namespace)
            .create(&PostParams::default(), &object)
            .await;
        created.expect("the object is accepted");
    }
    // Without a node, Helm waits for the Job in vain.
    let hooks = documents(&helm(&["get", "hooks", "a"], None).expect("they are known"));
    helm(&["uninstall", "a", "--timeout", "2s"], None).expect_err("the Job does not end");
    let token = fs::read_to_string(plane.folder().join("tokens")).expect("a file of tokens");
    let administrator = plane.kubeconfig_for(name, token.split(',').next().expect("a token"));
    let said = run_job(
        &of_kind(&hooks, "Job")[0]["spec"]["template"]["spec"],
        &administrator,
    );
    assert!(
        said.contains("/one is released") && said.contains("1 object released"),
        "{said}"
    );
    let two = schedules_in(&client, &namespace)
        .get("two")
        .await
        .expect("it is there");
    assert_eq!(two.finalizers(), [FINALIZER]);
    let replicas = |release: &str| {
        get(
            &format!("deployment/{release}-docspace-backup-operator"),
            "{.spec.replicas}",
        )
    };
    assert_eq!((replicas("a").as_str(), replicas("b").as_str()), ("0", "1"));
    helm(&["uninstall", "a", "--no-hooks"], None).expect("it is uninstalled");
    let kinds = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings";
    let left = |label: &str| plane.kubectl_ok(&["get", kinds, "-n", name, "-l", label, "-o", "name"], "");
    assert_eq!(left("app.kubernetes.io/instance=a"), "");
    assert_eq!(left("app.kubernetes.io/instance=b").lines().count(), 9);
}

/// Runs the real program with the arguments of a Job; returns what it says.
fn run_job(job: &Value, kubeconfig: &Path) -> String {
    let arguments = job["containers"][0]["args"].as_array().expect("a list");
    let arguments = arguments
        .iter()
        .map(|argument| argument.as_str().expect("a text"));
    let output = Command::new(env!("CARGO_BIN_EXE_docspace-backup-operator"))
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tools that render the chart and know no hooks create the Job together with the operator, or at any time later.
#[tokio::test]
async fn the_job_does_nothing_until_helm_itself_uninstalls() {
    let plane = ControlPlane::own().await;
    let client = plane.client().await;
    let namespace = Namespace::create(&client).await;
    let helm = |arguments: &[&str], values: Option<&Value>| on(&plane, namespace.name(), arguments, values);
    let replicas = || {
        let (deployment, path) = ("deployment/docspace-backup-operator", "jsonpath={.spec.replicas}");
        plane.kubectl_ok(&["get", deployment, "-n", namespace.name(), "-o", path], "")
    };
    let release = "docspace-backup-operator";
    let rendered = template(OPERATOR, release, namespace.name(), &json!({})).expect("it renders");
    plane.kubectl_ok(&["apply", "-f", "-"], &rendered);
    let job = of_kind(&documents(&rendered), "Job")[0]["spec"]["template"]["spec"].clone();
    let account = job["serviceAccountName"].as_str().expect("a name");
    let token = plane.kubectl_ok(&["create", "token", account, "-n", namespace.name()], "");
    let own = plane.kubeconfig_for(namespace.name(), token.trim());
    let said = run_job(&job, &own);
    assert!(said.contains("Helm has no record"), "{said}");
    assert_eq!(replicas(), "1");
    plane.kubectl_ok(&["delete", "-f", "-"], &rendered);

    let chart = path(OPERATOR).to_string_lossy().into_owned();
    helm(&["install", release, &chart], Some(&json!({}))).expect("it is installed");
    helm(&["upgrade", release, &chart], Some(&json!({}))).expect("it is upgraded");
    helm(&["rollback", release, "1"], None).expect("it is rolled back");
    with_finalizer(&client, &namespace).await;
    // Helm deletes the rights of a Job that has failed, so they are an administrator's here.
    let token = std::fs::read_to_string(plane.folder().join("tokens")).expect("a file of tokens");
    let administrator = token.split(',').next().expect("a token");
    let administrator = plane.kubeconfig_for(namespace.name(), administrator);
    let said = run_job(&job, &administrator);
    assert!(said.contains("revision 3, says \"deployed\""), "{said}");
    assert_eq!(replicas(), "1");

    // Without a node, Helm waits for the Job in vain.
    helm(&["uninstall", release, "--timeout", "2s"], None).expect_err("the Job does not end");
    let said = run_job(&job, &administrator);
    assert!(said.contains("1 object released"), "{said}");
    assert_eq!(replicas(), "0");
}

/// Runs the real program with the hook's own rights and the arguments of its Job.
#[tokio::test]
async fn what_runs_before_the_end_has_the_rights_for_it() {
    let plane = control_plane();
    let client = plane.client().await;
    let (own, watched) = (Namespace::create(&client).await, Namespace::create(&client).await);
    let both = json!({"watchNamespaces": [own.name(), watched.name()]});
    for (number, values) in [json!({}), both, json!({"clusterWide": true})].iter().enumerate() {
        let schedules = if number == 0 {
            vec![&own]
        } else {
            vec![&own, &watched]
        };
        let release = format!("operator-{number}");
        let rendered = documents(&template(OPERATOR, &release, own.name(), values).expect("it renders"));
        let of_hook = |document: &&Value| document["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete";
        let hooks: Vec<_> = rendered.iter().filter(of_hook).cloned().collect();
        let rights: Vec<_> = hooks.iter().filter(|hook| hook["kind"] != "Job").collect();
        assert!(rights.len() >= 5, "{rights:?}");
        plane.kubectl_ok(&["apply", "-f", "-"], &yaml(rights));
        plane.kubectl_ok(&["apply", "-f", "-"], &yaml(of_kind(&rendered, "Deployment")));
        for namespace in &schedules {
            let found = schedules_in(&client, namespace)
                .get_opt("nightly")
                .await
                .expect("the API answers");
            if found.is_none() {
                with_finalizer(&client, namespace).await;
            } else {
                let patch = json!({"metadata": {"finalizers": [FINALIZER]}}).to_string();
                let patch = [
                    "patch",
                    "dsbs/nightly",
                    "--type=merge",
                    "-p",
                    &patch,
                    "-n",
                    namespace.name(),
                ];
                plane.kubectl_ok(&patch, "");
            }
        }

        // As Helm's record is while it uninstalls.
        let record = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": format!("sh.helm.release.v1.{release}.v1"),
                "namespace": own.name(),
                "labels": {"owner": "helm", "name": release, "version": "1", "status": "uninstalling"},
            },
        });
        plane.kubectl_ok(&["apply", "-f", "-"], &yaml([&record]));
        let job = of_kind(&hooks, "Job")[0]["spec"]["template"]["spec"].clone();
        let account = job["serviceAccountName"].as_str().expect("a name");
        let token = plane.kubectl_ok(&["create", "token", account, "-n", own.name()], "");
        run_job(&job, &plane.kubeconfig_for(own.name(), token.trim()));
        for namespace in &schedules {
            let object = schedules_in(&client, namespace)
                .get("nightly")
                .await
                .expect("it is there");
            assert!(object.finalizers().is_empty(), "{values}");
        }
        let deployment = of_kind(&rendered, "Deployment")[0]["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        let deployment = format!("deployment/{deployment}");
        let path = "jsonpath={.spec.replicas}";
        assert_eq!(
            plane.kubectl_ok(&["get", &deployment, "-n", own.name(), "-o", path], ""),
            "0"
        );

        let account = format!("{}:{account}", own.name());
        let refused = plane.audit().refused(&account);
        assert!(refused.is_empty(), "the hook lacks rights: {refused:?}");
        let roles = ["Role", "ClusterRole"].map(|kind| of_kind(&hooks, kind));
        let unused = unused(roles.concat(), &plane.audit().used(&account));
        assert!(unused.is_empty(), "rights that nothing makes use of: {unused:?}");
    }
}
