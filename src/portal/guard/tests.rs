use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

pub const STRICT: Guard = Guard {
    allow_loopback: false,
};
pub const WITH_LOOPBACK: Guard = Guard { allow_loopback: true };

/// Refused whatever the flags say.
pub const REFUSED: &[&str] = &[
    // This host.
    "0.0.0.0",
    "0",
    "0x0",
    "00.0.0.0",
    "0.1.2.3",
    "0.255.255.255",
    "[::]",
    "[0:0:0:0:0:0:0:0]",
    "[::0.1.2.3]",
    "[::2]",
    "[::ffff:0.0.0.0]",
    "[64:ff9b::]",
    // Link-local, with the metadata of most clouds.
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.16689662",
    "169.254.0.1",
    "169.254.0.23",
    "169.254.42.42",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.255.255",
    "[fe80::1]",
    "[fe80::a9fe:a9fe]",
    "[febf:ffff::1]",
    // Services of clouds elsewhere.
    "100.100.100.200",
    "100.80.80.80",
    "100.96.0.96",
    "168.63.129.16",
    "192.0.0.192",
    "192.80.8.124",
    "[fd00:100::100:200]",
    "[fd00:42::42]",
    "[fd00:a9fe:a9fe::1]",
    "[fd00:c1::a9fe:a9fe]",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "[fd00:0ec2:ffff::253]",
    "[fd20:ce::254]",
    // Many at once.
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "0xffffffff",
    "[ff02::1]",
    "[ff0e::1]",
    // Mapped, compatible, translated.
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[0:0:0:0:0:ffff:100.100.100.200]",
    "[::ffff:255.255.255.255]",
    "[::169.254.169.254]",
    "[::ffff:0:169.254.169.254]",
    // NAT64: the well-known prefix; below the local one the prefixes of 96, 64, 56 and 48 bits, also with other bits set.
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b::168.63.129.16]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[64:ff9b:1:abcd:ef01:2345:a9fe:a9fe]",
    "[64:ff9b:1:0:a9:fea9:fe00:0]",
    "[64:ff9b:1:12:a9:fea9:fe00:1]",
    "[64:ff9b:1:a9:fe:a9fe::]",
    "[64:ff9b:1:12a9:ffe:a9fe:12:3456]",
    "[64:ff9b:1:a9fe:a9:fe00::]",
    "[64:ff9b:1:a9fe:ffa9:feff:ffff:ffff]",
    // NAT64 below another prefix, of 96, 64, 56, 48, 40 and 32 bits.
    "[2a01:db8:122:344::169.254.169.254]",
    "[fd12:3456:789a:1::100.100.100.200]",
    "[2a01:db8:122:344:a9:fea9:fe00:0]",
    "[2a01:db8:122:3a9:fe:a9fe::]",
    "[2a01:db8:122:a9fe:a9:fe00::]",
    "[2a01:db8:1a9:fea9:fe::]",
    "[2a01:db8:a9fe:a9fe::]",
    // 6to4.
    "[2002:a9fe:a9fe::1]",
    "[2002:6464:64c8:1234:5678:9abc:def0:1234]",
    "[2002:e000:1::]",
    // Teredo: the server, the client.
    "[2001:0:a9fe:a9fe:8000:1234:f7f7:f7f7]",
    "[2001:0:4136:e378:8000:63bf:5601:5601]",
    "[2001::9b9b:9b37]",
    // ISATAP, below any prefix.
    "[2a01:db8::5efe:169.254.169.254]",
    "[2a01:db8:1:2:200:5efe:a9fe:a9fe]",
    "[fd12::5efe:168.63.129.16]",
    "[2a01:db8::5efe:0.0.0.0]",
];

/// Refused unless loopback is allowed.
pub const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::127.0.0.1]",
    "[64:ff9b:1:0:7f:0:100:0]",
    "[2a01:db8:122:344::127.0.0.1]",
    "[2a01:db8:7f00:1::]",
    "[2002:7f00:1::1]",
    "[2001:0:7f00:1::f7f7:f7f7]",
    "[2001:0:808:808::80ff:fffe]",
    "[2a01:db8::5efe:127.0.0.1]",
];

