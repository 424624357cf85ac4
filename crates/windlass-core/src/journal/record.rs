//! What the journal holds.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// One record. Records are only ever appended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A step is about to be done (or undone). Synced before anything happens.
    Intent {
        /// The step.
        step: u32,
        /// Doing or undoing.
        direction: Direction,
    },
    /// It was done, as its performer or a look after a crash says.
    Done {
        /// The step.
        step: u32,
        /// Doing or undoing.
        direction: Direction,
        /// What people should know of it, in one line; empty mostly.
        note: String,
    },
    /// It was not done, or only in part.
    Failed {
        /// The step.
        step: u32,
        /// Doing or undoing.
        direction: Direction,
        /// Why.
        fault: Fault,
    },
    /// A look after a crash found that it had not happened; it will be done again.
    NotDone {
        /// The step.
        step: u32,
        /// Doing or undoing.
        direction: Direction,
    },
    /// The run goes back from here on.
    Turned(Turn),
    /// The run is over.
    Ended(Verdict),
}

/// Doing a step or undoing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Doing it.
    Forward,
    /// Undoing it.
    Back,
}

/// Why a run goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// A step failed.
    StepFailed {
        /// The step.
        step: u32,
    },
    /// A person asked for it.
    Cancelled {
        /// Who.
        by: String,
    },
    /// The run was interrupted and nobody claimed it in time.
    Unclaimed,
}

/// Why a step failed, for people and for exit codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What happened, to what.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// The end of the output of whatever failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<String>,
    /// Whether the run was refused (the lock is held, the world has moved) rather than failed.
    #[serde(default)]
    pub refused: bool,
    /// Whether it was refused because the world has moved since the plan was made: what was asked for
    /// may be planned again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// Whether it is known that nothing of it was begun: there is nothing to look for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unbegun: bool,
    /// What stays although the run is over, and people must know of; the hint says it too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<String>,
}

impl Fault {
    /// A fault with a message and a hint.
    #[must_use]
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            tail: Vec::new(),
            refused: false,
            moved: false,
            unbegun: false,
            stays: Vec::new(),
        }
    }

    /// The same, with the last lines of something (`its log`), which are shown above the hint. That says so
    /// where there are any.
    #[must_use]
    pub fn with_tail(mut self, tail: Vec<String>, of: &str) -> Self {
        if !tail.is_empty() {
            let rest = if self.hint.is_empty() { String::new() } else { format!("; {}", self.hint) };
            self.hint = format!("the lines above are the end of {of}{rest}");
        }
        self.tail = tail;
        self
    }

    /// The same, of something of which nothing was begun.
    #[must_use]
    pub fn before_it_began(self) -> Self {
        Self { unbegun: true, ..self }
    }

    /// Says what stays, also where only the hint is read.
    pub(super) fn say_what_stays(&mut self, stays: String) {
        let known = if self.hint.is_empty() { String::new() } else { format!("{}; ", self.hint) };
        self.hint = format!("{known}{stays}");
        self.stays.push(stays);
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}
