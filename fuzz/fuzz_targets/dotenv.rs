//! Any settings file is read, and what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/dotenv.rs"]
mod check;

fuzz_target!(|input: &[u8]| check::check(input));
