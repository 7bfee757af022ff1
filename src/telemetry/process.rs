//! The metrics of the process, by the names that Prometheus' own client libraries use.

use procfs::{
    ProcResult,
    process::{LimitValue, Process},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Reads them from /proc at each scrape; without /proc there are none.
#[derive(Debug)]
pub struct OfProcess;

/// What /proc says.
struct Read {
    cpu_seconds: f64,
    resident_bytes: u64,
    open_fds: u64,
    max_fds: Option<u64>,
    threads: i64,
    start_seconds: u64,
}

fn read() -> ProcResult<Read> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let ticks = procfs::ticks_per_second();
    // Of a process, some 5 million years.
    #[allow(
        clippy::cast_precision_loss,
        reason = "the times of a process are far below 2^52 ticks"
    )]
    let cpu_seconds = (stat.utime + stat.stime) as f64 / ticks as f64;
    Ok(Read {
        cpu_seconds,
        resident_bytes: stat.rss.saturating_mul(procfs::page_size()),
        open_fds: u64::try_from(process.fd_count()?).unwrap_or(u64::MAX),
        max_fds: match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(most) => Some(most),
            LimitValue::Unlimited => None,
        },
        threads: stat.num_threads,
        start_seconds: procfs::boot_time_secs()?.saturating_add(stat.starttime / ticks),
    })
}

impl Collector for OfProcess {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Ok(read) = read() else { return Ok(()) };
        let cpu = ConstCounter::new(read.cpu_seconds);
        let help = "CPU time of the process, in the kernel and outside, in seconds.";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?)?;
        let start = Some(read.start_seconds);
        for (name, help, value) in [
            (
                "process_resident_memory_bytes",
                "Resident memory of the process, in bytes.",
                Some(read.resident_bytes),
            ),
            ("process_open_fds", "Open file descriptors.", Some(read.open_fds)),
            (
                "process_max_fds",
                "The most file descriptors that may be open.",
                read.max_fds,
            ),
            (
                "process_threads",
                "Threads of the process.",
                u64::try_from(read.threads).ok(),
            ),
            (
                "process_start_time_seconds",
                "Unix time when the process started.",
                start,
            ),
        ] {
            if let Some(value) = value {
                let value = ConstGauge::new(value);
                value.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, registry::Registry};

    use super::*;

    #[test]
    fn the_process_is_told_of() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(OfProcess));
        let mut told = String::new();
        text::encode(&mut told, &registry).expect("a text");
        let value = |name: &str| {
            let line = told
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<f64>().ok())
                .unwrap_or_else(|| panic!("no {name} in\n{told}"))
        };
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") < value("process_max_fds"));
        assert!(value("process_threads") >= 1.0);
        // Neither before 2020 nor in the future.
        let now = jiff::Timestamp::now().as_second();
        let age = now
            - jiff::Timestamp::from_second(value("process_start_time_seconds") as i64)
                .expect("a time")
                .as_second();
        assert!((-1..3600).contains(&age), "{age}");
    }
}