/// Allowed, beside refused ones or with an allowed address inside.
pub const ALLOWED: &[&str] = &[
    "1.0.0.1",
    "8.8.8.8",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.201",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.1",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "223.255.255.255",
    "240.0.0.1",
    "255.255.255.254",
    "[100::1]",
    "[2001:db8::1]",
    "[2001:db8::7f00:0:1]",
    "[2001:db8::1:7f00:1]",
    "[2001:db8:1:2:a9fe:a9fe:a9fe:a9fe]",
    "[2606:4700::6810:84e5]",
    "[fc00::1]",
    "[fd00:42::43]",
    "[fd00:ec3::254]",
    "[fd12::1]",
    "[fec0::1]",
    "[::ffff:8.8.8.8]",
    "[::ffff:10.0.0.1]",
    "[::ffff:0:8.8.8.8]",
    "[::8.8.8.8]",
    "[64:ff9b::8.8.8.8]",
    "[64:ff9b::10.0.0.1]",
    "[64:ff9b:1::8.8.8.8]",
    "[64:ff9b:1::10.0.0.1]",
    "[64:ff9b:1:0:8:808:800:0]",
    "[2a01:db8:122:344::8.8.8.8]",
    "[2a01:db8:122:344:a:1:100:0]",
    // The byte that NAT64 leaves out is not zero.
    "[2a01:db8:122:344:27f:ff:fe00:0]",
    "[2002:808:808::1]",
    "[2002:a00:1::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2a01:db8::5efe:10.0.0.1]",
    "[2a01:db8::200:5efe:8.8.8.8]",
];

pub fn host(text: &str) -> IpAddr {
    match url::Url::parse(&format!("http://{text}/")).expect(text).host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        other => panic!("{text} is {other:?}"),
    }
}

fn allows(guard: Guard, text: &str) -> bool {
    let url = url::Url::parse(&format!("http://{text}/")).expect(text);
    guard.allows_host(url.host())
}

#[test]
fn addresses_that_are_never_a_portal_are_refused_in_every_form() {
    assert!(REFUSED.len() >= 60);
    for text in REFUSED {
        assert!(!allows(STRICT, text), "{text}");
        assert!(!allows(WITH_LOOPBACK, text), "{text} with loopback");
    }
}

#[test]
fn loopback_is_allowed_by_choice_only() {
    for text in LOOPBACK {
        assert!(!allows(STRICT, text), "{text}");
        assert!(allows(WITH_LOOPBACK, text), "{text} with loopback");
    }
}

#[test]
fn private_and_public_addresses_and_names_are_allowed() {
    for text in ALLOWED.iter().chain(&["x.test", "localhost"]) {
        assert!(allows(STRICT, text), "{text}");
    }
}

/// An IPv4 address inside an IPv6 address, in the form of a standard; `rest` fills the bits that it leaves open.
fn embeddings(address: Ipv4Addr, rest: u128) -> Vec<(&'static str, Ipv6Addr)> {
    let v4 = u128::from(address.to_bits());
    let form = |name, prefix: u128, length: u32, below: u128| {
        let open = u128::MAX.checked_shr(length).unwrap_or(0);
        (
            name,
            Ipv6Addr::from_bits(prefix << (128 - length) | (below & open)),
        )
    };
    let mut forms = vec![
        form("mapped", 0xffff, 96, v4),
        form("compatible", 0, 96, v4),
        form("translated", 0xffff_0000, 96, v4),
        form("well-known NAT64", 0x64_ff9b << 64, 96, v4),
        form("6to4", 0x2002 << 32 | v4, 48, rest),
        form("Teredo server", 0x2001_0000 << 32 | v4, 64, rest),
        form("Teredo client", 0x2001_0000, 32, rest << 32 | (v4 ^ 0xffff_ffff)),
        form("ISATAP", 0x2a01_0db8, 32, (rest << 64) | 0x5efe << 32 | v4),
        form(
            "ISATAP, unique",
            0x2a01_0db8,
            32,
            (rest << 64) | 0x200_5efe << 32 | v4,
        ),
    ];
    for (form, length) in [
        ("local NAT64", 96),
        ("local NAT64 below 64 bits", 64),
        ("local NAT64 below 56 bits", 56),
        ("local NAT64 below 48 bits", 48),
    ] {
        forms.push((form, nat64(0x64_ff9b_0001 << 80, length, address, rest)));
    }
    forms
}

