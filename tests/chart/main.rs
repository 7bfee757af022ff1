//! The Helm charts and the plain manifests, against a real Kubernetes API and with Helm itself.

mod alerts;
mod artifact_hub;
mod dashboard;
mod lifecycle;
mod manifests;
mod origins;
mod pods;
mod render;
mod rights;
mod types;
mod umbrella;
mod values;
mod warnings;

use harness::helm;
