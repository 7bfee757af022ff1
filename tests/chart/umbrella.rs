//! Both charts as dependencies of another chart.

use serde_json::{Value, json};

use crate::helm::{UMBRELLA, documents, of_kind, template};

fn rendered(values: &Value) -> Vec<Value> {
    documents(&template(UMBRELLA, "all", "docspace", values).expect("it renders"))
}

#[test]
fn each_chart_is_there_while_it_is_enabled() {
    let one = json!([{"name": "nightly", "spec": {"storageType": "DataStore"}}]);
    for (operator, schedules) in [(true, true), (true, false), (false, true), (false, false)] {
        let rendered = rendered(&json!({
            "docspace-backup-operator": {"enabled": operator},
            "docspace-backup-schedules": {"enabled": schedules, "schedules": one},
        }));
        let found = ["Deployment", "DocSpaceBackupSchedule"].map(|kind| of_kind(&rendered, kind).len());
        assert_eq!(found, [operator, schedules].map(usize::from));
        assert_eq!(rendered.is_empty(), !operator && !schedules);
    }
}

#[test]
fn what_is_global_reaches_the_operator() {
    let rendered = rendered(&json!({"global": {"imageRegistry": "mirror.example.com"}}));
    let pod = &of_kind(&rendered, "Deployment")[0]["spec"]["template"]["spec"];
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "pull"}]));
    let image = pod["containers"][0]["image"].as_str().expect("a text");
    assert!(
        image.starts_with("mirror.example.com/docspace-backup-operator:"),
        "{image}"
    );
}
