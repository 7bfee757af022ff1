//! The portal's address, and references to the Secrets that the operator needs for it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::validation;

/// The portal that holds the schedule, and how the operator connects to it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PortalSpec {
    /// Address of the portal, for example https://docs.example.com, or http://router.docspace.svc:8092 for a DocSpace that
    /// its Helm chart installed in the same cluster. No user, query or fragment; at most 2048 characters. Required. Its host
    /// is the name that the TLS certificate must match, and the Host header unless hostHeader is set.
    #[schemars(length(max = 2048))]
    #[x_kube(
        validation = validation::url_is_address(),
        validation = validation::url_is_no_more_than_address(),
        validation = validation::url_port_exists()
    )]
    pub url: String,
    /// Host header to send, as host or host:port. DocSpace selects the portal by this header. Set it when the portal's own
    /// name differs from the host of the URL; TLS still uses the host of the URL. Default: the URL's host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 261))]
    #[x_kube(validation = validation::host_header_is_host(), validation = validation::host_header_port_exists())]
    pub host_header: Option<String>,
    /// The Secret with the API key (sk-…) or session token, in the same namespace. Required. The annotation
    /// docspace.onlyoffice.com/portal-origin of each Secret lists the origins that it may be sent to; the operator may require
    /// it, and does so by default when the Helm chart installed it.
    pub api_key_secret_ref: ApiKeySecretRef,
    /// The Secret with the PEM certificates of a private CA, in the same namespace. The operator verifies the portal's
    /// certificate against this CA. Default: none; the operator uses the public CAs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
}

impl PortalSpec {
    /// The address, for messages.
    pub fn shown(&self) -> String {
        shown_address(&self.url, self.host_header.as_deref())
    }
}

/// An address for messages, with the Host header if there is one.
pub fn shown_address(url: &str, host_header: Option<&str>) -> String {
    match host_header {
        Some(host) => format!("{url} (Host {host})"),
        None => url.into(),
    }
}

/// The Secret that holds the API key, and the key inside it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct ApiKeySecretRef {
    /// Name of the Secret, in the same namespace. Required.
    #[schemars(length(max = 253))]
    #[x_kube(validation = validation::secret_name())]
    pub name: String,
    /// Key inside the Secret. Default: apiKey.
    #[serde(default = "api_key")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = validation::secret_key())]
    pub key: String,
}

/// The Secret that holds the CA certificates, and the key inside it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct CaSecretRef {
    /// Name of the Secret, in the same namespace. Required.
    #[schemars(length(max = 253))]
    #[x_kube(validation = validation::secret_name())]
    pub name: String,
    /// Key inside the Secret. Default: ca.crt.
    #[serde(default = "ca_crt")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = validation::secret_key())]
    pub key: String,
}

/// A Secret, and the key inside it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
pub struct SecretKeyRef {
    /// Name of the Secret, in the same namespace. Required.
    #[schemars(length(max = 253))]
    #[x_kube(validation = validation::secret_name())]
    pub name: String,
    /// Key inside the Secret. Required.
    #[schemars(length(max = 253))]
    #[x_kube(validation = validation::secret_key())]
    pub key: String,
}

fn api_key() -> String {
    "apiKey".into()
}

fn ca_crt() -> String {
    "ca.crt".into()
}
