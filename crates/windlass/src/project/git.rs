//! Asking git about a checkout.

use std::path::Path;
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

/// What git answers in `directory`: nothing where there is no git, or no checkout, which is no fault. It
/// may show a file with a secret.
pub(super) fn ask(directory: &Path, arguments: &[&str]) -> Zeroizing<String> {
    let asked = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    Zeroizing::new(
        asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default(),
    )
}
