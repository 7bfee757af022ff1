//! The chart's memory limit, and what a process takes of it.

use std::{
    env, fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::watch;

/// The chart's default, `resources.limits.memory`.
pub const LIMIT: u64 = 128 * MIB;
pub const MIB: u64 = 1024 * 1024;

/// Between two readings. The figures miss what is taken and given back in between; the limit bounds it.
const PACE: Duration = Duration::from_millis(10);

/// The operator: the binary of this build, or that of the environment variable OPERATOR.
pub fn binary() -> PathBuf {
    env::var_os("OPERATOR").map_or_else(
        || env!("CARGO_BIN_EXE_docspace-backup-operator").into(),
        PathBuf::from,
    )
}

/// What runs a program under the limit. It limits private writable memory (heap, stacks, data), whether touched or not:
/// stricter than the control group of a pod, needs no rights, and makes an allocation fail where a pod would be killed.
/// The code of an unoptimised binary, which no pod runs, does not count.
pub fn under_limit() -> Vec<String> {
    vec!["prlimit".into(), format!("--data={LIMIT}"), "--core=0".into()]
}

/// Reads a process's memory until it is dropped.
pub struct Meter {
    read: Arc<Read>,
    ended: watch::Receiver<bool>,
}

#[derive(Default)]
struct Read {
    resident: AtomicU64,
    limited: AtomicU64,
    stop: AtomicBool,
}

/// The most that a process has taken, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    /// Private memory in use, as a pod's limit counts it.
    pub resident: u64,
    /// Private writable memory, which [`under_limit`] limits.
    pub limited: u64,
}

impl Peak {
    /// The higher of both.
    pub fn max(self, other: Self) -> Self {
        Self {
            resident: self.resident.max(other.resident),
            limited: self.limited.max(other.limited),
        }
    }
}

impl Meter {
    /// Of this process.
    pub fn of(process: u32) -> Self {
        let (tell, ended) = watch::channel(false);
        let read = Arc::<Read>::default();
        let shared = read.clone();
        thread::spawn(move || {
            while !shared.stop.load(Ordering::Relaxed) {
                let Some(now) = now(process) else {
                    tell.send_replace(true);
                    return;
                };
                shared.resident.fetch_max(now.resident, Ordering::Relaxed);
                shared.limited.fetch_max(now.limited, Ordering::Relaxed);
                thread::sleep(PACE);
            }
        });
        Self { read, ended }
    }

    /// The most so far.
    pub fn peak(&self) -> Peak {
        Peak {
            resident: self.read.resident.load(Ordering::Relaxed),
            limited: self.read.limited.load(Ordering::Relaxed),
        }
    }

    /// True once the process has ended.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.clone()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.read.stop.store(true, Ordering::Relaxed);
    }
}

/// What a process has taken now; `None` once it has ended.
fn now(process: u32) -> Option<Peak> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(Peak {
        resident: field("RssAnon:")?,
        limited: field("VmData:")?,
    })
}
