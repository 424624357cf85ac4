//! Who may ask, and how often.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use windlass_core::spec::RateLimit;

/// The most clients that are told apart; beyond, new ones share one allowance.
const MAX_CLIENTS: usize = 65_536;

/// Limits how often each client may ask: an even pace, with a burst beyond it. (The generic cell rate
/// algorithm: for each client only the time when its bucket is full again has to be known.)
pub(in crate::proxy) struct Limiter {
    /// The even pace: one request in this many nanoseconds.
    pace: u64,
    /// How far ahead of the even pace a client may be, in nanoseconds.
    tolerance: u64,
    origin: Instant,
    clients: Mutex<Clients>,
}

/// When each client's bucket is full again, in nanoseconds since the origin.
#[derive(Default)]
struct Clients {
    full_again: HashMap<u128, u64>,
    /// When those whose bucket is full may be looked for again: that takes a while.
    pruned_again: u64,
}

/// How long after a look for clients that can be forgotten there is none, in nanoseconds.
const PRUNE_PACE: u64 = 1_000_000_000;

/// Whoever came when the table was full.
const OVERFLOW: u128 = u128::MAX;

impl Limiter {
    pub(in crate::proxy) fn new(limit: RateLimit) -> Self {
        let pace = limit.per.as_millis().saturating_mul(1_000_000) / u64::from(limit.requests.max(1));
        Self {
            pace: pace.max(1),
            tolerance: pace.saturating_mul(u64::from(limit.burst)),
            origin: Instant::now(),
            clients: Mutex::default(),
        }
    }

    /// Takes one request from a client's allowance.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(in crate::proxy) fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = key(client);
        let Clients { full_again, pruned_again } = &mut *clients;
        if full_again.len() >= MAX_CLIENTS && !full_again.contains_key(&key) {
            if now >= *pruned_again {
                full_again.retain(|_, full_again| *full_again > now);
                *pruned_again = now + PRUNE_PACE;
            }
            if full_again.len() >= MAX_CLIENTS {
                key = OVERFLOW;
            }
        }
        let full_again = full_again.entry(key).or_insert(now);
        let ahead = (*full_again).saturating_sub(now);
        if ahead > self.tolerance {
            return Err(Duration::from_nanos(ahead - self.tolerance));
        }
        *full_again = (*full_again).max(now) + self.pace;
        Ok(())
    }
}

/// One client: an IPv4 address, or the /64 of an IPv6 one, which is what one client is given.
fn key(client: IpAddr) -> u128 {
    match client {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address) >> 64 << 64,
    }
}

/// Networks.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    /// # Errors
    /// Which entry is no network.
    pub(in crate::proxy) fn parse(networks: &[String]) -> Result<Self, String> {
        networks.iter().map(|text| parse_network(text)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the client may ask; where no network is named, everybody may. One whose address is not known is in no
    /// network, not even in `::/0`.
    pub(in crate::proxy) fn admit(&self, client: IpAddr) -> bool {
        self.0.is_empty() || (!client.is_unspecified() && self.contain(client))
    }

    pub(in crate::proxy) fn contain(&self, client: IpAddr) -> bool {
        self.0.iter().any(|(network, length)| is_within(client, *network, *length))
    }
}

fn parse_network(text: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("{text:?} is not a network: write it like 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32");
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(longest), |length| length.trim().parse().map_err(|_| wrong()))?;
    if length > longest { Err(wrong()) } else { Ok((address, length)) }
}

fn is_within(client: IpAddr, network: IpAddr, length: u8) -> bool {
    let (client, network, bits) = match (client, network) {
        (IpAddr::V4(client), IpAddr::V4(network)) => {
            (u128::from(u32::from(client)), u128::from(u32::from(network)), 32)
        }
        (IpAddr::V6(client), IpAddr::V6(network)) => (u128::from(client), u128::from(network), 128),
        _ => return false,
    };
    let free = bits - u32::from(length);
    client.checked_shr(free).unwrap_or(0) == network.checked_shr(free).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use windlass_core::units::Span;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_has_its_burst_and_then_the_even_pace() {
        let limiter = Limiter::new(RateLimit { requests: 10, per: Span::from_secs(1), burst: 3 });
        let at = |millis| limiter.origin + Duration::from_millis(millis);
        let passed = |millis| limiter.take(ip("10.0.0.1"), at(millis)).is_ok();
        let at_once = (0..10).filter(|_| passed(0)).count();
        assert_eq!(at_once, 4);
        assert!(!passed(99));
        assert!(passed(100));
        assert!(!passed(100));
        assert!(limiter.take(ip("10.0.0.2"), at(100)).is_ok(), "another client has its own");
    }

    #[test]
    fn one_ipv6_client_has_a_whole_64() {
        let limiter = Limiter::new(RateLimit { requests: 1, per: Span::from_secs(1), burst: 0 });
        assert!(limiter.take(ip("2001:db8::1"), limiter.origin).is_ok());
        assert!(limiter.take(ip("2001:db8::2"), limiter.origin).is_err());
        assert!(limiter.take(ip("2001:db8:0:1::1"), limiter.origin).is_ok());
    }

    #[test]
    fn the_memory_is_bounded() {
        let limiter = Limiter::new(RateLimit { requests: 1, per: Span::from_secs(3600), burst: 0 });
        for number in 0..u32::try_from(MAX_CLIENTS).unwrap() + 1000 {
            let _ = limiter.take(IpAddr::V4(number.into()), limiter.origin);
        }
        assert!(limiter.clients.lock().unwrap().full_again.len() <= MAX_CLIENTS + 1);
    }

    #[test]
    fn a_full_memory_is_looked_through_once_a_second() {
        let limiter = Limiter::new(RateLimit { requests: 1, per: Span::from_millis(500), burst: 0 });
        let take = |number, millis| {
            let _ = limiter.take(IpAddr::V4(number), limiter.origin + Duration::from_millis(millis));
            limiter.clients.lock().unwrap().full_again.len()
        };
        let client = |number: usize| u32::try_from(number).unwrap().into();
        for number in 0..MAX_CLIENTS {
            take(client(number), 0);
        }
        assert_eq!(take(client(MAX_CLIENTS), 1), MAX_CLIENTS + 1, "it shares the allowance for the rest");
        assert_eq!(take(client(MAX_CLIENTS + 1), 600), MAX_CLIENTS + 1);
        assert!(take(client(MAX_CLIENTS + 2), 1100) < 3);
    }

    #[test]
    fn networks_admit_what_is_in_them() {
        let networks =
            Networks::parse(&["10.1.0.0/16".into(), "192.0.2.7".into(), "2001:db8::/32".into()]).unwrap();
        for (client, admitted) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(networks.admit(ip(client)), admitted, "{client}");
        }
        assert!(Networks::parse(&[]).unwrap().admit(ip("203.0.113.1")));
        assert!(Networks::parse(&["0.0.0.0/0".into()]).unwrap().admit(ip("203.0.113.1")));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "example.org"] {
            assert!(Networks::parse(&[text.to_owned()]).is_err(), "{text:?}");
        }
    }
}
