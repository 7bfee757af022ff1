//! Prometheus' own judgement of metrics and rules.

use std::{
    io::Write,
    process::{Command, Stdio},
};

/// Runs promtool with this on its standard input; gives what it said.
///
/// # Errors
/// What it objects to.
///
/// # Panics
/// Where there is no promtool: nothing is skipped.
pub fn promtool(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut promtool = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "promtool does not run ({error}). On Debian: apt-get install --no-install-recommends prometheus"
            )
        });
    let mut stdin = promtool.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        Ok(said.into())
    } else {
        Err(said.into())
    }
}
