//! For CI and pipes: plain lines, nothing that moves.

use std::io::{self, Write};

use windlass_core::event::{Event, What};
use windlass_core::journal::{Direction, Turn};
use windlass_core::plan::Phase;

use super::{Observer, printable};

/// Prints a line for each thing that is done.
#[derive(Debug, Default)]
pub struct Plain {
    began: Option<i64>,
    phase: Option<Phase>,
}

impl Observer for Plain {
    fn see(&mut self, event: &Event) {
        let began = *self.began.get_or_insert(event.at);
        let seconds = (event.at - began).max(0) as f64 / 1000.0;
        for line in self.lines(&event.what) {
            let _ = writeln!(io::stderr(), "[{seconds:6.1}s] {}", printable(&line));
        }
    }
}

impl Plain {
    fn lines(&mut self, what: &What) -> Vec<String> {
        match what {
            What::RunBegan { headline, .. } => vec![headline.clone()],
            What::StepBegan { phase, direction, line, .. } => {
                let back = if *direction == Direction::Back { "undo: " } else { "" };
                let title = if self.phase == Some(*phase) { "" } else { phase.title() };
                self.phase = Some(*phase);
                vec![format!("{title:9} {back}{line}")]
            }
            What::StepOutput { line, .. } => vec![format!("{:9} | {line}", "")],
            What::StepDone { note, .. } if !note.is_empty() => vec![format!("{:9}   {note}", "")],
            What::StepDone { .. } | What::RunEnded { .. } => Vec::new(),
            What::StepFailed { fault, .. } => {
                let mut lines: Vec<String> =
                    fault.tail.iter().map(|line| format!("{:9} | {line}", "")).collect();
                lines.push(format!("{:9} FAILED: {}", "", fault.message));
                lines
            }
            What::TurnedBack { why } => vec![turned(why)],
            What::Interrupted { why } => vec![why.clone()],
        }
    }
}

/// Why a run goes back, in a line.
pub(super) fn turned(why: &Turn) -> String {
    match why {
        Turn::StepFailed { .. } => "going back".to_owned(),
        Turn::Cancelled { by } => format!("cancelled by {by}: going back"),
        Turn::Unclaimed => "nobody claimed the interrupted run: going back".to_owned(),
    }
}
