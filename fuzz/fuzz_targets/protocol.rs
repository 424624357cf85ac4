//! Any bytes of a peer are refused or understood, within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/protocol.rs"]
mod check;

fuzz_target!(|input: &[u8]| check::check(input));
