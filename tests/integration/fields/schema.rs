//! The fields of the spec, and the values that their schema implies.

use docspace_backup_operator::api::crd;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::known::Known;

/// Whether the API server takes a value.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(from = "String")]
pub enum Expected {
    /// It refuses it.
    Refused,
    /// It takes it, and the object becomes Ready.
    #[default]
    Ready,
    /// It takes it, and Ready is False for this reason.
    Told(String),
    /// Any of these, as long as the message names the field or the value.
    Any,
}

impl From<String> for Expected {
    fn from(outcome: String) -> Self {
        match outcome.as_str() {
            "Refused" => Self::Refused,
            "Ready" => Self::Ready,
            _ => Self::Told(outcome),
        }
    }
}

/// A value of a field; `None` is the absent field.
#[derive(Clone, Debug)]
pub struct Sample {
    pub value: Option<Value>,
    pub expected: Expected,
    /// What else the spec needs with it: a merge patch.
    pub beside: Value,
}

impl Sample {
    pub fn new(value: impl Into<Option<Value>>, expected: Expected) -> Self {
        Self {
            value: value.into(),
            expected,
            beside: json!({}),
        }
    }

    /// A shown value, short enough for a line.
    pub fn shown(&self) -> String {
        const LONGEST: usize = 60;
        let text = self.value.as_ref().map_or("absent".into(), Value::to_string);
        let beside = match self.beside.as_object().is_some_and(Map::is_empty) {
            true => String::new(),
            false => format!(" with {}", self.beside),
        };
        let text = format!("{text}{beside}");
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
            None => text,
        }
    }
}

/// A field of the spec: a leaf, an object or a list.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its place, such as `cronParams.hour` or `storageParams[].key`; empty for the spec.
    pub path: String,
    schema: Value,
    required: bool,
}

/// All fields of the spec, from the schema of the CRD.
pub fn fields() -> Vec<Field> {
    let crd = serde_json::to_value(crd()).expect("a CRD is JSON");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let is_required = |name: &str| has(&schema["required"], name);
    let mut found = Vec::new();
    collect("", &schema["properties"]["spec"], is_required("spec"), &mut found);
    found
}

fn has(list: &Value, name: &str) -> bool {
    let list = list.as_array();
    list.is_some_and(|list| list.iter().any(|item| item == name))
}

fn collect(path: &str, schema: &Value, required: bool, found: &mut Vec<Field>) {
    found.push(Field {
        path: path.into(),
        schema: schema.clone(),
        required,
    });
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if path.is_empty() { "" } else { "." };
        collect(
            &format!("{path}{dot}{name}"),
            child,
            has(&schema["required"], name),
            found,
        );
    }
    if schema["items"].is_object() {
        collect(&format!("{path}[]"), &schema["items"], false, found);
    }
}

