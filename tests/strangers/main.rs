//! Strangers share one operator: attacks by tenants and by portals, against the real binary under the chart's memory
//! limit. A [`World`] is one operator for two namespaces: [`victims`] live in one, and looks at them are requested all the
//! time; [`attackers`] live in the other. A second operator, the control, has victims and no attackers: a slow machine
//! slows both.
//! After each attack [`World::judge`] prints what it took, and fails the test
//!
//! - if the operator ended, or took more memory than the chart grants,
//! - if a victim was not Ready and Synced at any time,
//! - if looks at victims took several times as long as those of the control, or had no answer while these had one,
//! - if a probe or the metrics took longer than the chart's timeout and several times as long as at the control.
//!
//! `cargo test --test strangers -- --nocapture NAME` shows the figures of one attack. The environment variable
//! `OPERATOR` names another binary, for example a release build.

mod answers;
mod attackers;
mod crowds;
mod evidence;
mod limit;
mod lists;
mod names;
mod portal;
mod probes;
mod scrapers;
mod secrets;
mod timetables;
mod verdict;
mod victims;
mod wiped;
mod world;

use world::World;
