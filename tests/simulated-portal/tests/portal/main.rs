//! Tests of the simulated portal, over real HTTP.

mod basics;
mod faults;
mod http;
mod recordings;
mod runs;
