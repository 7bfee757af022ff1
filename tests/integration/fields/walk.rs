//! A walk that changes a field from each of its values to each other one.

use std::collections::BTreeSet;

use docspace_backup_operator::api::DocSpaceBackupSchedule;
use harness::DEADLINE;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};
use simulated_portal::Schedule;
use tokio::time::timeout;

use super::{
    circuit::circuit,
    held::{Values, row, same},
    known::Known,
    outcome::{Outcome, is_settled},
    report::Line,
    schema::{Expected, Field, Sample},
};
use crate::world::World;

/// A change of a spec costs at most this many calls: a new object costs six, and a time limit may pass between two steps.
pub const MOST_CALLS: u64 = 8;

/// The portal refuses the schedule.
const REFUSED_BY_PORTAL: [&str; 3] = ["FolderNotFound", "UserNotAllowed", "Rejected"];

/// So many of the refused values are tried at each value but the first.
const AT_EACH: usize = 3;

/// What the portal has seen and holds.
struct Seen {
    calls: u64,
    posts: u64,
    deletes: u64,
    held: [Option<Schedule>; 2],
}

impl Seen {
    fn now(world: &World) -> Self {
        Self {
            calls: world.calls(),
            posts: world.posts(),
            deletes: world.deletes(),
            held: [false, true].map(|dump| world.portal.schedule(dump)),
        }
    }

    fn of(&self, spec: &Value) -> Option<&Schedule> {
        self.held[usize::from(spec["dump"] == true)].as_ref()
    }
}

/// A value that the API server takes, and what it makes of the spec.
struct State {
    sample: Sample,
    spec: Option<Value>,
    stored: Value,
    /// The outcome when it was first reached.
    first: Option<Outcome>,
}

/// The walk of one field.
pub struct Walk<'a> {
    world: &'a World,
    secrets: &'a Values,
    field: &'a Field,
    api: Api<DynamicObject>,
    base: Value,
    states: Vec<State>,
    refused: Vec<(Sample, Option<Value>)>,
    wrong: Vec<String>,
    line: Line,
}

impl<'a> Walk<'a> {
    /// The values of the field; asks the API server which of them it takes.
    pub async fn of(
        world: &'a World,
        secrets: &'a Values,
        field: &'a Field,
        (name, known): &(String, Known),
    ) -> Self {
        let resource = ApiResource::erase::<DocSpaceBackupSchedule>(&());
        let mut base = json!(world.nightly().spec);
        json_patch::merge(&mut base, &Value::Object(known.base.clone()));
        let mut walk = Self {
            world,
            secrets,
            field,
            api: Api::namespaced_with(world.client.clone(), world.namespace.name(), &resource),
            base,
            states: Vec::new(),
            refused: Vec::new(),
            wrong: Vec::new(),
            line: Line::of(if name.is_empty() { "spec" } else { name }),
        };
        let derived = field
            .derived(known, &world.server.url())
            .expect("each field has values");
        let mut seen = BTreeSet::new();
        let pointer = field.pointer().into_iter().map(|name| format!("/{name}"));
        let own = walk.base.pointer(&pointer.collect::<String>()).cloned();
        let own = Sample::new(own, Expected::Ready);
        for sample in [own].into_iter().chain(derived) {
            if seen.insert(format!("{:?}", sample.value)) {
                walk.probe(sample).await;
            }
        }
        walk
    }

    async fn probe(&mut self, sample: Sample) {
        self.line.values += 1;
        let spec = self.field.put(&self.base, &sample);
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let resource = ApiResource::erase::<DocSpaceBackupSchedule>(&());
        let mut object = DynamicObject::new("probe", &resource);
        object.data = spec
            .as_ref()
            .map_or_else(|| json!({}), |spec| json!({"spec": spec}));
        match (self.api.create(&dry_run, &object).await, &sample.expected) {
            (Ok(_), Expected::Refused) => self.fails(&sample, "the API server takes it"),
            (Ok(object), _) => self.takes(sample, spec, object),
            (Err(error), Expected::Refused | Expected::Any) => {
                self.names_field(&sample, &error);
                self.refused.push((sample, spec));
            }
            (Err(error), _) => self.fails(&sample, &error.to_string()),
        }
    }

    fn fails(&mut self, sample: &Sample, why: &str) {
        self.wrong
            .push(format!("{} = {}: {why}", self.field.shown(), sample.shown()));
    }

    /// `null` and the absent field are one to the API server, which needs no further walk.
    fn takes(&mut self, sample: Sample, spec: Option<Value>, object: DynamicObject) {
        if sample.value == Some(Value::Null) {
            let absent = self.states.iter().find(|state| state.sample.value.is_none());
            if absent.is_none_or(|absent| absent.stored != object.data["spec"]) {
                self.fails(&sample, "null is not the absent field");
            }
            return;
        }
        self.states.push(State {
            sample,
            spec,
            stored: object.data["spec"].clone(),
            first: None,
        });
    }

