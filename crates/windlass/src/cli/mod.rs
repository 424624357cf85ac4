//! The command line: one file for each verb. It loads, asks the host side, and prints.

pub mod check;
pub mod import;
pub mod init;

/// Runs a verb.
#[must_use]
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
