//! Addresses to listen on that stand in each other's way.

use std::net::{IpAddr, SocketAddr};

/// Whether the machine refuses one while it listens on the other.
#[must_use]
pub fn overlaps(one: SocketAddr, two: SocketAddr) -> bool {
    let (this, that) = (one.ip().to_canonical(), two.ip().to_canonical());
    one.port() == two.port()
        && (this == that && scope(one) == scope(two) || takes_all(this, that) || takes_all(that, this))
}

/// Whether whoever reaches `other` reaches `wide` as well, which is another address.
#[must_use]
pub fn covers(wide: SocketAddr, other: SocketAddr) -> bool {
    wide.port() == other.port() && wide.ip() != other.ip() && takes_all(wide.ip(), other.ip())
}

/// Whether `wide` stands for all addresses, and `other` is one of them. Windlass takes IPv4 as well
/// where it listens on all of IPv6.
pub(crate) fn takes_all(wide: IpAddr, other: IpAddr) -> bool {
    wide.is_unspecified() && (wide.is_ipv6() || other.is_ipv4())
}

/// The link of an address that is one on each.
fn scope(at: SocketAddr) -> u32 {
    match at {
        SocketAddr::V6(at) => at.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_covers_overlaps_and_not_the_other_way_round() {
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        for (one, two, in_the_way, covered) in [
            ("0.0.0.0:80", "127.0.0.1:80", true, true),
            ("127.0.0.1:80", "0.0.0.0:80", true, false),
            ("[::]:80", "0.0.0.0:80", true, true),
            ("0.0.0.0:80", "[::]:80", true, false),
            ("[::]:80", "[::1]:80", true, true),
            ("0.0.0.0:80", "[::1]:80", false, false),
            ("127.0.0.1:80", "127.0.0.2:80", false, false),
            ("127.0.0.1:80", "127.0.0.1:80", true, false),
            ("0.0.0.0:80", "127.0.0.1:81", false, false),
            ("[fe80::1%1]:80", "[fe80::1%2]:80", false, false),
        ] {
            assert_eq!(
                (overlaps(at(one), at(two)), covers(at(one), at(two))),
                (in_the_way, covered),
                "{one} {two}"
            );
        }
    }
}
