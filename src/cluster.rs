//! Where the Kubernetes API is, and through which proxy it is reached: as kubectl reaches it.
//!
//! - `proxy-url` of the kubeconfig's cluster counts first, for every address.
//! - Otherwise HTTPS_PROXY, or HTTP_PROXY for an API server without TLS, unless NO_PROXY names the API server or it is a
//!   loopback address. The names may be in lower case, too. Inside a cluster the same holds.

use std::{error::Error, io::ErrorKind, net::IpAddr, time::Duration};

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::{
    Config,
    config::{InferConfigError, Kubeconfig, KubeconfigError},
};

use crate::error::place;

/// Time-out of a request to the Kubernetes API.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// SOCKS has a port of its own; kube would take that of HTTP.
const SOCKS_PORT: &str = "1080";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum NoConfig {
    /// A kubeconfig is no YAML.
    #[error("the kubeconfig cannot be read: {0}")]
    NotYaml(String),
    /// There is neither a usable kubeconfig nor the service account of a pod.
    #[error(transparent)]
    Unusable(InferConfigError),
}

impl From<InferConfigError> for NoConfig {
    fn from(error: InferConfigError) -> Self {
        match kubeconfig_error(&error) {
            // It repeats lines of the file, such as a token.
            Some(KubeconfigError::Parse(error)) => Self::NotYaml(place(error)),
            _ => Self::Unusable(error),
        }
    }
}

fn kubeconfig_error(error: &InferConfigError) -> Option<&KubeconfigError> {
    error.source()?.downcast_ref()
}

/// The configuration of every client of the Kubernetes API.
///
/// # Errors
/// There is neither a usable kubeconfig nor the service account of a pod.
pub async fn config() -> Result<Config, NoConfig> {
    let mut config = Config::infer().await?;
    // kube's own choice compares NO_PROXY with the proxy instead of the API server, and ignores the variables in a pod.
    config.proxy_url = match proxy_of_the_kubeconfig(&config) {
        Some(proxy) => parsed(&proxy),
        None => proxy_from(|name| std::env::var(name).ok(), &config.cluster_url),
    };
    Ok(config)
}

/// The same; `None` if KUBECONFIG names nothing, and there is neither the usual kubeconfig nor the service account of a pod.
///
/// # Errors
/// A kubeconfig is named, or there, and not usable.
pub async fn config_if_any() -> Result<Option<Config>, NoConfig> {
    let is_named = std::env::var_os("KUBECONFIG").is_some_and(|files| !files.is_empty());
    match config().await {
        Err(NoConfig::Unusable(error)) if !is_named && is_none(&error) => Ok(None),
        config => config.map(Some),
    }
}

fn is_none(error: &InferConfigError) -> bool {
    match kubeconfig_error(error) {
        Some(KubeconfigError::ReadConfig(error, _)) => error.kind() == ErrorKind::NotFound,
        Some(KubeconfigError::FindPath) => true,
        _ => false,
    }
}

/// `proxy-url` of the cluster of the current context.
fn proxy_of_the_kubeconfig(config: &Config) -> Option<String> {
    // Only a pod's own configuration has this file.
    if config.root_cert_file.is_some() {
        return None;
    }
    let kubeconfig = Kubeconfig::read().ok()?;
    let current = kubeconfig.current_context?;
    let context = kubeconfig
        .contexts
        .into_iter()
        .find(|context| context.name == current)?
        .context?;
    let cluster = kubeconfig
        .clusters
        .into_iter()
        .find(|cluster| cluster.name == context.cluster)?
        .cluster?;
    cluster.proxy_url.filter(|url| !url.is_empty())
}