/// The same for NAT64 below a prefix of this length (RFC 6052).
fn nat64(prefix: u128, length: usize, address: Ipv4Addr, rest: u128) -> Ipv6Addr {
    let mut bytes = (prefix | (rest & (u128::MAX >> 48))).to_be_bytes();
    let behind = (length / 8..16).filter(|&at| at != 8);
    for (at, byte) in behind.zip(address.octets()) {
        bytes[at] = byte;
    }
    bytes.into()
}

fn refused_v4() -> impl Strategy<Value = Ipv4Addr> {
    let below = |first: u32, length: u32| {
        any::<u32>().prop_map(move |bits| Ipv4Addr::from_bits(first | (bits & (u32::MAX >> length))))
    };
    prop_oneof![
        local_service_v4(),
        below(0, 8),
        below(0xe000_0000, 4),
        Just(Ipv4Addr::BROADCAST),
    ]
}

fn local_service_v4() -> impl Strategy<Value = Ipv4Addr> {
    let loopback = any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(0x7f00_0000 | (bits & 0xff_ffff)));
    let link_local = any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(0xa9fe_0000 | (bits & 0xffff)));
    prop_oneof![loopback, link_local, prop::sample::select(&METADATA_V4[..])]
}

fn allowed_v4() -> impl Strategy<Value = Ipv4Addr> {
    // The address of a whole network, as 10.0.0.0, looks like a part of another one.
    any::<Ipv4Addr>().prop_filter("refused", |&address| {
        STRICT.allows(address.into()) && address.to_bits() << 8 != 0
    })
}

proptest! {
    #[test]
    fn every_embedding_of_a_refused_address_is_refused(address in refused_v4(), rest: u128) {
        // What is below 0.0.0.0/8 is recognized where the other bits are zero.
        let rest = if is_this_network(address) { 0 } else { rest };
        for (form, embedding) in embeddings(address, rest) {
            prop_assert!(!STRICT.allows(embedding.into()), "{form}: {embedding}");
        }
    }

    #[test]
    fn an_embedding_of_an_allowed_address_is_allowed(address in allowed_v4(), rest: u32) {
        // Below a shorter prefix its last byte looks like the first one of another address, and Teredo needs a server.
        let is_clear = |form: &str| !form.starts_with("Teredo") && !form.starts_with("local NAT64 below");
        for (form, embedding) in embeddings(address, 0) {
            prop_assert!(!is_clear(form) || STRICT.allows(embedding.into()), "{form}: {embedding}");
        }
        let teredo = Ipv6Addr::from_bits(0x2001_0000_0808_0808 << 64 | u128::from(!address.to_bits()) | u128::from(rest) << 32);
        prop_assert!(STRICT.allows(teredo.into()), "{teredo}");
    }

    #[test]
    fn nat64_below_unknown_prefixes_reaches_no_service_of_this_machine(
        address in local_service_v4(),
        prefix in 0x2003_0000_u128..0xfe80_0000,
    ) {
        for length in [32, 40, 48, 56, 64, 96] {
            let embedding = nat64(prefix << 96, length, address, 0);
            prop_assert!(!STRICT.allows(embedding.into()), "{length}: {embedding}");
        }
    }

    #[test]
    fn addresses_of_machines_are_allowed(prefix in 0x2003_0000_0000_0000_u64..0x3fff_ffff_ffff_ffff, own in 1_u64..=0xffff) {
        let bits = u128::from(prefix) << 64 | u128::from(own);
        prop_assert!(STRICT.allows(Ipv6Addr::from_bits(bits).into()));
        // As a machine derives it from its network card.
        let bits = u128::from(prefix) << 64 | 0x0200_00ff_fe00_0000 | u128::from(own) << 40;
        prop_assert!(STRICT.allows(Ipv6Addr::from_bits(bits).into()));
    }
}
