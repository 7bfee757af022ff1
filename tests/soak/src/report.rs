//! The report as Markdown.

use std::{fmt::Write, fs, path::Path, time::Duration};

use harness::machine;
use k8s_openapi::jiff::Timestamp;

use crate::{
    Result,
    disturb::Happened,
    judge::{Goal, Row},
};

/// The most failures that the report lists.
const MOST_FAILURES: usize = 20;

/// The text of a run.
///
/// # Errors
/// The program cannot be read.
pub fn text(
    program: &Path,
    objects: usize,
    lasts: Duration,
    seed: u64,
    happened: &Happened,
    verdict: &[Row],
) -> Result<String> {
    let mut text = String::new();
    let minutes = lasts.as_secs_f64() / 60.0;
    let day = Timestamp::now().strftime("%F");
    let machine = machine();
    let field = |name: &str| machine[name].to_string().replace('"', "");
    writeln!(
        text,
        "{day}, {objects} objects, {minutes:.0} minutes, seed {seed}; {} cores of {}, Linux {}; program of {} bytes\n",
        field("cores"),
        field("cpu"),
        field("kernel"),
        fs::metadata(program)?.len()
    )?;
    writeln!(text, "| what happened | how often |\n| --- | --- |")?;
    for (what, count) in &happened.counts {
        writeln!(text, "| {what} | {count} |")?;
    }
    writeln!(text, "\n| figure | | goal |\n| --- | --- | --- |")?;
    for row in verdict {
        let verdict = if row.is_met() { "met" } else { "**missed**" };
        let goal = match row.goal {
            Goal::None => String::new(),
            Goal::AtMost(most) => format!("at most {most}: {verdict}"),
            Goal::AtLeast(least) => format!("at least {least}: {verdict}"),
        };
        writeln!(text, "| {} | {} | {goal} |", row.name, shown(row.value))?;
    }
    for failure in happened.failures.iter().take(MOST_FAILURES) {
        writeln!(text, "\n- {failure}")?;
    }
    Ok(text)
}

fn shown(value: f64) -> String {
    match value.fract() {
        0.0 => format!("{value}"),
        _ => format!("{value:.2}"),
    }
}

/// Writes the report and its plot.
///
/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path, text: &str, plot: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("report.md"), text)?;
    fs::write(folder.join("soak.svg"), plot)?;
    Ok(())
}
