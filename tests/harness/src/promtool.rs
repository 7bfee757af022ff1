//! promtool, Prometheus' own checks of metrics and rules.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use crate::helm::built;

fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| built("tests/programs/promtool/build", "promtool"));
    &PROGRAM
}

/// Runs promtool with this standard input; returns its output.
///
/// # Errors
/// promtool's objections.
///
/// # Panics
/// promtool cannot be built; the check is not skipped.
pub fn promtool(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut promtool = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
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
