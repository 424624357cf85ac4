//! Any bytes are a record or refused; any records of a run, in any order, lead to a decision.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/journal.rs"]
mod check;

fuzz_target!(|input: &[u8]| check::check(input));
