//! What runs all the time.

use serde::{Deserialize, Serialize};

use super::{Checks, Env, Part, Template};
use crate::name::Name;
use crate::units::{Bytes, Span};

/// A web server, a worker, a scheduler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What to run.
    pub command: Command,
    /// Where, relative to the release; empty for the release itself.
    pub directory: String,
    /// The port it listens on, if it listens.
    pub port: Option<Port>,
    /// How many copies.
    pub replicas: u32,
    /// Whether two copies must never run at the same time, not even during a deploy.
    pub singleton: bool,
    /// Its environment, beside `PORT` and the few that every process gets.
    pub env: Env,
    /// The account it runs as, where Windlass itself runs as root.
    pub user: Option<String>,
    /// How its health is known.
    pub checks: Checks,
    /// Without a readiness check: how long it must run without a restart before it counts as ready.
    pub settle: Span,
    /// How it is stopped.
    pub stop: Stop,
    /// What happens when it ends by itself.
    pub restart: Restart,
    /// How long a copy that was given up as a crash loop is left alone at first, before it is tried again; zero:
    /// for good. The usual is not written, so that what was deployed before there was this is the same still.
    #[serde(default = "usual_again", skip_serializing_if = "is_usual_again")]
    pub again: Span,
    /// What it may use.
    pub limits: Limits,
    /// Services and resources that must be ready before it starts.
    pub needs: Vec<Name>,
    /// In which order copies of the old release give way to those of the new one.
    pub strategy: Strategy,
    /// Ignore-style patterns of the files it sees; a release that differs in none of them leaves it
    /// running. Empty: all files.
    pub files: Vec<String>,
}

const fn usual_again() -> Span {
    Span::from_secs(60)
}

fn is_usual_again(again: &Span) -> bool {
    *again == usual_again()
}

impl Service {
    /// Whether no other copy of it may run beside it: one at a time is wanted, or there is only one port.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.singleton || matches!(self.port, Some(Port::Fixed(_)))
    }
}

/// A command: an argument list, or, declared as such, a line for the shell. Nothing is ever
/// interpolated into a shell line: its data comes by the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// The program and its arguments.
    Argv(Vec<Template>),
    /// A line for `/bin/sh -c`.
    Shell(String),
}

impl Command {
    /// The program, as it is written. `None` where the shell finds it, or where it is put together.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        let Self::Argv(words) = self else { return None };
        match words.first()?.parts() {
            [Part::Text(program)] => Some(program),
            _ => None,
        }
    }
}

/// The port a service listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Port {
    /// A free one, chosen for each copy.
    Automatic,
    /// Always this one; then old and new cannot run side by side.
    Fixed(u16),
}

/// How a process is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// The signal that asks it to end, such as `TERM`.
    pub signal: String,
    /// How long it has, before it is killed with all its descendants.
    pub grace: Span,
    /// The signal that asks it to take no more work, and how long it has to finish what it holds.
    pub quiet: Option<Quiet>,
}

/// How a worker is told to take no more work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// The signal, such as `TSTP`.
    pub signal: String,
    /// How long it keeps running after it, at the most.
    pub wait: Span,
    /// A command that ends with exit code 0 when the worker holds no work any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Command>,
}

/// What happens when a process ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// When it is started again.
    pub when: RestartWhen,
    /// How long to wait before the first restart; doubled for each further one.
    pub backoff: Span,
    /// The longest wait.
    pub backoff_max: Span,
    /// How many restarts within [`window`](Self::window) make a crash loop, which is not restarted.
    pub limit: u32,
    /// See [`limit`](Self::limit). A process that ran this long counts as well again.
    pub window: Span,
}

/// When a process is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartWhen {
    /// However it ended.
    Always,
    /// When it ended with a code other than 0, or by a signal.
    OnFailure,
    /// Not at all.
    Never,
}

/// What a process may use; `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Thousandths of a processor.
    pub cpu_millis: Option<u32>,
    /// Memory of the process and all its descendants.
    pub memory: Option<Bytes>,
    /// Open files.
    pub files: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
}

/// In which order copies of the old release give way to those of the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// All new copies start beside the old ones, then the traffic switches at once.
    BlueGreen,
    /// A few at a time.
    Rolling {
        /// How many copies there may be beyond the replicas.
        max_surge: u32,
        /// How many copies fewer than the replicas may be ready.
        max_unavailable: u32,
    },
    /// The old ones stop, then the new ones start; requests are held meanwhile.
    Recreate,
}

impl std::fmt::Display for Command {
    /// The command as a person would type it, in one line and for display only: line breaks, and what would
    /// drive a terminal or turn the direction of writing, are shown as escapes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shell(line) => line.trim_end().chars().try_for_each(|c| show(f, c)),
            Self::Argv(words) => {
                for (n, word) in words.iter().enumerate() {
                    let word = word.to_string();
                    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,{}".contains(c);
                    let space = if n == 0 { "" } else { " " };
                    if !word.is_empty() && word.chars().all(plain) {
                        write!(f, "{space}{word}")?;
                    } else if word.chars().any(is_unseen) {
                        write!(f, "{space}$'")?;
                        for c in word.chars() {
                            match c {
                                '\'' | '\\' => write!(f, "\\{c}")?,
                                _ => show(f, c)?,
                            }
                        }
                        f.write_str("'")?;
                    } else {
                        write!(f, "{space}'{}'", word.replace('\'', r"'\''"))?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Whether a character is not seen where it stands, but in what it does to others.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control() || turns_writing(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether it turns the direction in which what follows is shown: what stands behind it can look like what stands
/// before it.
#[must_use]
pub fn turns_writing(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn show(f: &mut std::fmt::Formatter<'_>, c: char) -> std::fmt::Result {
    if is_unseen(c) { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_in_one_line_that_does_nothing() {
        let argv =
            |words: &[&str]| Command::Argv(words.iter().map(|word| Template::literal(*word)).collect());
        assert_eq!(argv(&["echo", "a b", "it's"]).to_string(), r"echo 'a b' 'it'\''s'");
        let hostile = argv(&["echo", "x'\n[  0.0s] r2 is live\u{202e}\u{9b}31m\u{1b}\\"]);
        assert_eq!(hostile.to_string(), r"echo $'x\'\n[  0.0s] r2 is live\u{202e}\u{9b}31m\u{1b}\\'");
        let shell = Command::Shell("set -e\n\ttrue\u{2028}x\n".to_owned());
        assert_eq!(shell.to_string(), r"set -e\n\ttrue\u{2028}x");
    }
}
