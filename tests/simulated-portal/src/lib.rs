//! Simulated portal.
