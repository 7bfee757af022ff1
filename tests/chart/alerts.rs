//! The alerts, tested with promtool: it checks the rules and runs the test files in `alerts`.

use std::{fs, path::Path};

use harness::promtool;
use serde_json::{Map, Value, json};

use crate::{
    helm::{OPERATOR, documents, of_kind, path, read, template},
    render::all_values,
};

const TESTS: &str = "tests/chart/alerts";

/// Values, the namespace of the release, and the folder with the promtool tests of its alerts.
fn rendered() -> [(Value, &'static str, &'static str); 2] {
    [
        (
            json!({"prometheusRule": {"enabled": true}}),
            "docspace",
            "default",
        ),
        (all_values(), "operators", "all-values"),
    ]
}

fn rules(values: &Value, namespace: &str) -> Value {
    let rendered = template(OPERATOR, "operator", namespace, values).expect("it renders");
    of_kind(&documents(&rendered), "PrometheusRule")[0]["spec"].clone()
}

/// The files of a test folder, by name.
fn files(folder: &str) -> Vec<(String, String)> {
    let files = fs::read_dir(path(TESTS).join(folder)).expect("a folder");
    let files = files.map(|file| {
        let name = file.expect("a file").file_name().to_string_lossy().into_owned();
        let text = read(&format!("{TESTS}/{folder}/{name}"));
        (name, text)
    });
    files.collect()
}

#[test]
fn every_alert_comes_and_goes_as_its_tests_say() {
    for (values, namespace, tests) in rendered() {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alerts").join(tests);
        fs::create_dir_all(&folder).expect("the folder is writable");
        let file = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).expect("the folder is writable");
            file.to_str().expect("a text").to_owned()
        };
        let rules = file("rules.yaml", &rules(&values, namespace).to_string());
        let checked = promtool(&["check", "rules", "--lint=all", "--lint-fatal", &rules], "");
        checked.unwrap_or_else(|said| panic!("{tests}: {said}"));
        let files: Vec<_> = files(tests).iter().map(|(name, text)| file(name, text)).collect();
        assert!(!files.is_empty(), "{tests}");
        let arguments = ["test", "rules"]
            .into_iter()
            .chain(files.iter().map(String::as_str));
        let tested = promtool(&arguments.collect::<Vec<_>>(), "");
        tested.unwrap_or_else(|said| panic!("{tests}: {said}"));
    }
}

#[test]
fn every_folder_of_tests_has_its_values() {
    let folders = fs::read_dir(path(TESTS)).expect("a folder").count();
    assert_eq!(folders, rendered().len());
}

#[test]
fn every_alert_has_a_test_in_which_it_comes_and_one_in_which_it_does_not() {
    for (values, namespace, folder) in rendered() {
        let tests: Vec<Value> = files(folder)
            .iter()
            .flat_map(|(_, text)| documents(text))
            .flat_map(|file| list(&file["tests"]))
            .flat_map(|group| list(&group["alert_rule_test"]))
            .collect();
        let rules = rules(&values, namespace);
        for alert in list(&rules["groups"][0]["rules"]) {
            let name = &alert["alert"];
            let mut comes: Vec<_> = tests
                .iter()
                .filter(|test| test["alertname"] == *name)
                .map(|test| !list(&test["exp_alerts"]).is_empty())
                .collect();
            comes.sort_unstable();
            comes.dedup();
            assert_eq!(comes, [false, true], "{folder}: {name}");
        }
    }
}

#[test]
fn an_override_changes_one_alert_or_leaves_it_out() {
    let named = |rules: &Value, name: &str| {
        let rules = list(&rules["groups"][0]["rules"]);
        rules.into_iter().find(|rule| rule["alert"] == name)
    };
    let plain = rules(&json!({"prometheusRule": {"enabled": true}}), "docspace");
    let overrides = json!({
        "DocSpaceBackupFailing": {"for": "1h", "labels": {"team": "a"}},
        "DocSpaceBackupKeyExpires": {"enabled": false},
        "DocSpaceBackupUnproved": {"enabled": true},
    });
    let values = json!({"prometheusRule": {"enabled": true, "overrides": overrides}});
    let changed = rules(&values, "docspace");
    let mut failing = named(&plain, "DocSpaceBackupFailing").expect("an alert");
    failing["for"] = "1h".into();
    failing["labels"] = json!({"severity": "critical", "team": "a"});
    assert_eq!(named(&changed, "DocSpaceBackupFailing"), Some(failing));
    assert_eq!(named(&changed, "DocSpaceBackupKeyExpires"), None);
    for name in ["DocSpaceBackupUnproved", "DocSpaceBackupOperatorAbsent"] {
        assert_eq!(named(&changed, name), named(&plain, name));
    }
}

/// An empty list of rules is no PrometheusRule.
#[test]
fn without_any_rule_there_is_no_prometheusrule() {
    let plain = rules(&json!({"prometheusRule": {"enabled": true}}), "docspace");
    let off = list(&plain["groups"][0]["rules"]).into_iter();
    let off = off.map(|rule| {
        (
            rule["alert"].as_str().expect("a name").to_owned(),
            json!({"enabled": false}),
        )
    });
    let mut values = json!({"prometheusRule": {"enabled": true, "overrides": off.collect::<Map<_, _>>()}});
    let count = |values: &Value| {
        let rendered = template(OPERATOR, "operator", "docspace", values).expect("it renders");
        of_kind(&documents(&rendered), "PrometheusRule").len()
    };
    assert_eq!(count(&values), 0);
    values["prometheusRule"]["extraRules"] = json!([{"alert": "Own", "expr": "vector(1)"}]);
    assert_eq!(count(&values), 1);
    assert_eq!(
        rules(&values, "docspace")["groups"][0]["rules"][0]["alert"],
        "Own"
    );
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}
