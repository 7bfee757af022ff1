//! The rules: pure functions of facts and a clock. They do no I/O and have no clock or randomness of their own.
//!
//! 1. [`recall::recall`] starts the [`facts::Facts`] from status and memory; [`resolved`] adds what follows from the
//!    Secrets.
//! 2. [`decide::decide`] returns a [`plan::Step`]: the next fact to learn, or the plan. [`reason`] has the table of
//!    reasons. [`ownership`], [`lost_write`] and [`last_queued`] interpret the facts.
//! 3. The result of a plan is an [`outcome::Outcome`].
//! 4. [`summary::summary`] turns facts and outcome into the [`status`], the [`events`] and the wait ([`retry`]).
//!    [`backup`] judges BackupFresh, [`credentials`] judges CredentialsValid.
//!
//! [`memory`] is the process's memory of an object between reconciles; it may be lost at any time.

pub mod asked_to_wait;
pub mod backup;
pub mod clock;
pub mod credentials;
pub mod decide;
pub mod drift;
pub mod events;
pub mod facts;
pub mod last_queued;
pub mod lost_write;
pub mod memory;
pub mod note;
pub mod outcome;
pub mod ownership;
pub mod plan;
pub mod reason;
pub mod recall;
pub mod resolved;
pub mod retry;
#[cfg(test)]
pub(crate) mod sample;
pub mod status;
pub mod summary;