/// The proxy that the environment names for this API server.
fn proxy_from(variable: impl Fn(&str) -> Option<String>, server: &Uri) -> Option<Uri> {
    let value = |name: &str| {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        given(name).or_else(|| given(&name.to_lowercase()))
    };
    let tls = server.scheme_str() != Some("http");
    let proxy = value(if tls { "HTTPS_PROXY" } else { "HTTP_PROXY" })?;
    let host = server.host()?;
    if is_loopback(host) {
        return None;
    }
    let port = server.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let excluded = value("NO_PROXY").unwrap_or_default();
    let excluded: Vec<_> = excluded
        .split(',')
        .filter_map(|entry| of_port(entry.trim(), port))
        // To the matcher, a domain is one of its own subdomains.
        .filter(|entry| {
            !entry
                .strip_prefix('.')
                .is_some_and(|domain| domain.eq_ignore_ascii_case(host))
        })
        .collect();
    let matcher = Matcher::builder().all("http://proxy").no(excluded.join(","));
    matcher.build().intercept(server)?;
    parsed(&proxy)
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_loopback(host: &str) -> bool {
    let address = bare(host).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// An entry of NO_PROXY without its port, in the form that the matcher knows; none if it is about another port.
fn of_port(entry: &str, port: u16) -> Option<&str> {
    let (host, wanted) = match entry.rsplit_once(':') {
        // An address of IPv6 has a port only after brackets.
        Some((host, wanted)) if !host.contains(':') || host.ends_with(']') => (host, wanted),
        _ => (entry, ""),
    };
    let other = !wanted.is_empty() && wanted.parse() != Ok(port);
    let host = bare(host);
    let host = host
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(host);
    (!other).then_some(host)
}

/// The address of a proxy. Without a scheme it is one of HTTP.
fn parsed(proxy: &str) -> Option<Uri> {
    let proxy = proxy.trim();
    let with_scheme = match proxy.split_once("://") {
        Some(("socks5" | "socks5h", rest)) => format!("socks5://{}", with_port(rest)),
        Some(_) => proxy.into(),
        None => format!("http://{proxy}"),
    };
    with_scheme.parse().ok()
}

fn with_port(authority: &str) -> String {
    let authority = authority.split('/').next().unwrap_or_default();
    match authority.parse::<http::uri::Authority>() {
        Ok(parsed) if parsed.port().is_none() => format!("{authority}:{SOCKS_PORT}"),
        _ => authority.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy for this API server with these variables.
    fn proxy(server: &str, variables: &[(&str, &str)]) -> Option<String> {
        let value = |name: &str| {
            let set = variables.iter().find(|(known, _)| *known == name);
            set.map(|(_, value)| (*value).to_owned())
        };
        let proxy = proxy_from(value, &server.parse().expect("an address"));
        proxy.map(|proxy| proxy.to_string())
    }

    fn is_reached_by_proxy(server: &str, no_proxy: &str) -> bool {
        let variables = [("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", no_proxy)];
        proxy(server, &variables).is_some()
    }

    #[test]
    fn the_variable_of_the_scheme_counts_in_either_case() {
        let api = "https://api.example.com:6443";
        let proxied = Some("http://proxy:3128/".to_owned());
        assert_eq!(proxy(api, &[("HTTPS_PROXY", "http://proxy:3128")]), proxied);
        assert_eq!(proxy(api, &[("https_proxy", "proxy:3128")]), proxied);
        assert_eq!(
            proxy(api, &[("HTTPS_PROXY", ""), ("https_proxy", "proxy:3128")]),
            proxied
        );
        assert_eq!(proxy(api, &[("HTTP_PROXY", "http://proxy:3128")]), None);
        assert_eq!(proxy(api, &[("ALL_PROXY", "http://proxy:3128")]), None);
        let plain = "http://api.example.com:8001";
        assert_eq!(proxy(plain, &[("HTTP_PROXY", "http://proxy:3128")]), proxied);
        assert_eq!(proxy(plain, &[("HTTPS_PROXY", "http://proxy:3128")]), None);
    }

    #[test]
    fn the_proxy_keeps_its_user_and_has_its_port() {
        for (given, address) in [
            ("http://me:p%40ss@proxy:3128", "http://me:p%40ss@proxy:3128/"),
            ("socks5://proxy", "socks5://proxy:1080/"),
            ("socks5h://[fd00::1]/", "socks5://[fd00::1]:1080/"),
            ("socks5://proxy:9050", "socks5://proxy:9050/"),
        ] {
            let found = proxy("https://api.example.com", &[("HTTPS_PROXY", given)]);
            assert_eq!(found.as_deref(), Some(address));
        }
    }

    #[test]
    fn a_loopback_address_needs_no_proxy() {
        for server in [
            "https://localhost:6443",
            "https://127.0.0.1:6443",
            "https://127.9.9.9:6443",
            "https://[::1]:6443",
        ] {
            assert!(!is_reached_by_proxy(server, ""), "{server}");
        }
        assert!(is_reached_by_proxy("https://localhost.example.com:6443", ""));
    }

    /// As kubectl decides: golang.org/x/net/http/httpproxy.
    #[test]
    fn no_proxy_names_hosts_domains_addresses_networks_and_ports() {
        for (server, no_proxy, reached_by_proxy) in [
            ("https://api.example.com:6443", "*", false),
            (
                "https://api.example.com:6443",
                "other.com, api.example.com",
                false,
            ),
            ("https://api.example.com:6443", "example.com", false),
            ("https://api.example.com:6443", ".example.com", false),
            ("https://api.example.com:6443", "*.example.com", false),
            ("https://API.Example.com:6443", "api.EXAMPLE.com", false),
            ("https://api.example.com:6443", "api.example.com:6443", false),
            ("https://api.example.com:6443", ".example.com:6443", false),
            ("https://api.example.com", "api.example.com:443", false),
            ("https://10.0.0.1:443", "10.0.0.1", false),
            ("https://10.0.0.1:443", "10.0.0.1:443", false),
            ("https://10.0.0.1:443", "10.0.0.0/8", false),
            ("https://[fd00::1]:443", "fd00::1", false),
            ("https://[fd00::1]:443", "[fd00::1]", false),
            ("https://[fd00::1]:443", "[fd00::1]:443", false),
            ("https://[fd00::1]:443", "fd00::/8", false),
            ("https://api.example.com:6443", "localhost,,.svc,", true),
            ("https://api.example.com:6443", "ple.com", true),
            ("https://example.com:6443", ".example.com", true),
            ("https://example.com:6443", "*.example.com", true),
            ("https://api.example.com:6443", "api.example.com:443", true),
            ("https://10.0.0.1:443", "10.0.0.1:6443", true),
            ("https://10.0.0.1:443", "10.1.0.0/16", true),
            ("https://10.0.0.1:443", "0.0.1", true),
            ("https://[fd00::1]:443", "[fd00::1]:6443", true),
        ] {
            assert_eq!(
                is_reached_by_proxy(server, no_proxy),
                reached_by_proxy,
                "{server} with NO_PROXY={no_proxy}"
            );
        }
    }
}
