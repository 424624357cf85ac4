//! The keeper: parent of one process. See `windlass_core::launch`.

/// Runs a keeper for the directory that `args` name.
#[must_use]
pub fn main(_args: &[std::ffi::OsString]) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
