//! Any text is read, resolved and reported without a crash, and every fault points into the text.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/manifest.rs"]
mod check;

fuzz_target!(|input: &[u8]| check::check(input));
