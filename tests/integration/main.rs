//! Tests against a real Kubernetes API, a simulated portal and the real binary.

mod addresses;
mod answers;
mod api_documentation;
mod backups;
mod check_times;
mod crd;
mod credentials;
mod evidence;
mod gitops;
mod hidden;
mod invalid;
mod leader;
mod lifecycle;
mod long_names;
mod metrics;
mod predicted;
mod process;
mod proxied;
mod recreated;
mod release;
mod removed_schedules;
mod replicas;
mod secrets;
mod single_post;
mod tenant_isolation;
mod world;