    /// A refusal is one of the value, and names the field.
    fn names_field(&mut self, sample: &Sample, error: &kube::Error) {
        let refusal = match error {
            kube::Error::Api(status) if status.code == 422 => status.message.clone(),
            error => {
                return self.fails(
                    sample,
                    &format!("the API server does not refuse it, but: {error}"),
                );
            }
        };
        let name = self.field.name();
        if !refusal.contains(name) {
            self.fails(sample, &format!("the refusal does not name {name}: {refusal}"));
        }
        if refusal.contains("rule evaluation error") && !refusal.contains(&self.field.shown()) {
            self.fails(sample, &format!("a rule fails: {refusal}"));
        }
    }

    /// Walks from each value to each other one, and tries each refused value at each of them.
    pub async fn go(mut self) -> (Line, Vec<String>) {
        if self.wrong.is_empty() {
            self.create().await;
            let mut from = None;
            for to in circuit(self.states.len()) {
                self.step(from, to).await;
                if !self.wrong.is_empty() {
                    break;
                }
                from = Some(to);
            }
            self.end().await;
        }
        (self.line, self.wrong)
    }

    async fn create(&mut self) {
        let mut object = self.world.nightly();
        object.spec = serde_json::from_value(self.base.clone()).expect("a spec");
        if self.base["managementPolicy"] == "Observe" {
            for dump in [false, true] {
                object.spec.dump = dump;
                self.world.hold(&object);
            }
            object.spec.dump = false;
        }
        self.world.create(&object).await;
        self.world.ready("nightly").await;
    }

    async fn put(&self, spec: Option<&Value>) -> kube::Result<DynamicObject> {
        let operation = match spec {
            Some(spec) => json!([{"op": "replace", "path": "/spec", "value": spec}]),
            None => json!([{"op": "remove", "path": "/spec"}]),
        };
        let patch = serde_json::from_value(operation).expect("a patch");
        self.api
            .patch("nightly", &PatchParams::default(), &Patch::Json::<()>(patch))
            .await
    }

