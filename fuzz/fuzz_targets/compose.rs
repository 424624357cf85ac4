//! Any compose file is imported or refused, and what is made of it is a manifest.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/compose.rs"]
mod check;

fuzz_target!(|input: &[u8]| check::check(input));
