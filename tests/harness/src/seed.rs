//! Seeds of random choices.

use std::{env, io::Write};

/// The seed of a random choice: the value of this environment variable, or a new one. It is printed even if the test's
/// output is captured.
pub fn seed(variable: &str) -> u64 {
    let given = env::var(variable).ok();
    let seed = given.map_or_else(
        || fastrand::u64(..),
        |seed| {
            seed.parse()
                .unwrap_or_else(|_| panic!("{variable} must be a number"))
        },
    );
    let _ = writeln!(std::io::stderr(), "{variable}={seed} repeats this choice");
    seed
}
