//! Generated files are current, references have a target, and the API server accepts the samples.

use std::{collections::BTreeSet, fs, process::Command};

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use harness::{Namespace, control_plane};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use crate::{
    helm::{OPERATOR, SCHEDULES, documents, of_kind, path, read, template},
    render::complaint_in,
};

/// The page of metrics and alerts.
const MONITORING: &str = "docs/monitoring.md";

#[test]
fn the_charts_crd_is_the_crd() {
    assert!(
        read(&format!("{OPERATOR}/files/docspacebackupschedules.yaml"))
            == docspace_backup_operator::api::crd_yaml(),
        "the chart's CRD is not what the types say; write it anew with: make crds"
    );
}

/// The chart adds only the metadata that Helm needs.
#[test]
fn the_crd_is_rendered_whole_and_kept() {
    let rendered = documents(&template(OPERATOR, "operator", "docspace", &json!({})).expect("it renders"));
    let mut rendered = of_kind(&rendered, "CustomResourceDefinition")[0].clone();
    assert_eq!(
        rendered["metadata"]["annotations"]["helm.sh/resource-policy"],
        "keep"
    );
    let metadata = rendered["metadata"].as_object_mut().expect("an object");
    metadata.retain(|name, _| name == "name");
    let rendered: CustomResourceDefinition = serde_json::from_value(rendered).expect("it is one");
    assert!(rendered == docspace_backup_operator::api::crd());
}

#[test]
fn the_plain_manifests_are_the_chart_with_default_values() {
    let rendered = Command::new(path("deploy/render-install"))
        .output()
        .expect("it runs");
    assert!(
        rendered.status.success(),
        "{}",
        String::from_utf8_lossy(&rendered.stderr)
    );
    assert!(
        read("deploy/install.yaml") == String::from_utf8_lossy(&rendered.stdout),
        "deploy/install.yaml is not what the chart renders; write it anew with: make manifests"
    );
    assert!(
        !read("deploy/install.yaml").contains("helm.sh/hook"),
        "kubectl would run it"
    );
}

#[test]
fn the_charts_have_the_programs_version() {
    for chart in [OPERATOR, SCHEDULES] {
        let chart = documents(&read(&format!("{chart}/Chart.yaml"))).remove(0);
        assert_eq!(
            chart["appVersion"],
            env!("CARGO_PKG_VERSION"),
            "{}",
            chart["name"]
        );
    }
}

/// The anchors of a page's headings, as GitHub generates them.
fn anchors(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_alert_has_its_section_in_the_docs() {
    let values =
        json!({"prometheusRule": {"enabled": true, "runbook": "https://docs.example.com/monitoring.md"}});
    let rendered = documents(&template(OPERATOR, "operator", "docspace", &values).expect("it renders"));
    let anchors = anchors(&read(MONITORING));
    let rules = of_kind(&rendered, "PrometheusRule")[0]["spec"]["groups"][0]["rules"]
        .as_array()
        .expect("a list");
    assert!(rules.len() >= 5);
    for rule in rules {
        let url = rule["annotations"]["runbook_url"].as_str().expect("a text");
        let (page, anchor) = url.split_once('#').expect("it names a section");
        assert_eq!(page, "https://docs.example.com/monitoring.md");
        assert!(anchors.contains(anchor), "{MONITORING} has no section {anchor}");
    }
}

#[test]
fn the_dashboard_is_json() {
    let values = json!({"grafanaDashboard": {"enabled": true}});
    let rendered = documents(&template(OPERATOR, "operator", "docspace", &values).expect("it renders"));
    let dashboard = &of_kind(&rendered, "ConfigMap")[0]["data"]["docspace-backups.json"];
    let dashboard: Value = serde_json::from_str(dashboard.as_str().expect("a text")).expect("it is JSON");
    assert!(
        dashboard["panels"]
            .as_array()
            .is_some_and(|panels| !panels.is_empty())
    );
}

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_lowercase() && c != '_')
        .filter(|word| word.starts_with("docspace_backup_"))
        .collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let page = read(MONITORING);
    let there_are = metrics(&page);
    let rules = read(&format!("{OPERATOR}/templates/prometheusrule.yaml"));
    let dashboard = read(&format!("{OPERATOR}/files/dashboard.json"));
    let named = &metrics(&rules) | &metrics(&dashboard);
    assert!(named.len() >= 8, "{named:?}");
    let unknown = &named - &there_are;
    assert!(unknown.is_empty(), "{MONITORING} does not name {unknown:?}");
}

/// The field at this path of a schema; the items of a list stand for the list.
fn field<'a>(mut schema: &'a Value, fields: &Value) -> &'a Value {
    for name in fields.as_array().expect("a path") {
        schema = &schema["properties"][name.as_str().expect("a name")];
        if schema["type"] == "array" {
            schema = &schema["items"];
        }
    }
    schema
}

#[test]
fn kube_state_metrics_is_told_fields_that_there_are() {
    let config: Value =
        serde_saphyr::from_str(&read("deploy/monitoring/kube-state-metrics.yaml")).expect("it is YAML");
    let crd = serde_json::to_value(docspace_backup_operator::api::crd()).expect("JSON");
    let version = &crd["spec"]["versions"][0];
    let resource = &config["spec"]["resources"][0];
    let kind = &resource["groupVersionKind"];
    assert_eq!(
        [&kind["group"], &kind["version"], &kind["kind"]],
        [
            &crd["spec"]["group"],
            &version["name"],
            &crd["spec"]["names"]["kind"]
        ]
    );
    let schema = &version["schema"]["openAPIV3Schema"];
    let metrics = resource["metrics"].as_array().expect("metrics");
    assert!(metrics.len() >= 3);
    for metric in metrics {
        let gauge = &metric["each"]["gauge"];
        let found = field(schema, &gauge["path"]);
        assert!(found["type"].is_string(), "{metric}");
        let labels = gauge["labelsFromPath"]
            .as_object()
            .into_iter()
            .flat_map(|labels| labels.values());
        for path in labels.chain(gauge.get("valueFrom")) {
            assert_eq!(field(found, path)["type"], "string", "{metric}: {path}");
        }
    }
}

#[tokio::test]
async fn every_sample_is_accepted_and_every_storage_type_has_one() {
    let namespace = Namespace::create(&control_plane().client().await).await;
    let mut storage_types = BTreeSet::new();
    for entry in fs::read_dir(path("deploy/samples")).expect("a folder") {
        let file = entry.expect("an entry").path();
        let text = fs::read_to_string(&file).expect("it is text");
        assert!(
            text.starts_with("# "),
            "{} does not say what it is",
            file.display()
        );
        assert_eq!(complaint_in(namespace.name(), &text), None);
        for document in documents(&text) {
            if document["kind"] == "DocSpaceBackupSchedule" {
                serde_json::from_value::<DocSpaceBackupSchedule>(document.clone())
                    .expect("the operator reads it");
                storage_types.insert(
                    document["spec"]["storageType"]
                        .as_str()
                        .expect("a text")
                        .to_owned(),
                );
            }
        }
    }
    let all = [
        "CustomCloud",
        "DataStore",
        "Documents",
        "Local",
        "ThirdPartyConsumer",
        "ThridpartyDocuments",
    ];
    assert_eq!(storage_types, all.map(Into::into).into());
}
