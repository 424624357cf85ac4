//! What the fuzzers found once, in `fuzz/regressions`, is tried again by the fuzzers' own checks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/checks/compose.rs"]
mod compose;
#[path = "../../../fuzz/checks/dotenv.rs"]
mod dotenv;
#[path = "../../../fuzz/checks/journal.rs"]
mod journal;
#[path = "../../../fuzz/checks/manifest.rs"]
mod manifest;
#[path = "../../../fuzz/checks/protocol.rs"]
mod protocol;
#[path = "../../../fuzz/checks/sealed.rs"]
#[allow(dead_code, reason = "only the fuzzer changes what is sealed")]
mod sealed;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest that one input may take: what never came to an end is among them.
const PATIENCE: Duration = Duration::from_secs(60);

fn check_of(target: &str) -> fn(&[u8]) {
    match target {
        "compose" => compose::check,
        "dotenv" => dotenv::check,
        "journal" => journal::check,
        "manifest" => manifest::check,
        "protocol" => protocol::check,
        "sealed" => sealed::check,
        other => panic!("fuzz/regressions/{other} is of no fuzzer"),
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_a_fuzzer_once_found_is_found_no_more() {
    let below = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions");
    let mut tried = 0;
    for target in entries(&below) {
        let check = check_of(&target.file_name().unwrap().to_string_lossy());
        for file in entries(&target) {
            let input = std::fs::read(&file).unwrap();
            let (done, is_done) = std::sync::mpsc::channel();
            let trying = std::thread::spawn(move || {
                check(&input);
                let _nobody_waits_any_more = done.send(());
            });
            let ended = is_done.recv_timeout(PATIENCE);
            assert_ne!(ended, Err(std::sync::mpsc::RecvTimeoutError::Timeout), "{}", file.display());
            assert!(trying.join().is_ok(), "{}", file.display());
            tried += 1;
        }
    }
    assert!(tried > 0);
}
