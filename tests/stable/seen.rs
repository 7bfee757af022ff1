//! Counts of what the stories contain: without them, the properties could hold because nothing happens.

use std::{collections::BTreeMap, fmt};

/// What must occur in [`ENOUGH`] stories, by the name under which it is counted.
const MUST_OCCUR: &[&str] = &[
    // Events.
    "edit Create",
    "edit Delete",
    "edit DeleteByForce",
    "edit Change",
    "edit Request",
    "edit Restored",
    "edit Wiped",
    "edit Replaced",
    "edit StorageSecret",
    "edit KeyRevoked",
    "edit KeyRenewed",
    "edit KeyLost",
    "edit Theirs",
    "edit Removed",
    "edit Running",
    "edit Quota",
    "edit Trouble",
    "edit Restart",
    "crash BeforeWrite",
    "crash AfterWrite",
    "crash AfterStatus",
    "status Refused",
    "status Unseen",
    // What becomes of writes.
    "post Refused",
    "post Shown",
    "post Accepted",
    "post Lost",
    "a late write lands",
    "the portal removes a schedule",
    // Decisions.
    "write Created",
    "write Changed",
    "write Corrected",
    "write Recreated",
    "adopt Adopted",
    "adopt Changed",
    "delete",
    "release",
    "suspend",
    "refuse Conflict",
    "refuse AdoptionRefused",
    "refuse WouldDeleteArchives",
    "refuse Contested",
    "refuse NotConverging",
    "refuse OutcomeUnknown",
    "refuse Verifying",
    "refuse BackupRunning",
    "refuse RemovedByPortal",
    "refuse Unauthorized",
    "refuse SecretMissing",
    "refuse OutOfSync",
    "refuse Unreachable",
    // How objects end.
    "end InSync",
    "end Conflict",
    "end AdoptionRefused",
    "end WouldDeleteArchives",
    "end NotConverging",
    "end RemovedByPortal",
    "end Unauthorized",
    "end SecretMissing",
    "end OutOfSync",
    "end suspended",
    "end of a slot: gone",
    "end of a slot: foreign",
];

/// So many stories contain everything, each thing several times.
pub const ENOUGH: usize = 1_000;

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
    /// The most looks that an object needed after the last disturbance.
    pub most_looks: usize,
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
        self.most_looks = self.most_looks.max(other.most_looks);
    }

    /// Fails if the stories do not contain what the properties are about.
    pub fn must_be_of_weight(&self) {
        let missing: Vec<_> = MUST_OCCUR
            .iter()
            .filter(|what| self.counts.get(**what).is_none_or(|count| *count < 3))
            .collect();
        assert!(missing.is_empty(), "the stories lack {missing:?}: {self}");
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} stories, {} looks, {} calls, {} writes; at most {} looks after the last disturbance",
            self.stories, self.looks, self.calls, self.writes, self.most_looks
        )?;
        for (what, count) in &self.counts {
            writeln!(f, "{count:>8} {what}")?;
        }
        Ok(())
    }
}
