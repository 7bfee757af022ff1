//! What an attack took, and whom it harmed.

use std::{fmt::Write as _, process::ExitStatus, time::Duration};

use crate::{
    limit::{LIMIT, MIB, Peak},
    probes::Told,
};

/// A look at a victim may take so many times as long as one of the control. It is more than the goal of `make bench`, twice,
/// since an unoptimised operator shares few cores with all attackers and all portals.
const TIMES: u32 = 4;
/// What chance may add to that, for the median and for the longest.
const NOISE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// How long two looks took that were asked for at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// At a victim of the operator under attack.
    pub victim: Duration,
    /// At one of an operator that nobody attacks.
    pub control: Duration,
}

/// What an attack took, and whom it harmed.
pub struct Verdict {
    attack: &'static str,
    table: String,
    faults: Vec<String>,
}

impl Verdict {
    pub fn on(attack: &'static str) -> Self {
        Self {
            attack,
            table: format!("{attack}\n"),
            faults: Vec::new(),
        }
    }

    /// A fault, unless it is so.
    pub fn expect(&mut self, is_so: bool, fault: impl Into<String>) {
        if !is_so {
            self.faults.push(fault.into());
        }
    }

    /// The operator ended by itself, with this log. All other faults may come of that.
    pub fn on_the_end(&mut self, status: ExitStatus, log: &str) {
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(3)..].join("\n  ");
        let why = if log.contains("memory allocation of") {
            format!("it asked for more than its {} MiB", LIMIT / MIB)
        } else {
            "not for memory".into()
        };
        let fault = format!("the operator ended by itself ({status}): {why}; its log ends with\n  {tail}");
        self.faults = vec![fault];
    }

    pub fn on_memory(&mut self, peak: Peak) {
        let mib = |bytes: u64| bytes.div_ceil(MIB);
        let (resident, limited) = (mib(peak.resident), mib(peak.limited));
        self.row(
            "memory",
            &format!(
                "{resident} MiB resident, {limited} MiB of {} MiB taken",
                mib(LIMIT)
            ),
        );
        self.expect(
            peak.resident <= LIMIT,
            format!("{resident} MiB were resident, more than the chart grants"),
        );
    }

    pub fn on_looks(&mut self, looks: &[Look]) {
        let victims: Vec<_> = looks.iter().map(|look| look.victim).collect();
        let controls: Vec<_> = looks.iter().map(|look| look.control).collect();
        let count = looks.len();
        for (what, times) in [("looks", &victims), ("of the control", &controls)] {
            let (median, longest) = (quantile(times, 0.5), quantile(times, 1.0));
            self.row(
                what,
                &format!("{count}: median {median:.0?}, longest {longest:.0?}"),
            );
        }
        for (what, share, noise) in [("median", 0.5, NOISE[0]), ("longest", 1.0, NOISE[1])] {
            let (victim, control) = (quantile(&victims, share), quantile(&controls, share));
            self.expect(
                victim <= TIMES * control + noise,
                format!("the {what} look at a victim took {victim:.1?}, at one of the control {control:.1?}"),
            );
        }
    }

    pub fn on_probes(&mut self, told: &Told) {
        let Told {
            asked,
            worst,
            failures,
        } = told;
        self.row("probes", &format!("{asked}: longest {worst:.0?}"));
        if let Some(first) = failures.first() {
            let count = failures.len();
            self.faults
                .push(format!("{count} of {asked} probes failed, first {first}"));
        }
    }

    pub fn on_victims(&mut self, faults: &[String]) {
        if let Some(first) = faults.first() {
            let count = faults.len();
            self.faults.push(format!(
                "{count} statuses of victims were not in order, first {first}"
            ));
        }
    }

    /// Prints the table, and fails if there is a fault.
    pub fn close(self) {
        println!("{}", self.table);
        let faults = self.faults.join("\n- ");
        assert!(self.faults.is_empty(), "{}:\n- {faults}", self.attack);
    }

    fn row(&mut self, what: &str, text: &str) {
        let _ = writeln!(self.table, "  {what:<14} {text}");
    }
}

fn quantile(times: &[Duration], share: f64) -> Duration {
    harness::quantile(times, share).unwrap_or_default()
}
