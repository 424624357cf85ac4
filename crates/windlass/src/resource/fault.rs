//! What can go wrong with a resource.

use std::fmt;
use std::io;
use std::path::Path;

/// Why something about a resource could not be done, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happened, to what; never shows a secret.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }

    /// For `map_err`: what was being done to which path.
    pub(super) fn at<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> Self + 'p {
        move |error| {
            let help = match error.kind() {
                io::ErrorKind::PermissionDenied => "let the account that runs Windlass write there",
                io::ErrorKind::StorageFull => "make room on the disk",
                _ => "see that the directory exists, is writable and its disk is well",
            };
            Self::new(format!("cannot {doing} {}: {error}", path.display()), help)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for Fault {}