/// Values of each JSON type; a field takes at most its own. A long text is one of no type's values.
fn of_types() -> [(&'static str, Vec<Value>); 6] {
    [
        (
            "string",
            vec![json!(""), json!("3"), json!("true"), json!("null")],
        ),
        (
            "integer",
            vec![json!(0), json!(-1), json!(i64::MAX), json!(i64::MIN)],
        ),
        ("number", vec![json!(1.5), json!(1e308), json!(u64::MAX)]),
        ("boolean", vec![json!(true)]),
        ("array", vec![json!([]), json!(["x"])]),
        ("object", vec![json!({}), json!({"x": 1})]),
    ]
}

/// Texts that stand for nothing in particular.
const ODD: [&str; 5] = [" ", "a\nb", "\u{0}", "\u{202e}x", "é😀"];

impl Field {
    /// The values that follow from the schema, and those that are known besides.
    ///
    /// # Errors
    /// What neither the schema nor the table says.
    pub fn derived(&self, known: &Known, url: &str) -> Result<Vec<Sample>, String> {
        let mut samples = self.of_other_types();
        samples.push(Sample::new(None, self.absent(known)));
        samples.push(Sample::new(Value::Null, self.null(known)));
        if let Some(default) = self.schema.get("default") {
            samples.push(Sample::new(default.clone(), Expected::Ready));
        }
        samples.extend(self.of_own_type(known, url)?);
        let listed = known
            .values()
            .map(|(expected, value)| Sample::new(value, expected));
        // What is listed comes first: it says more.
        let mut samples: Vec<_> = listed.chain(samples).collect();
        for sample in &mut samples {
            sample.beside = known.beside_of(sample.value.as_ref());
        }
        Ok(samples)
    }

    fn absent(&self, known: &Known) -> Expected {
        match self.required {
            true => Expected::Refused,
            false => known.absent.clone(),
        }
    }

    /// The API server takes `null` for the absent field, but not in a list.
    fn null(&self, known: &Known) -> Expected {
        match self.path.ends_with("[]") {
            true => Expected::Refused,
            false => self.absent(known),
        }
    }

    fn kind(&self) -> Option<&str> {
        self.schema["type"].as_str()
    }

    /// Whether it has fields of its own.
    pub fn is_object(&self) -> bool {
        self.kind() == Some("object")
    }

    fn is_int_or_string(&self) -> bool {
        self.schema["x-kubernetes-int-or-string"] == true
    }

    fn of_other_types(&self) -> Vec<Sample> {
        let own = |kind: &str| match self.is_int_or_string() {
            true => kind == "string" || kind == "integer",
            false => self.kind() == Some(kind),
        };
        let others = of_types().into_iter().filter(|(kind, _)| !own(kind));
        let values = others.flat_map(|(_, values)| values);
        values
            .map(|value| Sample::new(value, Expected::Refused))
            .collect()
    }

    fn of_own_type(&self, known: &Known, url: &str) -> Result<Vec<Sample>, String> {
        if self.is_int_or_string() {
            let integers = [0, i64::MIN, i64::MAX];
            let integers = integers.map(|value| Sample::new(json!(value), Expected::Any));
            return Ok(self.texts(known, url)?.into_iter().chain(integers).collect());
        }
        match self.kind() {
            Some("string") if self.schema["enum"].is_array() => Ok(self.names()),
            Some("string") => self.texts(known, url),
            Some("integer") => self.integers(),
            Some("boolean") => Ok([true, false]
                .map(|value| Sample::new(json!(value), Expected::Ready))
                .into()),
            Some("array") => self.lists(known),
            Some("object") => Ok(self.objects()),
            kind => Err(format!(
                "{}: nothing is derived from the type {kind:?}",
                self.path
            )),
        }
    }

    /// The values of an enumeration, and names that are almost one.
    fn names(&self) -> Vec<Sample> {
        let names: Vec<_> = self.schema["enum"].as_array().into_iter().flatten().collect();
        let first = names.first().and_then(|name| name.as_str()).unwrap_or_default();
        let almost = [
            String::new(),
            first.to_lowercase(),
            first.to_uppercase(),
            format!(" {first}"),
            format!("{first}\n"),
            format!("{first}{first}"),
            "1".into(),
        ];
        let refused = almost.map(|name| Sample::new(json!(name), Expected::Refused));
        let taken = names
            .into_iter()
            .map(|name| Sample::new(name.clone(), Expected::Ready));
        taken.chain(refused).collect()
    }

    fn limit(&self, limit: &str) -> Result<i64, String> {
        let of = &self.schema[limit];
        of.as_f64()
            .map(|limit| limit as i64)
            .ok_or_else(|| format!("{}: the schema has no {limit}", self.path))
    }

    /// The limits, and the integers beyond them.
    fn integers(&self) -> Result<Vec<Sample>, String> {
        let (least, most) = (self.limit("minimum")?, self.limit("maximum")?);
        let within = [least, most].map(|value| Sample::new(json!(value), Expected::Ready));
        let beyond = [
            least - 1,
            most + 1,
            i64::from(i32::MIN),
            i64::from(i32::MAX),
            i64::MIN,
            i64::MAX,
        ];
        let beyond = beyond.map(|value| Sample::new(json!(value), Expected::Refused));
        Ok(within.into_iter().chain(beyond).collect())
    }

    /// Texts as long as allowed and beyond, and odd ones.
    fn texts(&self, known: &Known, url: &str) -> Result<Vec<Sample>, String> {
        let most = usize::try_from(self.limit("maxLength")?).map_err(|error| error.to_string())?;
        let long = known
            .long
            .ok_or_else(|| format!("{}: no long text is known", self.path))?;
        let mut texts = vec![
            Sample::new(long.of_length(most, url), known.longest.clone()),
            Sample::new(long.of_length(most + 1, url), Expected::Refused),
            Sample::new(json!("é".repeat(100_000)), Expected::Refused),
            Sample::new(json!(""), Expected::Any),
        ];
        texts.extend(ODD.map(|text| Sample::new(json!(text), Expected::Any)));
        Ok(texts)
    }

    /// Lists as long as allowed and beyond.
    fn lists(&self, known: &Known) -> Result<Vec<Sample>, String> {
        let most = usize::try_from(self.limit("maxItems")?).map_err(|error| error.to_string())?;
        let long = known
            .long
            .ok_or_else(|| format!("{}: no long list is known", self.path))?;
        Ok(vec![
            Sample::new(json!([]), known.absent.clone()),
            Sample::new(long.of_length(most, ""), known.longest.clone()),
            Sample::new(long.of_length(most + 1, ""), Expected::Refused),
            Sample::new(json!([null]), Expected::Refused),
        ])
    }

    /// Objects without their required fields.
    fn objects(&self) -> Vec<Sample> {
        let required = self.schema["required"].as_array();
        let incomplete = required.is_some_and(|required| !required.is_empty());
        let incomplete = incomplete.then(|| Sample::new(json!({}), Expected::Refused));
        incomplete.into_iter().collect()
    }

    /// Its place in a spec; of a list, the second item.
    pub fn pointer(&self) -> Vec<String> {
        let path = self.path.replace("[]", ".1");
        path.split('.')
            .filter(|name| !name.is_empty())
            .map(Into::into)
            .collect()
    }

    /// Its place in messages of the API server.
    pub fn shown(&self) -> String {
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("spec{dot}{}", self.path.replace("[]", "[1]"))
    }

    /// Its own name.
    pub fn name(&self) -> &str {
        let name = self.path.rsplit('.').next().unwrap_or_default();
        match name.trim_end_matches("[]") {
            "" => "spec",
            name => name,
        }
    }

    /// The name by which a message tells it: of a key or a name, whose it is.
    pub fn told(&self) -> &str {
        let mut names = self.path.rsplit('.');
        let told = match names.next().unwrap_or_default() {
            "key" | "name" | "value" => names.next().unwrap_or_default(),
            name => name,
        };
        match told.trim_end_matches("[]") {
            "" => "spec",
            name => name,
        }
    }

    /// The spec with this value of the field.
    pub fn put(&self, base: &Value, sample: &Sample) -> Option<Value> {
        let mut spec = base.clone();
        json_patch::merge(&mut spec, &sample.beside);
        let pointer = self.pointer();
        let Some((name, parents)) = pointer.split_last() else {
            return sample.value.clone();
        };
        let mut parent = &mut spec;
        for name in parents {
            parent = match parent {
                Value::Array(items) => &mut items[name.parse::<usize>().expect("an index")],
                other => &mut other[name],
            };
        }
        match (parent, &sample.value) {
            (Value::Array(items), Some(value)) => items[1] = value.clone(),
            (Value::Array(items), None) => drop(items.remove(1)),
            (parent, Some(value)) => parent[name] = value.clone(),
            (parent, None) => drop(parent.as_object_mut().and_then(|fields| fields.remove(name))),
        }
        Some(spec)
    }
}
