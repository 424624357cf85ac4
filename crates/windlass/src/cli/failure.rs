//! What went wrong, and the exit code that says so.

use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use serde::Serialize;

use super::commands;

/// Failed, and nothing changed.
pub(super) const FAILED: u8 = 1;
/// The command or the manifest is wrong.
pub(super) const USAGE: u8 = 2;
/// Interrupted; it can be resumed.
pub(super) const INTERRUPTED: u8 = 4;
/// It is done, and something is left for a person.
pub(super) const NEEDS_A_PERSON: u8 = 5;
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

    /// Arguments that cannot be read, as the parser tells it to people: what is wrong, and behind that
    /// tips and the usage.
    pub(super) fn of_arguments(error: &clap::Error) -> Self {
        use ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand};
        if matches!(error.kind(), DisplayHelpOnMissingArgumentOrSubcommand | MissingSubcommand) {
            return Self::usage("the verb is missing", "see windlass --help");
        }
        if gives_a_value(error) {
            return Self::usage(
                "there is an argument too many, which is not shown: it may be a secret",
                "a value is given on standard input, or typed; see --help",
            );
        }
        let text = error.render().to_string();
        let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message = in_a_line(message.strip_prefix("error: ").unwrap_or(message), " ");
        let rest = rest.split("For more information").next().unwrap_or_default();
        Self::usage(message, in_a_line(rest, "; "))
    }

    /// A failure that the person knows of already.
    pub(super) fn told(code: u8) -> Self {
        Self { told: true, ..Self::new(code, "", "") }
    }

    /// Tells it, and answers the exit code.
    pub(super) fn print(&self, json: bool) -> ExitCode {
        if !self.told {
            let mut printed = Ok(());
            if json {
                let message = commands::complete(&self.message).into_owned();
                let hint = commands::complete(&self.hint).into_owned();
                let failure = Self { message, hint, code: self.code, told: false, overtaken: false };
                printed = super::print::put_line(&serde_json::to_string(&failure).unwrap_or_default());
            }
            // What cannot be told where it belongs is told all the same.
            if !json || printed.is_err() {
                super::context::complain(&format!("error: {}", self.message));
                if !self.hint.is_empty() {
                    super::context::complain(&format!("  hint: {}", self.hint));
                }
            }
        }
        ExitCode::from(self.code)
    }
}

/// Whether the argument that is not expected may be a secret: no option, but something that was typed
/// behind a name of `windlass secrets`.
pub(super) fn gives_a_value(error: &clap::Error) -> bool {
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    error.kind() == ErrorKind::UnknownArgument
        && usage.contains("windlass secrets ")
        && argument.is_some_and(|argument| !argument.starts_with('-'))
}

/// The lines of `text` with `between` between them.
fn in_a_line(text: &str, between: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(between)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::Arguments;
    use super::*;

    #[test]
    fn arguments_that_cannot_be_read_are_a_failure_like_any_other() {
        let told = |arguments: &[&str]| {
            let error = Arguments::try_parse_from([&["windlass"], arguments].concat()).err().unwrap();
            serde_json::to_string(&Failure::of_arguments(&error)).unwrap()
        };
        assert_eq!(
            told(&["deploy", "--jsn"]),
            r#"{"exit_code":2,"error":"unexpected argument '--jsn' found","hint":"tip: a similar argument exists: '--json'; Usage: windlass deploy --json"}"#
        );
        assert_eq!(
            told(&["config", "diff", "--json"]),
            r#"{"exit_code":2,"error":"the following required arguments were not provided: <LEFT> <RIGHT>","hint":"Usage: windlass config diff --json <LEFT> <RIGHT>"}"#
        );
        let told_of_a_value = told(&["secrets", "set", "API_KEY", "hunter2", "--json"]);
        assert!(told_of_a_value.contains("an argument too many"), "{told_of_a_value}");
        assert!(!told_of_a_value.contains("hunter2"), "{told_of_a_value}");
        assert_eq!(
            told(&["--json"]),
            r#"{"exit_code":2,"error":"the verb is missing","hint":"see windlass --help"}"#
        );
    }
}
