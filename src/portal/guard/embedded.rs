//! IPv4 addresses inside IPv6 addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The lengths of NAT64's prefixes (RFC 6052), in bytes.
const PREFIXES: [usize; 6] = [4, 5, 6, 7, 8, 12];
/// The byte that NAT64 leaves out, and keeps zero.
const LEFT_OUT: usize = 8;

/// The IPv4 addresses that an IPv6 address leads to, by the standard that its prefix or its interface identifier names.
pub fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let segments = address.segments();
    let [.., last_high, last_low] = segments;
    let last = v4(last_high, last_low);
    let mut found = Vec::new();
    match segments {
        // Mapped and compatible (RFC 4291), translated (RFC 2765), the well-known prefix of NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            found.push(last)
        }
        // The prefix of NAT64 for local use (RFC 8215): a network chooses one of any length below it.
        [0x64, 0xff9b, 1, ..] => found.extend(below_local_prefixes(address)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => found.push(v4(high, low)),
        // Teredo (RFC 4380): its server, and its client with all bits inverted.
        [0x2001, 0, high, low, ..] => found.extend([v4(high, low), Ipv4Addr::from_bits(!last.to_bits())]),
        _ => {}
    }
    // ISATAP (RFC 5214), below any prefix; two bits of its identifier vary.
    if let [_, _, _, _, high, 0x5efe, ..] = segments
        && high & !0x300 == 0
    {
        found.push(last);
    }
    found
}

/// The same for NAT64 below the prefix of a network's own: any address that has the form.
pub fn below_unknown_prefixes(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let bytes = address.octets();
    let translated = PREFIXES
        .into_iter()
        .map(move |prefix| (prefix, nat64(bytes, prefix)));
    translated.filter_map(move |(prefix, (address, rest_is_zero))| {
        // Prefixes of 96 bits hold the byte that is left out; what surrounds it is usually zero, too.
        let zeros = if prefix == 12 {
            LEFT_OUT..prefix
        } else {
            LEFT_OUT..LEFT_OUT + 1
        };
        (rest_is_zero && bytes[zeros].iter().all(|&byte| byte == 0)).then_some(address)
    })
}

/// Whatever the other bits are. Only an address of 0.0.0.0/8 is skipped if it is part of something longer, because most
/// of these bits are zero.
fn below_local_prefixes(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let translated = PREFIXES.into_iter().filter(|&prefix| prefix >= 6);
    translated.filter_map(move |prefix| {
        let (address, rest_is_zero) = nat64(address.octets(), prefix);
        (address.octets()[0] != 0 || rest_is_zero).then_some(address)
    })
}

/// The IPv4 address behind a prefix of so many bytes, and whether only zeros follow.
fn nat64(bytes: [u8; 16], prefix: usize) -> (Ipv4Addr, bool) {
    let mut behind = (prefix..16).filter(|&at| at != LEFT_OUT).map(|at| bytes[at]);
    let address = [(); 4].map(|()| behind.next().unwrap_or_default());
    (address.into(), behind.all(|byte| byte == 0))
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}
