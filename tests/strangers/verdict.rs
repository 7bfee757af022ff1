//! What an attack took, and whom it harmed.

use std::{
    fmt::Write as _,
    process::ExitStatus,
    time::{Duration, Instant},
};

use crate::{
    limit::{LIMIT, MIB, Peak},
    probes::Told,
    victims::LONGEST,
};

/// A look at a victim, or a probe, may take this many times as long as one of the control. That is more than twice, the
/// goal of `make bench`: here an unoptimised operator shares few cores with all attackers and all portals.
pub const TIMES: u32 = 4;
/// What a look may take beyond that by chance, for the median and for the longest.
const NOISE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Two looks that were requested at the same time, and how long each took; `None` if there was no answer in time.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When they were requested.
    pub began: Instant,
    /// The look at a victim of the operator under attack.
    pub victim: Option<Duration>,
    /// The look at a victim of the operator that nobody attacks.
    pub control: Option<Duration>,
}

/// What an attack took, and whom it harmed: figures for a table, and faults.
pub struct Verdict {
    attack: &'static str,
    table: String,
    faults: Vec<String>,
}

impl Verdict {
    /// No figures yet, and no faults.
    pub fn on(attack: &'static str) -> Self {
        Self {
            attack,
            table: format!("{attack}\n"),
            faults: Vec::new(),
        }
    }

    /// A fault, unless `is_so`.
    pub fn expect(&mut self, is_so: bool, fault: impl Into<String>) {
        if !is_so {
            self.faults.push(fault.into());
        }
    }

    /// The operator ended by itself, with this log. All other faults may follow from that, so this replaces them.
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

    /// The most memory that the operator took.
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

    /// Looks during the attack. Where the control had no answer, there is nothing to compare with.
    pub fn on_looks(&mut self, looks: &[Look]) {
        let compared = looks.iter().filter(|look| look.control.is_some());
        let victims: Vec<_> = compared.clone().filter_map(|look| look.victim).collect();
        let controls: Vec<_> = compared.filter_map(|look| look.control).collect();
        for (what, times) in [("looks", &victims), ("of the control", &controls)] {
            let (median, longest) = (quantile(times, 0.5), quantile(times, 1.0));
            let text = format!(
                "{} of {} answered: median {median:.0?}, longest {longest:.0?}",
                times.len(),
                looks.len()
            );
            self.row(what, &text);
        }
        let unanswered = controls.len() - victims.len();
        self.expect(
            unanswered == 0,
            format!(
                "{unanswered} looks at victims had no answer within {LONGEST:?}, those of the control had one"
            ),
        );
        for (what, share, noise) in [("median", 0.5, NOISE[0]), ("longest", 1.0, NOISE[1])] {
            let (victim, control) = (quantile(&victims, share), quantile(&controls, share));
            self.expect(
                victim <= TIMES * control + noise,
                format!("the {what} look at a victim took {victim:.1?}, at one of the control {control:.1?}"),
            );
        }
    }

    /// What came of the probes.
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

    /// What was wrong with victims that had been Ready.
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
