//! Tests against a real Kubernetes API.

mod crd;
