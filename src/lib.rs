//! A Kubernetes operator that keeps ONLYOFFICE DocSpace backup schedules as their manifests say.

pub mod api;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod dns_name;
pub mod error;
pub mod import;
pub mod lease;
pub mod portal;
pub mod release;
pub mod rules;
pub mod schedule;
pub mod secret;
pub mod selector;
pub mod shares;
pub mod telemetry;
pub mod text;
