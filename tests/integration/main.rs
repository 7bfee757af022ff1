//! Tests against a real Kubernetes API, a simulated portal and the real binary.

mod answers;
mod crd;
mod invalid;
mod lifecycle;
mod once;
mod page;
mod process;
mod rbac;
mod secrets;
mod world;
