//! Values: invalid ones are rejected, and every value is documented.

use serde_json::{Value, json};

use crate::{
    helm::{OPERATOR, SCHEDULES, documents, read, template},
    render::all_values,
};

/// Invalid values, and a word of the error message.
#[rustfmt::skip]
fn refused() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (OPERATOR, json!({"replica": 2}), "replica"),
        (OPERATOR, json!({"replicas": "2"}), "replicas"),
        (OPERATOR, json!({"replicas": -1}), "replicas"),
        (OPERATOR, json!({"image": {"tags": "1"}}), "tags"),
        (OPERATOR, json!({"image": {"digest": "sha256:1"}}), "digest"),
        (OPERATOR, json!({"image": {"pullPolicy": "Sometimes"}}), "pullPolicy"),
        (OPERATOR, json!({"imagePullSecrets": ["pull"]}), "imagePullSecrets"),
        (OPERATOR, json!({"watchNamespaces": "docspace"}), "watchNamespaces"),
        (OPERATOR, json!({"watchNamespaces": ["Docspace"]}), "watchNamespaces"),
        (OPERATOR, json!({"watchNamespaces": ["a,b"]}), "watchNamespaces"),
        (OPERATOR, json!({"clusterWide": true, "watchNamespaces": ["a"]}), "exclude each other"),
        (OPERATOR, json!({"selector": "shard>1"}), "selector"),
        (OPERATOR, json!({"selector": {"shard": "a"}}), "selector"),
        (OPERATOR, json!({"operator": {"intervall": "5m"}}), "intervall"),
        (OPERATOR, json!({"operator": {"interval": 5}}), "interval"),
        (OPERATOR, json!({"operator": {"allowedOrigins": ["docs.example.com"]}}), "allowedOrigins"),
        (OPERATOR, json!({"operator": {"allowedOrigins": ["https://docs.example.com/portal"]}}), "allowedOrigins"),
        (OPERATOR, json!({"operator": {"allowedOrigins": ["https://docs.example.com a b"]}}), "allowedOrigins"),
        (OPERATOR, json!({"leaderElection": {"enable": false}}), "enable"),
        (OPERATOR, json!({"leaderElection": {"enabled": false}, "replicas": 2}), "leaderElection.enabled"),
        (OPERATOR, json!({"podAntiAffinity": "soft"}), "podAntiAffinity"),
        (OPERATOR, json!({"resources": {"limit": {"memory": "1Mi"}}}), "limit"),
        (OPERATOR, json!({"extraEnv": [{"name": "A", "valuefrom": {}}]}), "valuefrom"),
        (OPERATOR, json!({"extraEnv": [{"value": "A"}]}), "name"),
        (OPERATOR, json!({"tolerations": [{"keys": "a"}]}), "keys"),
        (OPERATOR, json!({"affinity": {"podAntiaffinity": {}}}), "podAntiaffinity"),
        (OPERATOR, json!({"labels": {"a": 1}}), "labels"),
        (OPERATOR, json!({"runAsUser": 0}), "runAsUser"),
        (OPERATOR, json!({"caBundle": {"configMap": "a", "secret": "b"}}), "exclude each other"),
        (OPERATOR, json!({"caBundle": {"key": "../key"}}), "key"),
        (OPERATOR, json!({"caBundle": {"secret": "a"}, "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/b"}]}), "exclude each other"),
        (OPERATOR, json!({"extraVolumes": [{"emptyDir": {}}]}), "name"),
        (OPERATOR, json!({"extraVolumeMounts": [{"name": "a"}]}), "mountPath"),
        (OPERATOR, json!({"extraObjects": [{"kind": "ConfigMap"}]}), "apiVersion"),
        (OPERATOR, json!({"hostAliases": [{"ip": "192.0.2.7"}]}), "hostnames"),
        (OPERATOR, json!({"dnsConfig": {"nameserver": []}}), "nameserver"),
        (OPERATOR, json!({"revisionHistoryLimit": -1}), "revisionHistoryLimit"),
        (OPERATOR, json!({"global": {"imageRegistry": 5}}), "imageRegistry"),
        (OPERATOR, json!({"serviceMonitor": {"namespace": "Monitoring"}}), "namespace"),
        (OPERATOR, json!({"serviceMonitor": {"enabled": true}, "service": {"enabled": false}}), "service.enabled"),
        (OPERATOR, json!({"prometheusRule": {"failingFor": "soon"}}), "failingFor"),
        (SCHEDULES, json!({"schedule": []}), "schedule"),
        (SCHEDULES, json!({"schedules": {"nightly": {}}}), "schedules"),
        (SCHEDULES, json!({"schedules": [{"spec": {}}]}), "name"),
        (SCHEDULES, json!({"schedules": [{"name": "a", "backupsStored": 7}]}), "backupsStored"),
        (SCHEDULES, json!({"schedules": [{"name": "a", "spec": {"backupStored": 7}}]}), "backupStored"),
        (SCHEDULES, json!({"defaults": {"storageType": "S3"}}), "storageType"),
        (SCHEDULES, json!({"defaults": {"portal": {"apiKey": "sk-0"}}}), "apiKey"),
        (SCHEDULES, json!({"docspace": {"hostHeader": "docs.example.com"}}), "hostHeader"),
    ]
}

