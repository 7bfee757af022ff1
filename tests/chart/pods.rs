//! What the pods run as, with which image and which CAs.

use serde_json::{Value, json};

use crate::helm::{OPERATOR, documents, of_kind, template};

/// The pods of the operator and of the release Job.
fn pods(values: &Value) -> Vec<Value> {
    let rendered = documents(&template(OPERATOR, "operator", "docspace", values).expect("it renders"));
    let owners = ["Deployment", "Job"].map(|kind| of_kind(&rendered, kind)[0].clone());
    owners
        .map(|owner| owner["spec"]["template"]["spec"].clone())
        .into()
}

#[test]
fn a_null_user_is_left_to_the_cluster() {
    for pod in pods(&json!({"runAsUser": null, "runAsGroup": null})) {
        assert_eq!(
            pod["securityContext"],
            json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
        );
    }
}

#[test]
fn the_registry_of_an_umbrella_chart_replaces_that_of_the_repository() {
    for (repository, image) in [
        ("localhost/operator", "mirror:5000/operator:1"),
        ("registry.example.com/a/operator", "mirror:5000/a/operator:1"),
        ("registry:5000/a/operator", "mirror:5000/a/operator:1"),
        ("a/operator", "mirror:5000/a/operator:1"),
        ("operator", "mirror:5000/operator:1"),
    ] {
        let values = json!({
            "image": {"repository": repository, "tag": "1"},
            "imagePullSecrets": [{"name": "own"}],
            "global": {"imageRegistry": "mirror:5000", "imagePullSecrets": ["a", {"name": "b"}], "of": "another chart"},
        });
        for pod in pods(&values) {
            assert_eq!(pod["containers"][0]["image"], image, "{repository}");
            let secrets = json!([{"name": "a"}, {"name": "b"}, {"name": "own"}]);
            assert_eq!(pod["imagePullSecrets"], secrets);
        }
    }
}

#[test]
fn portals_are_checked_against_the_cas_of_a_configmap_or_a_secret() {
    let items = json!([{"key": "bundle.pem", "path": "bundle.pem"}]);
    for (source, volume) in [
        (
            json!({"configMap": "trusted", "key": "bundle.pem"}),
            json!({"name": "ca-bundle", "configMap": {"name": "trusted", "items": items}}),
        ),
        (
            json!({"secret": "trusted", "key": "bundle.pem"}),
            json!({"name": "ca-bundle", "secret": {"secretName": "trusted", "items": items}}),
        ),
    ] {
        let pod = pods(&json!({"caBundle": source})).remove(0);
        assert_eq!(pod["volumes"], json!([volume]));
        let (folder, file) = (
            "/etc/docspace-backup-operator/ca",
            "/etc/docspace-backup-operator/ca/bundle.pem",
        );
        let container = &pod["containers"][0];
        assert_eq!(
            container["volumeMounts"],
            json!([{"name": "ca-bundle", "mountPath": folder, "readOnly": true}])
        );
        let named = json!({"name": "SSL_CERT_FILE", "value": file});
        let environment = container["env"].as_array().expect("a list");
        assert!(environment.contains(&named), "{environment:?}");
    }
    let pod = pods(&json!({})).remove(0);
    assert_eq!(
        (&pod["volumes"], &pod["containers"][0]["volumeMounts"]),
        (&Value::Null, &Value::Null)
    );
}
