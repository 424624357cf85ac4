//! Randomness from the system.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};
use windlass_core::settings::sealed::Random;
use zeroize::Zeroizing;

/// Fresh bytes, as many as a key or a salt has.
///
/// # Errors
/// When the system gives none.
pub(crate) fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    // What the kernel gives without being cut short by a signal.
    const { assert!(N <= 256) };
    let mut bytes = [0; N];
    let given = getrandom(&mut bytes, GetRandomFlags::empty()).map_err(|error| none(&error))?;
    if given == N { Ok(bytes) } else { Err(none(&"it gave too few")) }
}

/// A source of keys, nonces and made-up values.
///
/// # Errors
/// As [`bytes`].
pub(crate) fn fresh() -> io::Result<Random> {
    Ok(Random::from_seed(&Zeroizing::new(bytes()?)))
}

fn none(why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("the system gives no random numbers: {why}"))
}
