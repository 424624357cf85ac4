//! What becomes of a test that lacks something of the machine.
//!
//! It is left out, and that is said. In CI (`CI=true`) all must be there, so that no test is green because nobody ran
//! it: what is lacking fails the test, but for the few that [`MAY_LACK`] names. With `WINDLASS_TEST_SKIPPED` set, a line
//! for each test that was left out is added to the file of that name, for whoever counts them.

#![expect(
    clippy::panic,
    clippy::print_stderr,
    reason = "whoever runs the tests must see what was not tested"
)]

use std::io::Write as _;

/// The tests that may be left out in CI too, and what it is that a machine of CI need not have.
const MAY_LACK: [(&str, &str); 1] =
    [("a_uv_project", "uv is no package of Debian's or Ubuntu's, and a mirror of Python's need not have it")];

/// Says that a test cannot be run here, and why. Whoever calls it leaves the test then.
///
/// # Panics
/// In CI, unless the test is one of the few that may be left out.
pub fn lacks(test: &str, what: &str) {
    let line = format!("SKIPPED {test}: {what}");
    eprintln!("{line}");
    if let Some(file) = std::env::var_os("WINDLASS_TEST_SKIPPED") {
        let file = std::fs::File::options().create(true).append(true).open(file);
        let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            panic!("it cannot be noted that {test} is left out: {error}");
        }
    }
    if is_failure(std::env::var("CI").ok().as_deref(), test) {
        panic!("{what}: install it, or run this without CI=true");
    }
}

/// Whether this process is root's. Says otherwise what the test lacks.
#[must_use]
pub fn has_root(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        lacks(test, "it takes root");
    }
    is_root
}

fn is_failure(ci: Option<&str>, test: &str) -> bool {
    ci == Some("true") && MAY_LACK.iter().all(|(known, _)| *known != test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_in_ci_and_only_what_must_be_there_is_a_failure() {
        assert!(is_failure(Some("true"), "any"));
        assert!(
            !is_failure(None, "any") && !is_failure(Some(""), "any") && !is_failure(Some("false"), "any")
        );
        assert!(!is_failure(Some("true"), MAY_LACK[0].0));
    }
}
