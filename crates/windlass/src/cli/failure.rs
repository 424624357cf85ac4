//! What went wrong, and the exit code that says so.

use std::process::ExitCode;

use serde::Serialize;

/// Failed, and nothing changed.
pub(super) const FAILED: u8 = 1;
/// The command or the manifest is wrong.
pub(super) const USAGE: u8 = 2;
/// Interrupted; it can be resumed.
pub(super) const INTERRUPTED: u8 = 4;
/// Refused: the lock is held, the plan is stale.
pub(super) const REFUSED: u8 = 6;

/// A failure of a verb.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    #[serde(rename = "exit_code")]
    pub(super) code: u8,
    #[serde(rename = "error")]
    pub(super) message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) hint: String,
    /// The message was printed already, in a better form.
    #[serde(skip)]
    pub(super) told: bool,
    /// Somebody else's run came between the plan and its begin: planning again may help.
    #[serde(skip)]
    pub(super) overtaken: bool,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into(), told: false, overtaken: false }
    }

    pub(super) fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(FAILED, message, hint)
    }

    pub(super) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(USAGE, message, hint)
    }

    /// A failure that the person knows of already.
    pub(super) fn told(code: u8) -> Self {
        Self { told: true, ..Self::new(code, "", "") }
    }

    /// Tells it, and answers the exit code.
    pub(super) fn print(&self, json: bool) -> ExitCode {
        if !self.told {
            if json {
                super::context::print_line(&serde_json::to_string(self).unwrap_or_default());
            } else {
                super::context::complain(&format!("error: {}", self.message));
                if !self.hint.is_empty() {
                    super::context::complain(&format!("  hint: {}", self.hint));
                }
            }
        }
        ExitCode::from(self.code)
    }
}
