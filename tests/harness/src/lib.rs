//! The base of the integration tests: a real Kubernetes API, the operator as a separate process, waits with a deadline
//! that report the last state they saw, and objects to start from.
//!
//! Helpers panic on failure, with a message for the reader of the test's output.

mod api_front;
mod audit;
mod control_plane;
pub mod helm;
mod http;
mod machine;
mod objects;
mod operator;
mod process;
mod promtool;
mod proxy;
mod seed;
mod times;
mod wait;

pub use api_front::{ApiFront, KubeCall, KubeFault, KubeFaultId, Request as KubeRequest};
pub use audit::{Asked, Audit, unused};
pub use control_plane::{ControlPlane, control_plane};
pub use http::{http_get, try_http_get};
pub use machine::machine;
pub use objects::{API_KEY, Namespace, from_api_docs, nightly, secret};
pub use operator::{Operator, log_of};
pub use process::{Connections, Process};
pub use promtool::promtool;
pub use proxy::Proxy;
pub use seed::seed;
pub use times::quantile;
pub use wait::{DEADLINE, wait_for, wait_gone};
