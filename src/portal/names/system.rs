//! The system's files on names: `/etc/resolv.conf` and `/etc/hosts`.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use resolv_conf::Config;

/// So many addresses of `/etc/hosts` are used for a host.
const ADDRESSES: usize = 16;

/// Where the files are. They are read for each look-up, because they may change.
#[derive(Clone, Debug)]
pub struct System {
    /// `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
    /// `/etc/hosts`.
    pub hosts: PathBuf,
    /// The port of the DNS servers: 53.
    pub port: u16,
}

/// Which DNS servers are asked, and the search list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// In the order of resolv.conf; at least one.
    pub servers: Vec<SocketAddr>,
    /// In the order of resolv.conf.
    pub search: Vec<String>,
}

impl Default for System {
    fn default() -> Self {
        Self {
            resolv_conf: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
            port: 53,
        }
    }
}

impl System {
    /// Logs what is wrong with resolv.conf.
    pub fn check(&self) {
        let file = self.resolv_conf.display();
        match fs::read(&self.resolv_conf) {
            Err(error) => tracing::warn!("cannot read {file}: {error}; DNS is asked at 127.0.0.1"),
            Ok(text) if Config::parse_with_errors(&text).0.nameservers.is_empty() => {
                tracing::warn!("{file} names no DNS server; DNS is asked at 127.0.0.1");
            }
            Ok(_) => {}
        }
    }

    /// The servers and the search list. Where resolv.conf names no server, that of this machine, as the C library does.
    pub fn dns(&self) -> Dns {
        let text = fs::read(&self.resolv_conf).unwrap_or_default();
        let (config, _) = Config::parse_with_errors(&text);
        let mut servers: Vec<IpAddr> = config.nameservers.iter().map(IpAddr::from).collect();
        if servers.is_empty() {
            servers.push(Ipv4Addr::LOCALHOST.into());
        }
        let servers = servers
            .into_iter()
            .map(|server| SocketAddr::new(server, self.port));
        Dns {
            servers: servers.collect(),
            search: config.get_last_search_or_domain().cloned().collect(),
        }
    }

    /// The addresses of a host that are known without DNS: those of `/etc/hosts`, else those of `localhost`.
    pub fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let host = host.trim_end_matches('.');
        let text = fs::read(&self.hosts).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let found = text.lines().filter_map(|line| address_of(line, host));
        let found: Vec<IpAddr> = found.take(ADDRESSES).collect();
        let is_local = host == "localhost" || host.ends_with(".localhost");
        if found.is_empty() && is_local {
            return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        found
    }
}

/// The address of a line if it names the host.
fn address_of(line: &str, host: &str) -> Option<IpAddr> {
    let mut words = line.split('#').next()?.split_whitespace();
    let address = words.next()?.parse().ok()?;
    words
        .any(|word| word.eq_ignore_ascii_case(host))
        .then_some(address)
}