#[test]
fn what_is_wrong_is_refused() {
    for (chart, values, word) in refused() {
        match template(chart, "x", "docspace", &values) {
            Ok(_) => panic!("{chart} takes {values}"),
            Err(said) => assert!(said.contains(word), "{values}: {said}"),
        }
    }
}

/// Only free-form maps such as labels accept any name.
#[test]
fn the_schemas_refuse_every_name_that_they_do_not_know() {
    fn open(schema: &Value, at: &str, found: &mut Vec<String>) {
        if schema["type"] == "object" && schema["additionalProperties"].is_null() {
            found.push(at.into());
        }
        let children: Vec<_> = match schema {
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(n, value)| (n.to_string(), value))
                .collect(),
            _ => Vec::new(),
        };
        for (name, child) in children {
            open(child, &format!("{at}/{name}"), found);
        }
    }
    for chart in [OPERATOR, SCHEDULES] {
        let schema = serde_json::from_str(&read(&format!("{chart}/values.schema.json"))).expect("it is JSON");
        let mut found = Vec::new();
        open(&schema, "", &mut found);
        assert!(found.is_empty(), "{chart}: {found:?}");
    }
}

/// The names of values; `a.b` if the schema lists the fields of `a`.
fn known(schema: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in schema["properties"].as_object().expect("an object") {
        match value["properties"].as_object() {
            Some(inner) if !["resources", "affinity", "dnsConfig"].contains(&name.as_str()) => {
                names.extend(inner.keys().map(|inner| format!("{name}.{inner}")));
            }
            // That of a chart which uses nothing of it.
            None if name == "global" => {}
            _ => names.push(name.clone()),
        }
    }
    names
}

#[test]
fn every_value_has_a_default_and_is_documented() {
    for chart in [OPERATOR, SCHEDULES] {
        let schema = serde_json::from_str(&read(&format!("{chart}/values.schema.json"))).expect("it is JSON");
        let defaults = documents(&read(&format!("{chart}/values.yaml"))).remove(0);
        let readme = read(&format!("{chart}/README.md"));
        for name in known(&schema) {
            let pointer = format!("/{}", name.replace('.', "/"));
            assert!(
                defaults.pointer(&pointer).is_some(),
                "{chart}: {name} has no default"
            );
            assert!(
                readme.contains(&format!("| `{name}` |")),
                "{chart}/README.md: {name}"
            );
        }
    }
}

/// Ensures that the rendering with all values really sets all of them.
#[test]
fn all_values_are_all_that_there_are() {
    let schema = serde_json::from_str(&read(&format!("{OPERATOR}/values.schema.json"))).expect("it is JSON");
    let all = all_values();
    for name in known(&schema) {
        let pointer = format!("/{}", name.replace('.', "/"));
        assert!(all.pointer(&pointer).is_some(), "{name}");
    }
}
