//! What each endpoint does.

pub(crate) mod audit;
pub(crate) mod history;
pub(crate) mod keys;
pub(crate) mod schedule;
pub(crate) mod settings;
