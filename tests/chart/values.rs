//! Values: invalid ones are rejected, and every value is documented.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    helm::{OPERATOR, SCHEDULES, documents, read, template},
    render::every_value,
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
        (OPERATOR, json!({"extraVolumes": [{"name": "a", "emptydir": {}}]}), "/extraVolumes/0': additional properties 'emptydir'"),
        (OPERATOR, json!({"extraVolumes": [{"name": "a", "projected": {"sources": [{"secret": {"nam": "a"}}]}}]}), "'nam' not allowed"),
        (OPERATOR, json!({"extraVolumeMounts": [{"name": "a", "mountPath": "/a", "readonly": true}]}), "readonly"),
        (OPERATOR, json!({"extraEnv": [{"name": "A", "valueFrom": {"secretKeyRef": {"nam": "a"}}}]}), "/extraEnv/0/valueFrom/secretKeyRef': additional"),
        (OPERATOR, json!({"tolerations": [{"operator": "Is"}]}), "/tolerations/0/operator': value must be one of"),
        (OPERATOR, json!({"resources": {"limits": {"memory": true}}}), "/resources/limits/memory': got boolean, want"),
        (OPERATOR, json!({"release": {"resources": {"limit": {}}}}), "'limit' not allowed"),
        (OPERATOR, json!({"topologySpreadConstraints": [{"maxskew": 1}]}), "maxskew"),
        (OPERATOR, json!({"networkPolicy": {"egress": [{"too": []}]}}), "'too' not allowed"),
        (OPERATOR, json!({"networkPolicy": {"ingressFrom": [{"podselector": {}}]}}), "podselector"),
        (OPERATOR, json!({"imagePullSecrets": [{}]}), "missing property 'name'"),
        (OPERATOR, json!({"hostAliases": [{"ip": "192.0.2.7", "hostname": "a"}]}), "'hostname' not allowed"),
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
            Some(inner) => {
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

/// An umbrella chart reads it, not this chart.
const UNUSED: &str = "enabled";

/// Whether a rendering with these values differs from one with this value's default.
fn has_effect(chart: &str, values: &Value, pointer: &str, default: &Value) -> bool {
    let render = |values: &Value| template(chart, "x", "docspace", values).ok();
    let mut without = values.clone();
    match without.pointer_mut(pointer) {
        Some(value) if value != default => *value = default.clone(),
        _ => return false,
    }
    let (with, without) = (render(values), render(&without));
    with.is_some() && without.is_some() && with != without
}

/// The renderings of these values are those that the API server accepts in `render`.
#[test]
fn every_value_is_tried_and_has_an_effect() {
    for chart in [OPERATOR, SCHEDULES] {
        let schema = serde_json::from_str(&read(&format!("{chart}/values.schema.json"))).expect("it is JSON");
        let defaults = documents(&read(&format!("{chart}/values.yaml"))).remove(0);
        let all = every_value(chart);
        let mut without = known(&schema);
        without.retain(|name| {
            let pointer = format!("/{}", name.replace('.', "/"));
            let default = defaults.pointer(&pointer).expect("it has a default");
            !all.iter()
                .any(|values| has_effect(chart, values, &pointer, default))
        });
        assert_eq!(without, [UNUSED], "{chart}");
    }
}

/// The paths of the fields in a schema's object, or in an object.
fn fields(of: &Value, at: &str, inner: &str) -> BTreeSet<String> {
    let own = if inner.is_empty() { of } else { &of[inner] };
    let own = own.as_object().into_iter().flatten();
    let below = own.flat_map(|(name, value)| {
        let path = format!("{at}/{name}");
        let items = if inner.is_empty() {
            None
        } else {
            value.get("items")
        };
        let mut found = fields(items.unwrap_or(value), &path, inner);
        for item in value.as_array().into_iter().flatten() {
            found.extend(fields(item, &path, inner));
        }
        found.insert(path);
        found
    });
    below.collect()
}

#[test]
fn every_field_of_a_schedule_is_tried() {
    let schema: Value =
        serde_json::from_str(&read(&format!("{SCHEDULES}/values.schema.json"))).expect("it is JSON");
    let values = every_value(SCHEDULES).remove(0);
    let specs = values["schedules"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["spec"]);
    let specs = specs.chain([&values["defaults"]]);
    let tried: BTreeSet<_> = specs.flat_map(|spec| fields(spec, "", "")).collect();
    assert_eq!(tried, fields(&schema["definitions"]["spec"], "", "properties"));
}
