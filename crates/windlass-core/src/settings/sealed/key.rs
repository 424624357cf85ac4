//! Keys of people and machines.

use std::fmt;

use argon2::{Algorithm, Argon2, Params};
use sha2::{Digest, Sha256};
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, Zeroizing};

use super::{Random, base64};
use crate::settings::Secret;

const PUBLIC: &str = "wlpub1_";

/// A key that values can be encrypted for. Anybody may know it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// A key that opens what is encrypted for its [`PublicKey`]. Wiped from memory when it is dropped;
/// has no `Debug`.
#[derive(Clone)]
pub struct Identity(StaticSecret);

impl Identity {
    /// What the text of each begins with.
    pub const PREFIX: &str = "wlkey1_";

    /// A new one.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        let mut bytes = random.bytes();
        let identity = Self(StaticSecret::from(bytes));
        bytes.zeroize();
        identity
    }

    /// What others encrypt for.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(x25519_dalek::PublicKey::from(&self.0).to_bytes())
    }

    /// As it stands in a key file.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        Secret::new(with_check(Self::PREFIX, self.0.as_bytes()))
    }

    /// From a key file's text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = without_check(Self::PREFIX, text)?;
        let identity = Self(StaticSecret::from(bytes));
        bytes.zeroize();
        Some(identity)
    }

    /// The shared secret with somebody's public key; `None` for one of the few that give the same
    /// with every key.
    pub(super) fn agree(&self, with: &PublicKey) -> Option<Zeroizing<[u8; 32]>> {
        let shared = self.0.diffie_hellman(&x25519_dalek::PublicKey::from(with.0));
        shared.was_contributory().then(|| Zeroizing::new(*shared.as_bytes()))
    }
}

impl PublicKey {
    /// From the text that [`Display`](fmt::Display) writes. Four bytes of it are a check: a key with
    /// a wrong letter would encrypt for nobody.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        without_check(PUBLIC, text).map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_check(PUBLIC, &self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn check(prefix: &str, key: &[u8; 32]) -> [u8; 4] {
    let hash = Sha256::new().chain_update(prefix).chain_update(key).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn with_check(prefix: &str, key: &[u8; 32]) -> String {
    let mut bytes = Zeroizing::new([0; 36]);
    bytes[..32].copy_from_slice(key);
    bytes[32..].copy_from_slice(&check(prefix, key));
    let digits = Zeroizing::new(base64::encode(&*bytes));
    format!("{prefix}{}", *digits)
}

fn without_check(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let bytes = Zeroizing::new(base64::decode_exactly::<36>(text.strip_prefix(prefix)?)?);
    let key: [u8; 32] = bytes[..32].try_into().ok()?;
    (bytes[32..] == check(prefix, &key)).then_some(key)
}

/// How a passphrase becomes an [`Identity`]: Argon2id with these costs and this salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    memory: u32,
    times: u32,
    lanes: u32,
    salt: [u8; 16],
}

impl Stretch {
    /// 64 MiB, three times.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        Self { memory: 64 << 10, times: 3, lanes: 1, salt: random.bytes() }
    }

    #[cfg(test)]
    pub(super) fn quick(random: &mut Random) -> Self {
        Self { memory: 8, times: 1, lanes: 1, salt: random.bytes() }
    }

    /// Reads what [`Display`](fmt::Display) writes. What would take more than 256 MiB, 16 times or
    /// 4 lanes is refused: a file must not be able to exhaust whoever reads it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("argon2id,")?.split(',');
        let mut number = |prefix: &str, least: u32, most: u32| {
            let digits = parts.next()?.strip_prefix(prefix)?;
            let number: u32 = digits.parse().ok()?;
            (number.to_string() == digits && (least..=most).contains(&number)).then_some(number)
        };
        let (memory, times, lanes) = (number("m=", 8, 256 << 10)?, number("t=", 1, 16)?, number("p=", 1, 4)?);
        let salt = base64::decode_exactly(parts.next()?)?;
        let fits = parts.next().is_none() && memory >= 8 * lanes;
        fits.then_some(Self { memory, times, lanes, salt })
    }

    /// The key of a passphrase. Slow by design.
    ///
    /// # Errors
    /// When there is not the memory for it.
    pub fn identity(&self, passphrase: &Secret) -> Result<Identity, String> {
        let params = Params::new(self.memory, self.times, self.lanes, Some(32))
            .map_err(|error| format!("the passphrase's costs are not usable: {error}"))?;
        let argon = Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params);
        let mut bytes = Zeroizing::new([0; 32]);
        argon
            .hash_password_into(passphrase.expose().as_bytes(), &self.salt, bytes.as_mut())
            .map_err(|error| format!("the passphrase cannot be stretched: {error}"))?;
        Ok(Identity(StaticSecret::from(*bytes)))
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, times, lanes, salt } = self;
        write!(f, "argon2id,m={memory},t={times},p={lanes},{}", base64::encode(salt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written_and_no_other_way() {
        let identity = Identity::new(&mut Random::from_seed(&[1; 32]));
        let text = identity.to_text();
        assert_eq!(Identity::parse(text.expose()).unwrap().public(), identity.public());
        let public = identity.public().to_string();
        assert_eq!(PublicKey::parse(&public), Some(identity.public()));
        assert_eq!(public.len(), 55);
        for at in 0..public.len() {
            let mut wrong = public.clone().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(PublicKey::parse(std::str::from_utf8(&wrong).unwrap()), None);
            assert_eq!(PublicKey::parse(&public[..at]), None);
        }
        assert!(PublicKey::parse(text.expose()).is_none() && Identity::parse(&public).is_none());
    }

    #[test]
    fn a_file_cannot_ask_for_more_than_a_machine_has() {
        let salt = "AAAAAAAAAAAAAAAAAAAAAA";
        let good = format!("argon2id,m=65536,t=3,p=1,{salt}");
        assert_eq!(Stretch::parse(&good).unwrap().to_string(), good);
        for wrong in [
            "m=4294967295,t=3,p=1",
            "m=262145,t=3,p=1",
            "m=65536,t=17,p=1",
            "m=65536,t=3,p=5",
            "m=16,t=3,p=4",
            "m=065536,t=3,p=1",
            "m=65536,t=3",
            "m=65536,t=0,p=1",
            "t=3,m=65536,p=1",
        ] {
            assert_eq!(Stretch::parse(&format!("argon2id,{wrong},{salt}")), None, "{wrong}");
        }
        assert_eq!(Stretch::parse(&format!("{good},x")), None);
    }
}
