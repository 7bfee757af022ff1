//! Refuses addresses that are never a portal, both as literals and after DNS resolution.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// Metadata services of clouds outside the link-local ranges: Alibaba, Oracle, Azure, AWS, Google.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// A name has addresses, but all are refused.
#[derive(Debug, thiserror::Error)]
#[error("every address of the name is refused, because it is never a portal")]
pub struct NotAllowed;

/// A name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the name cannot be resolved")]
pub struct Unresolved;

/// Decides which addresses may be a portal.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// Whether 127.0.0.0/8 and ::1 may be portals.
    pub allow_loopback: bool,
}

impl Guard {
    /// Whether a URL's host may be called. Names pass; their addresses are checked after resolution.
    pub fn allows_host(self, host: Option<Host<&str>>) -> bool {
        match host {
            Some(Host::Ipv4(address)) => self.allows(address.into()),
            Some(Host::Ipv6(address)) => self.allows(address.into()),
            Some(Host::Domain(_)) => true,
            None => false,
        }
    }

    fn allows(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.allows_v4(address),
            IpAddr::V6(address) => self.allows_v6(address),
        }
    }

    fn allows_v4(self, address: Ipv4Addr) -> bool {
        if address.is_loopback() {
            return self.allow_loopback;
        }
        // All of 0.0.0.0/8 means "this host".
        let unspecified = address.octets()[0] == 0;
        let nobody = unspecified || address.is_broadcast() || address.is_multicast();
        !nobody && !address.is_link_local() && !METADATA_V4.contains(&address)
    }

    fn allows_v6(self, address: Ipv6Addr) -> bool {
        if address.is_loopback() {
            return self.allow_loopback;
        }
        let refused = address.is_unspecified()
            || address.is_multicast()
            || address.is_unicast_link_local()
            || METADATA_V6.contains(&address);
        !refused && embedded(address).is_none_or(|address| self.allows_v4(address))
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible or translated (the first 96 bits), NAT64
/// (64:ff9b::/96, and 64:ff9b:1::/48 of RFC 8215), or 6to4 (2002::/16).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => v4(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 1, _, _, _, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

/// The system's resolver without the refused addresses.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|_| Unresolved)?;
            let found: Vec<SocketAddr> = found.collect();
            if found.is_empty() {
                return Err(Unresolved.into());
            }
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|found| guard.allows(found.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(NotAllowed.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Guard = Guard {
        allow_loopback: false,
    };
    const WITH_LOOPBACK: Guard = Guard { allow_loopback: true };

    fn allows(guard: Guard, url: &str) -> bool {
        guard.allows_host(url::Url::parse(url).expect(url).host())
    }

    #[test]
    fn addresses_that_are_never_a_portal_are_refused_in_every_form() {
        for host in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "0xA9FEA9FE",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[fe80::1]",
            "[ff02::1]",
            "[fd00:ec2::254]",
            "[fd20:ce::254]",
            "[::ffff:169.254.169.254]",
            "[::169.254.169.254]",
            "[::ffff:0:169.254.169.254]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1::a9fe:a9fe]",
            "[2002:a9fe:a9fe::1]",
        ] {
            assert!(!allows(STRICT, &format!("http://{host}/")), "{host}");
            assert!(
                !allows(WITH_LOOPBACK, &format!("http://{host}/")),
                "{host} with loopback"
            );
        }
    }

    #[test]
    fn loopback_is_allowed_by_choice_only() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
        ] {
            assert!(!allows(STRICT, &format!("http://{host}/")), "{host}");
            assert!(
                allows(WITH_LOOPBACK, &format!("http://{host}/")),
                "{host} with loopback"
            );
        }
    }

    #[test]
    fn private_and_public_addresses_and_names_are_allowed() {
        for host in [
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "8.8.8.8",
            "[fd12::1]",
            "[2001:db8::1]",
            "x.test",
        ] {
            assert!(allows(STRICT, &format!("http://{host}/")), "{host}");
        }
        assert!(allows(STRICT, "http://[64:ff9b::8.8.8.8]/"));
    }

    #[tokio::test]
    async fn a_name_of_a_refused_address_is_refused_after_resolution() {
        let resolve = |guard: Guard| guard.resolve("localhost".parse().expect("a name"));
        let Err(refused) = resolve(STRICT).await else {
            panic!("localhost was allowed")
        };
        assert!(refused.is::<NotAllowed>(), "{refused}");
        assert!(
            resolve(WITH_LOOPBACK)
                .await
                .is_ok_and(|addresses| addresses.count() > 0)
        );
    }
}
