//! The measured rows: a table for people, in Markdown, and JSON for programs.

use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::Path, time::Duration};

use harness::{machine, quantile};
use serde_json::{Value, json};

/// All rows, in the order of their first measurement.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    failures: Vec<Failure>,
    /// The phase and the number of objects of the rows that are added.
    phase: &'static str,
    objects: usize,
}

struct Row {
    phase: &'static str,
    name: String,
    unit: &'static str,
    /// By number of objects.
    figures: BTreeMap<usize, Figure>,
}

#[derive(Clone, Copy)]
struct Figure {
    value: f64,
    /// The upper limit, if there is a goal.
    goal: Option<f64>,
    /// The measurement ended before the value was reached.
    at_least: bool,
}

struct Failure {
    phase: &'static str,
    objects: usize,
    reason: String,
}

impl Table {
    /// The rows that follow belong to this phase with this number of objects.
    pub fn begin(&mut self, phase: &'static str, objects: usize) {
        self.phase = phase;
        self.objects = objects;
        eprintln!("{} objects, {phase}", grouped(objects));
    }

    /// Adds a figure for information.
    pub fn info(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.add(name.into(), value, unit, None, false);
    }

    /// Adds a figure with an upper limit.
    pub fn goal(&mut self, name: impl Into<String>, value: f64, unit: &'static str, goal: f64) {
        self.add(name.into(), value, unit, Some(goal), false);
    }

    /// The same; `at_least`: the value was not waited for to the end.
    pub fn goal_at_least(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: f64,
        at_least: bool,
    ) {
        self.add(name.into(), value, unit, Some(goal), at_least);
    }

    /// Notes that a phase ended early: what follows in it was not measured.
    pub fn failed(&mut self, reason: &str) {
        eprintln!("  not measured to the end: {reason}");
        self.failures.push(Failure {
            phase: self.phase,
            objects: self.objects,
            reason: reason.to_owned(),
        });
    }

    fn add(&mut self, name: String, value: f64, unit: &'static str, goal: Option<f64>, at_least: bool) {
        if !value.is_finite() {
            self.failed(&format!("{name} has no value"));
            return;
        }
        eprintln!("  {name}: {} {unit}", shown(value));
        let phase = self.phase;
        let known = self
            .rows
            .iter_mut()
            .find(|row| row.phase == phase && row.name == name);
        let figure = Figure {
            value,
            goal,
            at_least,
        };
        match known {
            Some(row) => _ = row.figures.insert(self.objects, figure),
            None => self.rows.push(Row {
                phase,
                name,
                unit,
                figures: BTreeMap::from([(self.objects, figure)]),
            }),
        }
    }

    /// The value of a row.
    pub fn value(&self, name: &str, objects: usize) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        Some(row.figures.get(&objects)?.value)
    }

    /// Whether every phase was measured to its end.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    fn sizes(&self) -> Vec<usize> {
        let all = self.rows.iter().flat_map(|row| row.figures.keys().copied());
        let mut sizes: Vec<_> = all.collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The table, in Markdown, and a line that counts the goals.
    pub fn text(&self) -> String {
        let sizes = self.sizes();
        let mut lines = vec![self.head(&sizes)];
        let mut phase = "";
        for row in &self.rows {
            if row.phase != phase {
                phase = row.phase;
                let mut line = vec![format!("**{phase}**")];
                line.resize(sizes.len() + 2, String::new());
                lines.push(line);
            }
            lines.push(row.cells(&sizes));
        }
        let mut text = aligned(&lines);
        for failure in &self.failures {
            let Failure {
                phase,
                objects,
                reason,
            } = failure;
            let _ = writeln!(
                text,
                "\nNot measured to the end: {phase}, with {} objects: {reason}",
                grouped(*objects)
            );
        }
        let figures = self.rows.iter().flat_map(|row| row.figures.values());
        let goals: Vec<_> = figures.filter(|figure| figure.goal.is_some()).collect();
        let met = goals.iter().filter(|figure| figure.is_met()).count();
        let _ = writeln!(
            text,
            "\nGoals: {met} met, {} missed, {} phases not measured to the end.",
            goals.len() - met,
            self.failures.len()
        );
        text
    }

    fn head(&self, sizes: &[usize]) -> Vec<String> {
        let mut head = vec!["objects".to_owned()];
        head.extend(sizes.iter().map(|size| grouped(*size)));
        head.push("goal".to_owned());
        head
    }

    /// Writes everything as JSON, with the machine, the date and the size of the program.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path, program: &Path) -> io::Result<()> {
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        let failures = self.failures.iter().map(
            |failure| json!({"phase": failure.phase, "objects": failure.objects, "reason": failure.reason}),
        );
        let all = json!({
            "date": k8s_openapi::jiff::Timestamp::now().to_string(),
            "machine": machine(),
            "programBytes": fs::metadata(program)?.len(),
            "rows": rows,
            "failures": failures.collect::<Vec<_>>(),
        });
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_string_pretty(&all)?)
    }
}

impl Figure {
    /// A value that was not waited for to the end is not known to meet its goal.
    fn is_met(&self) -> bool {
        self.goal.is_none_or(|goal| self.value <= goal && !self.at_least)
    }

    fn text(&self) -> String {
        let at_least = if self.at_least { "≥ " } else { "" };
        let verdict = match (self.goal, self.is_met()) {
            (None, _) => "",
            (_, true) => " met",
            (_, false) => " **missed**",
        };
        format!("{at_least}{}{verdict}", shown(self.value))
    }
}

impl Row {
    fn cells(&self, sizes: &[usize]) -> Vec<String> {
        let unit = match self.unit {
            "" => String::new(),
            unit => format!(", {unit}"),
        };
        let mut cells = vec![format!("{}{unit}", self.name)];
        let figure = |size| self.figures.get(size).map(Figure::text).unwrap_or_default();
        cells.extend(sizes.iter().map(figure));
        let goal = self.figures.values().find_map(|figure| figure.goal);
        cells.push(goal.map(|goal| goal.to_string()).unwrap_or_default());
        cells
    }

    fn json(&self) -> Value {
        let figure = |(objects, figure): (&usize, &Figure)| {
            let met = figure.goal.map(|_| figure.is_met());
            let Figure {
                value,
                goal,
                at_least,
            } = figure;
            let figure = json!({"value": value, "goal": goal, "atLeast": at_least, "met": met});
            (objects.to_string(), figure)
        };
        let figures: serde_json::Map<_, _> = self.figures.iter().map(figure).collect();
        json!({"phase": self.phase, "name": self.name, "unit": self.unit, "figures": figures})
    }
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _ = write!(text, "| {:-<width$} ", "");
            }
            text.push_str("|\n");
        }
    }
    text
}

/// With as many digits as matter.
fn shown(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// 10,000
fn grouped(number: usize) -> String {
    match number {
        1000.. => format!("{},{:03}", number / 1000, number % 1000),
        _ => number.to_string(),
    }
}

/// The quantile of the times, in milliseconds.
pub fn percentile(times: &[Duration], part: f64) -> f64 {
    quantile(times, part).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}
