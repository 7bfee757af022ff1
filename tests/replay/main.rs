//! Recorded stories and simulated days, replayed without Kubernetes: the operator's own steps, run by the clock of a
//! simulated portal.
//!
//! - `stories`: the operator's verdict after each step of every recorded story.
//! - `days`: the number of portal calls on days of different kinds.
//! - `no_false_alarm`: random nights on which every backup succeeds, while the portal's answers fail.

mod days;
mod no_false_alarm;
mod operator;
mod stories;
