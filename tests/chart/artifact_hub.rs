//! What the charts tell Artifact Hub, in the annotations of Chart.yaml.

use docspace_backup_operator::api::crd;
use harness::{Namespace, control_plane};
use serde_json::{Value, json};

use crate::{
    helm::{OPERATOR, SCHEDULES, documents, of_kind, read, template, yaml},
    render::complaint_in,
};

/// An annotation; text inside it is YAML where Artifact Hub expects more than a text.
fn told(chart: &str, name: &str) -> Value {
    let chart = documents(&read(&format!("{chart}/Chart.yaml"))).remove(0);
    let value = &chart["annotations"][format!("artifacthub.io/{name}")];
    documents(value.as_str().expect("annotations are texts")).remove(0)
}

#[test]
fn both_charts_have_the_licence() {
    for chart in [OPERATOR, SCHEDULES] {
        assert_eq!(told(chart, "license"), "Apache-2.0", "{chart}");
        let readme = read(&format!("{chart}/README.md"));
        assert!(readme.contains("\nApache-2.0"), "{chart}");
    }
}

#[test]
fn the_image_and_the_crd_are_those_of_the_chart() {
    let rendered = documents(&template(OPERATOR, "x", "docspace", &json!({})).expect("it renders"));
    let pod = &of_kind(&rendered, "Deployment")[0]["spec"]["template"]["spec"];
    assert_eq!(
        told(OPERATOR, "images")[0]["image"],
        pod["containers"][0]["image"]
    );
    let (crd, told) = (crd(), told(OPERATOR, "crds"));
    assert_eq!(told[0]["kind"], crd.spec.names.kind);
    assert_eq!(told[0]["name"], json!(crd.metadata.name));
    assert_eq!(told[0]["version"], crd.spec.versions[0].name);
}

#[tokio::test]
async fn the_api_server_accepts_the_examples() {
    let namespace = Namespace::create(&control_plane().client().await).await;
    let examples = told(OPERATOR, "crdsExamples");
    assert_eq!(
        complaint_in(namespace.name(), &yaml(examples.as_array().expect("a list"))),
        None
    );
}
