//! The types of pods in the schema of the operator's chart are Kubernetes' own. Helm cannot fetch them, so the schema
//! contains those that its values use, as `definitions` at its end. `make schema` writes them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    env, fs,
};

use harness::control_plane;
use serde_json::{Map, Value, json};

use crate::helm::{OPERATOR, path, read};

/// The API server's descriptions of the types.
const PAGES: [&str; 2] = ["/openapi/v3/api/v1", "/openapi/v3/apis/networking.k8s.io/v1"];
const DESCRIBED: &str = "#/components/schemas/";
const DEFINED: &str = "#/definitions/";
/// What Helm does not need, beside what Kubernetes adds to OpenAPI.
const DROPPED: [&str; 3] = ["default", "description", "format"];

fn described() -> Map<String, Value> {
    let pages = PAGES.map(|page| {
        let text = control_plane().kubectl_ok(&["get", "--raw", page], "");
        let mut page: Value = serde_json::from_str(&text).expect("it is JSON");
        page["components"]["schemas"].take()
    });
    pages
        .iter()
        .flat_map(|page| page.as_object().expect("an object").clone())
        .collect()
}

/// A type of OpenAPI as a JSON schema that allows no other names. The API server would drop them with a warning only.
fn strict(described: &Value) -> Value {
    if let Some([only]) = described["allOf"].as_array().map(Vec::as_slice) {
        return strict(only);
    }
    let fields = described.as_object().expect("an object");
    let fields = fields
        .iter()
        .filter(|(name, _)| !name.starts_with("x-kubernetes-") && !DROPPED.contains(&name.as_str()));
    let mut schema: Map<String, Value> = fields
        .map(|(name, value)| match name.as_str() {
            "$ref" => {
                let name_of = value.as_str().expect("a text").strip_prefix(DESCRIBED);
                (
                    name.clone(),
                    json!(format!("{DEFINED}{}", name_of.expect("a type"))),
                )
            }
            "items" | "additionalProperties" => (name.clone(), strict(value)),
            "properties" => (name.clone(), properties(value, &described["required"])),
            // Helm's messages about alternatives are long.
            "oneOf" => {
                let types = value
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|one| one["type"].clone());
                ("type".into(), types.collect())
            }
            _ => (name.clone(), value.clone()),
        })
        .collect();
    if schema.get("type") == Some(&json!("object")) {
        schema.entry("additionalProperties").or_insert(json!(false));
    }
    schema.into()
}

/// An empty text in a field that is not required is the same as none.
fn properties(described: &Value, required: &Value) -> Value {
    let is_required = |name: &str| {
        required
            .as_array()
            .is_some_and(|names| names.contains(&json!(name)))
    };
    let properties = described.as_object().expect("an object").iter();
    let properties = properties.map(|(name, value)| {
        let mut schema = strict(value);
        if !is_required(name)
            && let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut)
        {
            words.retain(|word| word != "");
            words.insert(0, json!(""));
        }
        (name.clone(), schema)
    });
    properties.collect::<Map<_, _>>().into()
}

/// The names of the types that a schema refers to.
fn types(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(fields) => {
            let named = fields.get("$ref").and_then(Value::as_str);
            let named = named
                .and_then(|name| name.strip_prefix(DEFINED))
                .map(str::to_owned);
            named.into_iter().chain(fields.values().flat_map(types)).collect()
        }
        Value::Array(items) => items.iter().flat_map(types).collect(),
        _ => Vec::new(),
    }
}

fn definitions(values: &Value) -> BTreeMap<String, Value> {
    let described = described();
    let mut found = BTreeMap::new();
    let mut wanted = types(values);
    while let Some(name) = wanted.pop() {
        if let Entry::Vacant(new) = found.entry(name) {
            let of = described.get(new.key());
            let schema = strict(of.unwrap_or_else(|| panic!("the API server has no {}", new.key())));
            wanted.extend(types(&schema));
            new.insert(schema);
        }
    }
    found
}

/// With `DOCSPACE_WRITE_SCHEMA`, it writes them instead.
#[test]
fn the_types_of_pods_are_those_of_kubernetes() {
    const START: &str = "\n  \"definitions\": ";
    let file = format!("{OPERATOR}/values.schema.json");
    let text = read(&file);
    let schema: Value = serde_json::from_str(&text).expect("it is JSON");
    let definitions = json!(definitions(&schema["properties"]));
    if env::var_os("DOCSPACE_WRITE_SCHEMA").is_some() {
        let (own, _) = text.split_once(START).expect("the definitions are last");
        let pretty = serde_json::to_string_pretty(&definitions).expect("it is JSON");
        let written = format!("{own}{START}{}\n}}\n", pretty.replace('\n', "\n  "));
        fs::write(path(&file), written).expect("the file is writable");
    } else {
        assert!(
            schema["definitions"] == definitions,
            "{file} has not the types of the API server; write them anew with: make schema"
        );
    }
}

#[test]
fn the_readme_says_of_which_kubernetes() {
    let version = control_plane().kubectl_ok(&["get", "--raw", "/version"], "");
    let version: Value = serde_json::from_str(&version).expect("it is JSON");
    let [major, minor] = ["major", "minor"].map(|part| version[part].as_str().expect("a text"));
    let said = format!("Kubernetes {major}.{minor} ");
    assert!(read(&format!("{OPERATOR}/README.md")).contains(&said), "{said}");
}
