//! What Windlass does, line by line, for whoever looks for a fault: `WINDLASS_LOG=debug`.
//!
//! The command line writes it to its standard error; a host side that was started with the variable to its log. Told
//! are kinds, names, paths and durations, never what was sent or what came back: values pass through both.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use windlass_core::event::{Event, What};
use windlass_core::journal::Direction;
use windlass_core::protocol::Ask;

use super::printable;

/// The variable. Whatever else it says is told of by the command line.
pub(crate) const VARIABLE: &str = "WINDLASS_LOG";

/// Whether somebody wants it.
fn is_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os(VARIABLE).is_some_and(|level| level == "debug"))
}

/// Why nothing is told, where the variable says something that is not known.
pub(crate) fn unknown_level() -> Option<String> {
    let level = std::env::var_os(VARIABLE).filter(|level| !level.is_empty() && level != "debug");
    level.is_some().then(|| format!("warning: {VARIABLE} has no such level; write {VARIABLE}=debug"))
}

/// Writes a line of a part of Windlass.
pub(crate) fn say(part: &str, line: impl FnOnce() -> String) {
    if is_on() {
        let now = jiff::Timestamp::now();
        let _nobody_reads = writeln!(io::stderr(), "{now:.3} debug {part}: {}", printable(&line()));
    }
}

/// What the host side is asked, at either end.
pub(crate) fn ask(part: &str, ask: &Ask) {
    say(part, || format!("ask {}", ask.kind()));
}

/// A step of a run, at either end.
pub(crate) fn event(part: &str, event: &Event) {
    let Some(line) = line(&event.what) else { return };
    say(part, || line);
}

fn line(what: &What) -> Option<String> {
    let way = |direction: &Direction| if *direction == Direction::Back { "undoing " } else { "" };
    match what {
        What::RunBegan { run, steps, .. } => Some(format!("run {run} of {steps} steps")),
        What::StepBegan { step, direction, line, .. } => {
            Some(format!("{}step {step} begins: {line}", way(direction)))
        }
        What::StepDone { step, direction, millis, .. } => {
            Some(format!("{}step {step} done after {millis} ms", way(direction)))
        }
        What::StepFailed { step, direction, millis, .. } => {
            Some(format!("{}step {step} failed after {millis} ms", way(direction)))
        }
        What::TurnedBack { .. } => Some("the run turns back".to_owned()),
        What::Interrupted { .. } => Some("the run is interrupted".to_owned()),
        What::RunEnded { record, .. } => Some(format!("run {} is over", record.run)),
        What::StepOutput { .. } => None,
    }
}
