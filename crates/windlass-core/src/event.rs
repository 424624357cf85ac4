//! What happens during a run, for whoever watches: terminals, logs, JSON lines. Watchers can
//! neither fail nor slow a run, and nothing is decided from events.

use serde::{Deserialize, Serialize};

use crate::journal::{Direction, Fault, Turn, Verdict};
use crate::name::ReleaseId;
use crate::plan::Phase;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since 1970.
    pub at: i64,
    /// What.
    #[serde(rename = "event")]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A run began, or is being followed from here on.
    RunBegan {
        /// Its id.
        run: String,
        /// What it is, in one line.
        headline: String,
        /// How many steps it has.
        steps: u32,
    },
    /// A step began.
    StepBegan {
        /// Which.
        step: u32,
        /// Its phase.
        phase: Phase,
        /// Doing or undoing.
        direction: Direction,
        /// What it does, in one line.
        line: String,
    },
    /// A line of output of a step's command.
    StepOutput {
        /// Which step.
        step: u32,
        /// The line, with secrets masked.
        line: String,
    },
    /// A step is done.
    StepDone {
        /// Which.
        step: u32,
        /// Doing or undoing.
        direction: Direction,
        /// What people should know of it; empty mostly.
        note: String,
        /// How long it took.
        millis: u64,
    },
    /// A step failed.
    StepFailed {
        /// Which.
        step: u32,
        /// Doing or undoing.
        direction: Direction,
        /// Why.
        fault: Fault,
        /// How long it took.
        millis: u64,
    },
    /// From here on the run goes back.
    TurnedBack {
        /// Why.
        why: Turn,
    },
    /// The run stopped where it was, because the host side cannot go on: it can be resumed.
    Interrupted {
        /// Why.
        why: String,
    },
    /// The run is over.
    RunEnded {
        /// How.
        verdict: Verdict,
        /// What it did and cost.
        record: Box<RunRecord>,
    },
}

/// What a run did and cost: kept for the last thousand runs, and for more than a year.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunRecord {
    /// The run.
    pub run: String,
    /// What was asked for, in one line.
    pub headline: String,
    /// Who asked: account and machine.
    pub by: String,
    /// The plan's digest.
    pub plan: String,
    /// The release that the run was to activate.
    pub release: Option<ReleaseId>,
    /// The release that was active before.
    pub previous: Option<ReleaseId>,
    /// How that is gone back to.
    #[serde(default, skip_serializing_if = "WayBack::is_plain")]
    pub back: WayBack,
    /// The commit it was built from.
    pub commit: Option<String>,
    /// Whether the files differed from it.
    pub dirty: bool,
    /// When it began and ended, milliseconds since 1970.
    pub began: i64,
    /// See [`began`](Self::began).
    pub ended: i64,
    /// How long each phase took, in milliseconds, in order.
    pub phases: Vec<(Phase, u64)>,
    /// How it ended; `None` while it is under way.
    pub verdict: Option<Verdict>,
    /// What the proxy counted meanwhile.
    pub requests: RequestCost,
    /// What of its answers the release refused (4xx), where that is many more than the release before did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// Where the application answers.
    pub addresses: Vec<String>,
}

/// How the release before a run's is gone back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBack {
    /// By `rollback`.
    #[default]
    Plain,
    /// By `rollback` with its name: it runs the same code, which `rollback` alone goes past.
    Named,
    /// Not at all: it is what runs, or its files are gone.
    Nowhere,
}

impl WayBack {
    /// Whether `rollback` alone goes there.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }
}

/// How many answers of a release were 4xx, and of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// 4xx of the new release.
    pub refused: u64,
    /// All that it answered.
    pub answered: u64,
    /// 4xx of the release before.
    pub refused_before: u64,
    /// All that it had answered.
    pub answered_before: u64,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} answered with 4xx", self.refused, self.answered)?;
        match self.answered_before {
            0 => Ok(()),
            before => write!(f, " (the release before: {} of {before})", self.refused_before),
        }
    }
}

/// What a run cost in requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestCost {
    /// Answered while the run lasted, to the end.
    pub served: u64,
    /// Not answered, answered with an error of the proxy's, or not answered to the end.
    pub failed: u64,
    /// Of these, the ones whose answer ended before it was whole, and not by the client.
    #[serde(default)]
    pub cut: u64,
    /// Of these in turn, the ones whose copy was to go and whose drain time was over.
    #[serde(default)]
    pub cut_at_drain: u64,
    /// Answered by the application with an error of its own (5xx); these are among those served.
    #[serde(default)]
    pub server_errors: u64,
    /// Begun by the old release before the switch and finished after it.
    pub drained: u64,
    /// The longest time in which no answer began although several requests waited, or one was held, in
    /// microseconds, since the switch.
    pub longest_gap_micros: u64,
    /// Whether the proxy, or the host side, was started anew meanwhile: what had been counted before is missing
    /// here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncounted: bool,
}
