//! What can be said from facts and a clock: no I/O, no clock and no chance of its own.

pub mod backup;
pub mod credentials;
pub mod decide;
pub mod events;
pub mod facts;
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
