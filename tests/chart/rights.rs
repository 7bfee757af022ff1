//! The operator's rights and its arguments.

use std::collections::BTreeSet;

use clap::{CommandFactory, Parser};
use docspace_backup_operator::cli::Cli;
use harness::{DEADLINE, control_plane, wait_for};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use serde_json::{Value, json};

use crate::{
    helm::{OPERATOR, documents, of_kind, read, template, yaml},
    render::all_values,
};

fn rendered(values: &Value) -> Vec<Value> {
    documents(&template(OPERATOR, "operator", "docspace", values).expect("it renders"))
}

/// Roles or ClusterRoles, without the ones for the Lease and the hook.
fn rules_of_the_operator<'a>(documents: &'a [Value], kind: &str) -> Vec<(&'a Value, &'a Value)> {
    of_kind(documents, kind)
        .into_iter()
        .filter(|role| role["metadata"]["labels"]["app.kubernetes.io/component"] == "operator")
        .filter(|role| role["rules"][0]["apiGroups"][0] != "coordination.k8s.io")
        .map(|role| (&role["metadata"]["namespace"], &role["rules"]))
        .collect()
}

/// The chart grants the same rights as `deploy/install.yaml`, with which the integration tests run the operator.
#[test]
fn they_are_the_same_wherever_it_watches() {
    let installed = documents(&read("deploy/install.yaml"));
    let tried = rules_of_the_operator(&installed, "Role");
    assert_eq!(tried.len(), 1);
    let rules = tried[0].1;

    let several = rendered(&json!({"watchNamespaces": ["a", "b", "docspace"]}));
    let (a, b, own) = (json!("a"), json!("b"), json!("docspace"));
    assert_eq!(
        rules_of_the_operator(&several, "Role"),
        [(&a, rules), (&b, rules), (&own, rules)]
    );
    assert!(rules_of_the_operator(&several, "ClusterRole").is_empty());

    let everywhere = rendered(&json!({"clusterWide": true}));
    assert_eq!(
        rules_of_the_operator(&everywhere, "ClusterRole"),
        [(&Value::Null, rules)]
    );
    assert!(rules_of_the_operator(&everywhere, "Role").is_empty());
}

#[test]
fn they_are_bound_to_its_service_account() {
    for values in [
        json!({}),
        json!({"clusterWide": true}),
        json!({"watchNamespaces": ["a", "b"]}),
        all_values(),
    ] {
        let documents = rendered(&values);
        let account = |component: &str, kind: &str| {
            let of_component = |document: &&&Value| {
                document["metadata"]["labels"]["app.kubernetes.io/component"] == component
            };
            let found = of_kind(&documents, kind);
            let found = found.iter().find(of_component).expect("it is there");
            found["spec"]["template"]["spec"]["serviceAccountName"].clone()
        };
        for (component, kind) in [("operator", "Deployment"), ("release", "Job")] {
            let account = account(component, kind);
            let mut bound = Vec::new();
            for binding in documents
                .iter()
                .filter(|document| document["roleRef"].is_object())
            {
                if binding["metadata"]["labels"]["app.kubernetes.io/component"] != component {
                    continue;
                }
                assert_eq!(
                    binding["subjects"],
                    json!([{"kind": "ServiceAccount", "name": account, "namespace": "docspace"}])
                );
                let (role, place) = (&binding["roleRef"], &binding["metadata"]["namespace"]);
                bound.push((role["kind"].clone(), role["name"].clone(), place.clone()));
            }
            for role in documents.iter().filter(|document| document["rules"].is_array()) {
                if role["metadata"]["labels"]["app.kubernetes.io/component"] != component {
                    continue;
                }
                let (name, place) = (&role["metadata"]["name"], &role["metadata"]["namespace"]);
                let role = (role["kind"].clone(), name.clone(), place.clone());
                assert!(bound.contains(&role), "{role:?} is bound to nobody");
            }
            assert!(
                of_kind(&documents, "ServiceAccount")
                    .iter()
                    .any(|found| found["metadata"]["name"] == account)
            );
        }
    }
}

/// What a role allows with schedules.
fn verbs_of(role: &ClusterRole) -> BTreeSet<&str> {
    let names = |names: &Option<Vec<String>>, wanted: &str| names.iter().flatten().any(|name| name == wanted);
    let rules = role.rules.iter().flatten().filter(|rule| {
        names(&rule.api_groups, "docspace.onlyoffice.com")
            && names(&rule.resources, "docspacebackupschedules")
    });
    rules
        .flat_map(|rule| rule.verbs.iter().map(String::as_str))
        .collect()
}

#[tokio::test]
async fn kubernetes_own_roles_cover_schedules() {
    let plane = control_plane();
    let documents = rendered(&json!({}));
    let added = of_kind(&documents, "ClusterRole");
    assert_eq!(added.len(), 2);
    plane.kubectl_ok(&["apply", "-f", "-"], &yaml(added));
    let roles: Api<ClusterRole> = Api::all(plane.client().await);
    let reads = BTreeSet::from(["get", "list", "watch"]);
    let writes = BTreeSet::from(["create", "update", "patch", "delete", "deletecollection"]);
    let both = &reads | &writes;
    for (role, verbs) in [("view", reads), ("edit", both.clone()), ("admin", both)] {
        wait_for(&roles, role, DEADLINE, |role| verbs_of(role) == verbs).await;
    }
    let without = rendered(&json!({"rbac": {"aggregate": false}}));
    assert!(of_kind(&without, "ClusterRole").is_empty());
}

/// Whether the program accepts this argument.
fn is_known(command: &str, argument: &str) -> bool {
    let cli = Cli::command();
    let command = cli.find_subcommand(command).expect("the program knows it");
    let Some(flag) = argument.strip_prefix("--") else {
        return true;
    };
    let flag = flag.split('=').next().expect("there is a first");
    command
        .get_arguments()
        .any(|known| known.get_long() == Some(flag))
}

/// The program accepts every flag that the chart sets.
#[test]
fn the_program_takes_the_arguments() {
    // extraArgs repeat a flag that may be set only once.
    let mut all = all_values();
    all["extraArgs"] = json!([]);
    let several = [
        json!({}),
        json!({"clusterWide": true}),
        json!({"watchNamespaces": ["a", "b"]}),
        all,
    ];
    for values in several {
        for document in rendered(&values) {
            let Some(arguments) = document["spec"]["template"]["spec"]["containers"][0]["args"].as_array()
            else {
                continue;
            };
            let arguments: Vec<_> = arguments
                .iter()
                .map(|argument| argument.as_str().expect("a text"))
                .collect();
            let tried = arguments
                .iter()
                .filter(|argument| is_known(arguments[0], argument));
            let line = ["docspace-backup-operator"].iter().chain(tried);
            if let Err(error) = Cli::try_parse_from(line) {
                panic!("{}: {error}", document["kind"]);
            }
        }
    }
}
