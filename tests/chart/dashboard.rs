//! The dashboard: promtool evaluates the expression of each panel.

use std::{collections::BTreeSet, fs, path::Path};

use harness::promtool;
use serde_json::{Value, json};

use crate::helm::{OPERATOR, documents, read};

#[test]
fn every_panel_shows_what_its_title_says() {
    let dashboard: Value =
        serde_json::from_str(&read(&format!("{OPERATOR}/files/dashboard.json"))).expect("JSON");
    let wanted = documents(&read("tests/chart/dashboard.yaml")).remove(0);
    let by_title = wanted["panels"].as_object().expect("panels by title");
    let mut evaluated = Vec::new();
    let mut titles = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            // As Grafana does when all are chosen.
            let expression = expression.replace("$namespace", ".*");
            assert!(!expression.contains('$'), "{title}: {expression}");
            evaluated
                .push(json!({"expr": expression, "eval_time": "2h", "exp_samples": by_title.get(title)}));
        }
        titles.insert(title);
    }
    assert_eq!(titles, by_title.keys().map(String::as_str).collect());
    let test =
        json!({"interval": "1m", "input_series": wanted["input_series"], "promql_expr_test": evaluated});
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard.yaml");
    fs::write(&file, json!({"tests": [test]}).to_string()).expect("the folder is writable");
    promtool(&["test", "rules", file.to_str().expect("a text")], "").unwrap_or_else(|said| panic!("{said}"));
}
