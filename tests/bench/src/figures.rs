//! The measured figures, as a table for the terminal and as JSON for programs.

use std::{fs, io, path::Path, time::Duration};

use harness::quantile;
use serde_json::{Map, Value, json};

/// The figures in the order of their measurement.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// The upper limit, if there is a goal.
    goal: Option<f64>,
}

impl Figures {
    /// Adds a figure.
    pub fn take(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.0.push(Figure {
            name,
            value,
            unit,
            goal: None,
        });
    }

    /// Adds a figure with an upper limit.
    pub fn take_with_goal(&mut self, name: &'static str, value: f64, unit: &'static str, goal: f64) {
        self.0.push(Figure {
            name,
            value,
            unit,
            goal: Some(goal),
        });
    }

    /// The table.
    pub fn table(&self) -> String {
        let row = |figure: &Figure| {
            let goal = figure.goal.map_or_else(String::new, |goal| {
                let met = if figure.value <= goal { "met" } else { "NOT MET" };
                format!("at most {goal}: {met}")
            });
            format!(
                "{:<58} {:>10.2} {:<8} {goal}\n",
                figure.name, figure.value, figure.unit
            )
        };
        self.0.iter().map(row).collect()
    }

    /// Writes them as JSON, by name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let entry = |figure: &Figure| {
            (
                figure.name.to_owned(),
                json!({"value": figure.value, "unit": figure.unit, "atMost": figure.goal}),
            )
        };
        let all: Map<String, Value> = self.0.iter().map(entry).collect();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_string_pretty(&all)?)
    }
}

/// The quantile of the times, in milliseconds.
pub fn percentile(times: &[Duration], part: f64) -> f64 {
    quantile(times, part).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}
