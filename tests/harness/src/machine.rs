//! The machine that the figures are from.

use std::{fs, thread};

use serde_json::{Value, json};

/// Cores, model of the CPU, memory and kernel.
pub fn machine() -> Value {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    json!({
        "cores": thread::available_parallelism().map(usize::from).ok(),
        "cpu": field("/proc/cpuinfo", "model name"),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": kernel.map(|kernel| kernel.trim().to_owned()),
    })
}
