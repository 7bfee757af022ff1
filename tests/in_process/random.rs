//! The parts that random stories share.

use docspace_backup_operator::api::AdoptionPolicy;
use proptest::prelude::*;

use super::{STORAGES, Terms};

/// Schedules with these numbers of archives.
pub fn terms_with(numbers: impl Strategy<Value = i32>) -> impl Strategy<Value = Terms> {
    (numbers, 0..2, 0..STORAGES.len(), 0..2_u8).prop_map(|(number, hour, storage, secret)| Terms {
        number,
        hour,
        storage,
        secret,
    })
}

/// Most objects have the default.
pub fn adoptions() -> impl Strategy<Value = AdoptionPolicy> {
    use AdoptionPolicy::{Always, Never, Safe};
    prop_oneof![6 => Just(Safe), 1 => Just(Always), 1 => Just(Never)]
}
