//! Counts of the situations in the stories.

/// Counts of the situations in the stories: without them, the property would hold trivially.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// POSTs by reason: Created, Changed, Corrected.
    pub posts: [usize; 3],
    /// POSTs that delete archives, with adoptionPolicy Always.
    pub costly_by_policy: usize,
    /// POSTs that delete archives, after backupsStored was lowered.
    pub costly_by_number: usize,
    /// POSTs that were not made because they would have deleted archives.
    pub spared: usize,
}

impl Seen {
    /// Adds the counts of another story.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.posts.iter_mut().zip(other.posts) {
            *sum += more;
        }
        self.costly_by_policy += other.costly_by_policy;
        self.costly_by_number += other.costly_by_number;
        self.spared += other.spared;
    }

    /// Fails if the stories do not include the situations that the property is about.
    pub fn must_be_of_weight(&self) {
        let counts = [self.costly_by_policy, self.costly_by_number, self.spared];
        let weighty = self.posts.iter().chain(&counts).all(|count| *count >= 3);
        assert!(weighty, "the stories prove little: {self:?}");
    }
}
