//! Tests against a real Kubernetes API, a simulated portal and the real binary.

mod addresses;
mod answers;
mod backups;
mod crd;
mod evidence;
mod foretold;
mod gitops;
mod hidden;
mod invalid;
mod keys;
mod leader;
mod lifecycle;
mod metrics;
mod once;
mod pace;
mod page;
mod process;
mod recreated;
mod release;
mod removals;
mod replicas;
mod secrets;
mod strangers;
mod world;