    async fn step(&mut self, from: Option<usize>, to: usize) {
        let name = |state: usize| self.states[state].sample.shown();
        let told = format!(
            "{}: {} → {}",
            self.field.shown(),
            from.map_or_else(|| "as created".into(), name),
            name(to)
        );
        let is_first = self.states[to].first.is_none();
        self.line.transitions += 1;
        let before = self.world.get("nightly").await;
        let seen = Seen::now(self.world);
        let patched = self.put(self.states[to].spec.as_ref()).await;
        let result = match patched {
            Err(error) => Err(format!("the API server refuses it: {error}")),
            Ok(patched) if patched.metadata.generation == before.metadata.generation => {
                self.is_unchanged(&before, to)
            }
            Ok(_) => match self.settled().await {
                Ok(object) => self.judge(&object, &seen, to),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = result {
            self.wrong.push(format!("{told}: {error}"));
        } else if is_first {
            self.refuse(to).await;
        }
    }

    /// The spec is stored as it was, so nothing happens.
    fn is_unchanged(&mut self, before: &DocSpaceBackupSchedule, to: usize) -> Result<(), String> {
        let outcome = Outcome::of(before)?;
        self.line.counts(&outcome.reason);
        self.as_first(outcome, to)
    }

    async fn settled(&self) -> Result<DocSpaceBackupSchedule, String> {
        let settled = |object: Option<&DocSpaceBackupSchedule>| object.is_some_and(is_settled);
        let comes = await_condition(self.world.schedules(), "nightly", settled);
        match timeout(DEADLINE, comes).await {
            Ok(Ok(Some(object))) => Ok(object),
            _ => {
                let object = self.world.get("nightly").await;
                Err(format!(
                    "no outcome after {DEADLINE:?}, but {}",
                    json!(object.status)
                ))
            }
        }
    }

    fn judge(&mut self, object: &DocSpaceBackupSchedule, before: &Seen, to: usize) -> Result<(), String> {
        let outcome = Outcome::of(object)?;
        self.line.counts(&outcome.reason);
        self.is_expected(&outcome, to)?;
        let now = Seen::now(self.world);
        let spec = &self.states[to].stored;
        let (calls, posts) = (now.calls - before.calls, now.posts - before.posts);
        self.line.calls += calls;
        self.line.posts += posts;
        self.line.most_calls = self.line.most_calls.max(calls);
        if calls > MOST_CALLS || (spec["suspend"] == true && calls > 0) {
            return Err(format!("{calls} calls to the portal"));
        }
        if now.deletes > before.deletes {
            return Err("the schedule was deleted".into());
        }
        if !outcome.is_ready {
            let may_be_tried = u64::from(REFUSED_BY_PORTAL.contains(&outcome.reason.as_str()));
            return match posts <= may_be_tried && now.held == before.held {
                true => self.as_first(outcome, to),
                false => Err(format!("{}, but the portal was written to", outcome.reason)),
            };
        }
        let wanted = row(spec, self.secrets);
        let is_held = |seen: &Seen| seen.of(spec).is_some_and(|held| same(held, &wanted));
        if !is_held(&now) {
            return Err(format!(
                "Ready, but the portal holds {:?} instead of {wanted:?}",
                now.of(spec)
            ));
        }
        let due = u64::from(!is_held(before));
        if posts != due {
            return Err(format!("{posts} writes instead of {due}"));
        }
        self.as_first(outcome, to)
    }

    /// The outcome is the expected one, and its message names the field, the value, or the Secret.
    fn is_expected(&self, outcome: &Outcome, to: usize) -> Result<(), String> {
        let State { sample, .. } = &self.states[to];
        let expected = match &sample.expected {
            Expected::Ready => outcome.is_ready,
            Expected::Told(reason) => outcome.reason == *reason,
            Expected::Any => true,
            Expected::Refused => false,
        };
        let message = outcome.message();
        if !expected {
            return Err(format!(
                "{} instead of {:?}: {message}",
                outcome.reason, sample.expected
            ));
        }
        let mut names = vec![self.field.told().to_owned()];
        texts(sample.value.as_ref(), &mut names);
        if self.field.path.starts_with("storageParams[]") {
            texts(self.base.pointer("/storageParams/1/key"), &mut names);
        }
        let named = names.iter().any(|name| message.contains(name.as_str()));
        match outcome.is_ready || named {
            true => Ok(()),
            false => Err(format!(
                "the message names neither field nor value: {}: {message}",
                outcome.reason
            )),
        }
    }

    /// The outcome depends on the value alone, and not on what was before.
    fn as_first(&mut self, outcome: Outcome, to: usize) -> Result<(), String> {
        let first = self.states[to].first.get_or_insert(outcome.clone());
        let (first, now) = (&first.status, &outcome.status);
        let fields = first
            .as_object()
            .into_iter()
            .chain(now.as_object())
            .flat_map(|fields| fields.keys());
        let differ: BTreeSet<_> = fields.filter(|field| first[field] != now[field]).collect();
        let shown = |field: &&String| format!("{field}: {} at first, {} now", first[*field], now[*field]);
        match differ.is_empty() {
            true => Ok(()),
            false => Err(differ.iter().map(shown).collect::<Vec<_>>().join("; ")),
        }
    }

    /// Refused values are refused here, too, and leave the object as it is: all at the first value, and then in turns.
    async fn refuse(&mut self, at: usize) {
        let refused = std::mem::take(&mut self.refused);
        let tried = match self.line.refusals {
            0 => refused.len(),
            _ => AT_EACH.min(refused.len()),
        };
        let turn = self.line.refusals % refused.len().max(1);
        for (sample, spec) in refused.iter().cycle().skip(turn).take(tried) {
            match self.put(spec.as_ref()).await {
                Ok(_) => self.fails(sample, &format!("taken after {}", self.states[at].sample.shown())),
                Err(error) => self.names_field(sample, &error),
            }
            self.line.refusals += 1;
        }
        self.refused = refused;
    }

    /// What holds for the walk as a whole.
    async fn end(&mut self) {
        let operator = self.world.operator.only();
        let (_, metrics) = operator.get("/metrics").await;
        let reconciles = |result: &str| -> f64 {
            let series = format!("docspace_backup_reconciles_total{{result=\"{result}");
            let values = metrics
                .lines()
                .filter_map(|line| line.strip_prefix(&series)?.rsplit(' ').next());
            values.filter_map(|value| value.parse::<f64>().ok()).sum()
        };
        let (all, changes) = (reconciles(""), self.line.transitions + self.line.refusals);
        if all > 2.0 * self.line.transitions as f64 + 10.0 {
            let told = format!("{all} reconciles for {changes} changes");
            self.wrong.push(format!("{}: {told}", self.field.shown()));
        }
        let log = self.world.operator.log();
        if reconciles("Panicked\"") > 0.0 || log.contains("panicked") {
            self.wrong.push(format!("{}: a panic\n{log}", self.field.shown()));
        }
    }
}

/// The texts in a value that a message may repeat.
fn texts(value: Option<&Value>, found: &mut Vec<String>) {
    match value {
        Some(Value::String(text)) if text.trim().len() > 1 => found.push(text.clone()),
        Some(Value::Array(items)) => items.iter().for_each(|item| texts(Some(item), found)),
        Some(Value::Object(fields)) => fields.values().for_each(|item| texts(Some(item), found)),
        _ => {}
    }
}
