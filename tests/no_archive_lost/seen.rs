//! What came up in the stories.

/// What came up in the stories: without it the property would hold for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// POSTs by reason: Created, Changed, Corrected.
    pub posts: [usize; 3],
    /// POSTs that cost archives, as adoptionPolicy is Always.
    pub costly_by_policy: usize,
    /// POSTs that cost archives, as the number was lowered.
    pub costly_by_number: usize,
    /// POSTs that were not made, as they would have cost archives.
    pub spared: usize,
}

impl Seen {
    /// Adds what came up in another story.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.posts.iter_mut().zip(other.posts) {
            *sum += more;
        }
        self.costly_by_policy += other.costly_by_policy;
        self.costly_by_number += other.costly_by_number;
        self.spared += other.spared;
    }

    /// Fails when the stories left out what the property is about.
    pub fn must_be_of_weight(&self) {
        let counts = [self.costly_by_policy, self.costly_by_number, self.spared];
        let weighty = self.posts.iter().chain(&counts).all(|count| *count >= 3);
        assert!(weighty, "the stories prove little: {self:?}");
    }
}
