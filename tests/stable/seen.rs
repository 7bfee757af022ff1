//! Counts of what the stories contain: without them, the properties could hold because nothing happens.

use std::{collections::BTreeMap, fmt};

/// What every [`FEW`] stories contain, by the name under which it is counted.
const FREQUENT: &[&str] = &[
    "edit Create",
    "edit Delete",
    "edit Change",
    "edit Request",
    "edit StorageSecret",
    "edit KeyRenewed",
    "edit Theirs",
    "edit Removed",
    "edit Running",
    "edit Quota",
    "edit Trouble",
    "edit Restart",
    "status Refused",
    "status Unseen",
    "post Shown",
    "post Accepted",
    "post Lost",
    "the portal removes a schedule",
    "write Created",
    "write Changed",
    "write Corrected",
    "write Recreated",
    "delete",
    "release",
    "suspend",
    "refuse Conflict",
    "refuse OutcomeUnknown",
    "refuse Verifying",
    "refuse Unauthorized",
    "refuse SecretMissing",
    "refuse OutOfSync",
    "end InSync",
    "end Conflict",
    "end Unauthorized",
    "end OutOfSync",
    "end suspended",
    "end of a slot: gone",
    "end of a slot: foreign",
];

/// What only [`ENOUGH`] stories contain.
const RARE: &[&str] = &[
    "refuse WouldDeleteArchives",
    "refuse AdoptionRefused",
    "edit DeleteByForce",
    "edit Restored",
    "edit Wiped",
    "edit Replaced",
    "edit KeyRevoked",
    "edit KeyLost",
    "crash BeforeWrite",
    "crash AfterWrite",
    "crash AfterStatus",
    "post Refused",
    "a late write lands",
    "adopt Adopted",
    "adopt Changed",
    "refuse Contested",
    "refuse NotConverging",
    "refuse BackupRunning",
    "refuse RemovedByPortal",
    "refuse Unreachable",
    "end AdoptionRefused",
    "end WouldDeleteArchives",
    "end NotConverging",
    "end RemovedByPortal",
    "end SecretMissing",
    "edit Archives",
    "edit TheirNumber",
    "edit ClockOff",
];

/// The stories of a short pass on two processors.
const FEW: usize = 120;
/// So many contain everything.
const ENOUGH: usize = 1_000;

/// Counts.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    counts: BTreeMap<String, usize>,
    /// Stories.
    pub stories: usize,
    /// Reconciles that decided something.
    pub looks: usize,
    /// POSTs and DELETEs.
    pub writes: usize,
    /// Calls of portals.
    pub calls: usize,
    maxima: BTreeMap<&'static str, usize>,
}

impl Seen {
    /// Counts an occurrence.
    pub fn count(&mut self, what: impl fmt::Display) {
        *self.counts.entry(what.to_string()).or_default() += 1;
    }

    /// Adds the counts of another story.
    pub fn add(&mut self, other: &Self) {
        for (what, more) in &other.counts {
            *self.counts.entry(what.clone()).or_default() += more;
        }
        self.stories += other.stories;
        self.looks += other.looks;
        self.writes += other.writes;
        self.calls += other.calls;
        for (of, most) in &other.maxima {
            self.most(of, *most);
        }
    }

    /// Keeps the greatest number.
    pub fn most(&mut self, of: &'static str, number: usize) {
        let most = self.maxima.entry(of).or_default();
        *most = number.max(*most);
    }

    /// Fails if the stories do not contain what the properties are about.
    pub fn must_be_of_weight(&self) {
        let expected = [(FEW, FREQUENT), (ENOUGH, RARE)].into_iter();
        let expected = expected.filter(|(enough, _)| self.stories >= *enough);
        let missing: Vec<_> = expected
            .flat_map(|(_, names)| names)
            .filter(|name| !self.counts.contains_key(**name))
            .collect();
        assert!(missing.is_empty(), "the stories lack {missing:?}: {self}");
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} stories, {} looks, {} calls, {} writes",
            self.stories, self.looks, self.calls, self.writes
        )?;
        for (of, most) in &self.maxima {
            writeln!(f, "at most {most} {of}")?;
        }
        for (what, count) in &self.counts {
            writeln!(f, "{count:>8} {what}")?;
        }
        Ok(())
    }
}
