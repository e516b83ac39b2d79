//! Which addresses may be connected to. What a name resolves to is the choice of whoever runs its zone, so names prove
//! nothing: addresses are looked at, each one, and the connection goes to the address that was looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose an address is (the IANA registries of special-purpose addresses, RFC 6890).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Realm {
    /// Anybody's.
    Public,
    /// This machine's or this network's: loopback, private, shared (RFC 1918, RFC 4193, RFC 6598).
    Local,
    /// Nobody's that keys are fetched from: link-local, metadata of clouds, multicast, reserved, a way around the others.
    Never,
}

/// Addresses at which clouds hand out the secrets of a machine, where their blocks do not tell.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether a connection to `address` is allowed; `local`: where this network is written down as the place of the keys.
pub(crate) fn is_allowed(address: IpAddr, local: bool) -> bool {
    match realm(address) {
        Realm::Public => true,
        Realm::Local => local,
        Realm::Never => false,
    }
}

/// Whose `address` is.
pub(crate) fn realm(address: IpAddr) -> Realm {
    if METADATA.contains(&address) {
        return Realm::Never;
    }
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Realm {
    match address.octets() {
        [10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Realm::Local,
        // This network, multicast and reserved; link-local; protocol assignments; documentation (three blocks); relays of
        // 6to4; benchmarks.
        [0 | 224..=255, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..] => Realm::Never,
        _ => Realm::Public,
    }
}

fn v6(address: Ipv6Addr) -> Realm {
    if address == Ipv6Addr::LOCALHOST {
        return Realm::Local;
    }
    if let Some(within) = address.to_ipv4_mapped() {
        // The same machine by another spelling.
        return realm(within.into());
    }
    match address.segments() {
        // Through a NAT64 (RFC 6052) it is the IPv4 address that is reached; no network needs one to reach itself.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            if realm(Ipv4Addr::new(a, b, c, d).into()) == Realm::Public {
                Realm::Public
            } else {
                Realm::Never
            }
        }
        // Unique local (RFC 4193).
        [0xfc00..=0xfdff, ..] => Realm::Local,
        // Protocol assignments with Teredo, documentation (two blocks), 6to4: parts of what follows.
        [0x2001, 0..=0x01ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => Realm::Never,
        // Global unicast (RFC 4291). Whatever is outside of it is not routed.
        [0x2000..=0x3fff, ..] => Realm::Public,
        _ => Realm::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Realm {
        realm(text.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_are_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2003::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert_eq!(of(public), Realm::Public, "{public}");
            assert!(is_allowed(public.parse().unwrap(), false));
        }
        for local in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "::1",
            "fc00::1",
            "fdff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(of(local), Realm::Local, "{local}");
            assert!(!is_allowed(local.parse().unwrap(), false) && is_allowed(local.parse().unwrap(), true));
        }
    }

    #[test]
    fn some_are_never_connected_to() {
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.1.2.3",
            "240.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "::",
            "::2",
            "::7f00:1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "2002:7f00:1::",
            "5f00::1",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert_eq!(of(never), Realm::Never, "{never}");
            assert!(!is_allowed(never.parse().unwrap(), true), "{never}");
        }
    }
}
