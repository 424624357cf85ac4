//! What clients and the link `current` show while something is done.

use std::time::Duration;

use super::super::{CurrentWatch, Load, Sandbox, Seen};
use super::{Invariant, Running};

/// Clients that ask, and an eye on `current`.
pub struct Watch<'a> {
    line: &'a Running,
    load: Load,
    current: CurrentWatch,
    has_gate: bool,
}

impl Running {
    /// Begins to look; clients ask about 200 times a second.
    #[must_use]
    pub fn watch(&self, sandbox: &Sandbox) -> Watch<'_> {
        self.watch_at_pace(sandbox, Duration::from_millis(10))
    }

    /// Begins to look; each of two clients asks once in this time.
    #[must_use]
    pub fn watch_at_pace(&self, sandbox: &Sandbox, pace: Duration) -> Watch<'_> {
        let current = CurrentWatch::begin(sandbox);
        Watch { line: self, load: Load::at_pace(sandbox.port, pace), current, has_gate: true }
    }

    /// `current` was a finished release all the while (I1).
    pub fn was_finished(&self, current: CurrentWatch) {
        let seen = current.end();
        self.holds(Invariant::I1, seen.looks > 0 && seen.wrong.is_empty(), || format!("{seen:#?}"));
    }

    /// `current` names a finished release now, as after a power cut (I1).
    pub fn current_is_finished(&self, sandbox: &Sandbox, context: &str) {
        let link = sandbox.environment().join("current");
        let is_finished = link.join(".windlass-sealed").is_file();
        self.holds(Invariant::I1, is_finished, || format!("{context}: {:?}", std::fs::read_link(&link)));
    }
}

impl Watch<'_> {
    /// The application's readiness is looked for by a command, so that a copy does not know of it.
    #[must_use]
    pub fn with_a_gate_of_its_own(mut self) -> Self {
        self.has_gate = false;
        self
    }

    /// Ends: `current` was a finished release all the while (I1), and no copy answered that had not passed its gate
    /// (I2). Answers what clients saw.
    pub fn end(self) -> Seen {
        let seen = self.load.end();
        self.line.was_finished(self.current);
        if self.has_gate {
            let ungated = seen.ungated();
            let answered = seen.0.iter().filter(|answered| answered.gate.is_some()).count();
            self.line.holds(Invariant::I2, ungated.is_empty() && answered > 0, || {
                format!("{} of {answered} answers: {:#?}", ungated.len(), &ungated[..ungated.len().min(5)])
            });
        }
        seen
    }

    /// The same, and no request failed (I3).
    pub fn end_without_loss(self) -> Seen {
        let line = self.line;
        let seen = self.end();
        let failed = seen.failed();
        line.holds(Invariant::I3, failed.is_empty() && seen.0.len() >= Load::LEAST, || {
            format!(
                "{} of {} requests failed: {:#?}",
                failed.len(),
                seen.0.len(),
                &failed[..failed.len().min(5)]
            )
        });
        seen
    }
}
