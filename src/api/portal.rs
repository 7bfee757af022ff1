//! Where the portal is, and the Secrets that go with it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::validation;

/// The portal that shall hold the schedule, and what the operator needs to reach it.
#[derive(KubeSchema, Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PortalSpec {
    /// Address of the portal: https://docs.example.com, or http://router.docspace.svc:8092 beside a DocSpace installed by
    /// its Helm chart; without user, query or fragment, at most 2048 characters. Required. TLS name and certificate follow
    /// it, and so does the Host header unless hostHeader is set.
    #[schemars(length(max = 2048))]
    #[x_kube(
        validation = validation::url_is_address(),
        validation = validation::url_is_no_more_than_address(),
        validation = validation::url_port_exists()
    )]
    pub url: String,
    /// Host header to send, as host or host:port, where it differs from the URL's own: DocSpace picks the portal by it.
    /// Default: the URL's host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 261))]
    #[x_kube(validation = validation::host_header_is_host(), validation = validation::host_header_port_exists())]
    pub host_header: Option<String>,
    /// The Secret with the API key (sk-…) or session token, in the same namespace. Required. A Secret can name the origins
    /// that it is meant for in its annotation docspace.onlyoffice.com/portal-origin.
    pub api_key_secret_ref: ApiKeySecretRef,
    /// The Secret with the certificates (PEM) of a private CA that the portal's own is checked against, in the same
    /// namespace. Default: none, the usual public CAs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
}

/// A key of a Secret that holds an API key.
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

/// A key of a Secret that holds CA certificates.
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

/// A key of a Secret.
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
