//! Nights without Kubernetes: the operator's own steps, looked at by the clock of a simulated portal.
//!
//! - `stories`: what the operator says after each step of every recorded story.
//! - `days`: how many calls a portal gets in days of different kinds.

mod days;
mod operator;
mod stories;
