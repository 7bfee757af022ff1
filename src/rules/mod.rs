//! The rules: everything that follows from facts and a clock. No I/O, no clock and no randomness of their own.
//!
//! 1. [`recall::recall`] begins the [`facts::Facts`] with what status and memory hold.
//! 2. [`decide::decide`] names a [`plan::Step`]: the next fact to learn, or the plan. [`reason`] holds the one table of
//!    reasons. [`ownership`], [`lost_write`] and [`last_queued`] say what the facts mean.
//! 3. What came of a plan is an [`outcome::Outcome`].
//! 4. [`summary::summary`] turns facts and outcome into the [`status`], the [`events`] and the wait ([`retry`]).
//!    [`backup`] judges BackupFresh, [`credentials`] judges CredentialsValid.
//!
//! [`memory`] is what the process remembers of an object between two reconciles; all of it may be lost.

pub mod backup;
pub mod credentials;
pub mod decide;
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
pub mod retry;
pub mod status;
pub mod summary;
