//! Refuses addresses that are never a portal, both as literals and after DNS resolution.
//!
//! Refused is what leads to the operator's own machine, to services of its cloud, or to many at once. Private addresses
//! are allowed, because portals have them. Addresses that lead nowhere (documentation, discard-only) are not listed: a
//! connection to them fails by itself.

mod embedded;
#[cfg(test)]
pub(super) mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use crate::portal::guard::embedded::{below_unknown_prefixes, embedded};

/// Services that a cloud offers to its machines, each as its vendor documents it. Those in the link-local ranges are
/// refused with them: AWS, Azure, Google, Oracle, DigitalOcean, Hetzner, IBM, Exoscale and many others at
/// 169.254.169.254, containers of AWS at 169.254.170.2 and .23, Scaleway at 169.254.42.42, Tencent at 169.254.0.23,
/// OpenStack and Akamai at fe80::a9fe:a9fe.
const METADATA_V4: [Ipv4Addr; 6] = [
    // Alibaba Cloud
    Ipv4Addr::new(100, 100, 100, 200),
    // Azure (WireServer)
    Ipv4Addr::new(168, 63, 129, 16),
    // Equinix Metal
    Ipv4Addr::new(192, 80, 8, 124),
    // Oracle Cloud Classic
    Ipv4Addr::new(192, 0, 0, 192),
    // UCloud
    Ipv4Addr::new(100, 80, 80, 80),
    // Volcengine, BytePlus
    Ipv4Addr::new(100, 96, 0, 96),
];

/// The same for IPv6, with the length of the prefix.
const METADATA_V6: [(Ipv6Addr, u32); 6] = [
    // Akamai (Linode)
    (Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1), 128),
    // Alibaba Cloud
    (Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200), 128),
    // AWS: metadata, identities of pods, DNS and time
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32),
    // Google Cloud
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128),
    // Oracle Cloud
    (Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128),
    // Scaleway
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128),
];

/// A name has addresses, but all are refused.
#[derive(Debug, thiserror::Error)]
#[error("every address of the name is refused, because it is never a portal")]
pub struct NotAllowed;

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

    /// Whether an address may be a portal.
    ///
    /// An IPv6 address is refused, too, if it leads to a refused IPv4 address: mapped, compatible, translated, NAT64 below
    /// 64:ff9b::/96 and in all positions below 64:ff9b:1::/48, 6to4, Teredo (server and client), ISATAP. NAT64 below a
    /// prefix that only the network knows looks like any other address. It is refused only in the form that RFC 6052
    /// prescribes (all other bits behind the prefix are zero), and only if it leads to a loopback, link-local or metadata
    /// address: to refuse more would refuse real portals, and would still not stop a translator that ignores those bits.
    pub fn allows(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.allows_v4(address),
            IpAddr::V6(address) => self.allows_v6(address),
        }
    }

    fn allows_v4(self, address: Ipv4Addr) -> bool {
        let nobody = is_this_network(address) || address.is_broadcast() || address.is_multicast();
        !nobody && !self.is_local_service(address)
    }

    fn allows_v6(self, address: Ipv6Addr) -> bool {
        if address.is_loopback() {
            return self.allow_loopback;
        }
        let refused = address.is_unspecified()
            || address.is_multicast()
            || address.is_unicast_link_local()
            || METADATA_V6.iter().any(|&range| is_in(address, range));
        let leads_to = embedded(address);
        !refused
            && leads_to.iter().all(|&address| self.allows_v4(address))
            && (!leads_to.is_empty() || !self.may_be_translated(address))
    }

    /// Whether it would lead to a service of this machine, or of its cloud, if NAT64 had a prefix of the network's own.
    fn may_be_translated(self, address: Ipv6Addr) -> bool {
        below_unknown_prefixes(address).any(|address| self.is_local_service(address))
    }

    /// Whether an address leads to this machine or to services of its cloud.
    fn is_local_service(self, address: Ipv4Addr) -> bool {
        (address.is_loopback() && !self.allow_loopback)
            || address.is_link_local()
            || METADATA_V4.contains(&address)
    }
}

/// All of 0.0.0.0/8 means "this host".
fn is_this_network(address: Ipv4Addr) -> bool {
    address.octets()[0] == 0
}

fn is_in(address: Ipv6Addr, (prefix, length): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ prefix.to_bits()).leading_zeros() >= length
}
