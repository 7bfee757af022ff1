//! A Kubernetes operator that keeps ONLYOFFICE DocSpace backup schedules as their manifests say.

pub mod api;
pub mod portal;
pub mod schedule;
