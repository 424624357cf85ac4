//! For CI and pipes: plain lines, nothing that moves.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};

use windlass_core::event::{Event, What};
use windlass_core::journal::{Direction, Turn};
use windlass_core::plan::Phase;

use super::{Observer, printable_line};

/// Prints a line for each thing that is done.
#[derive(Debug, Default)]
pub struct Plain {
    began: Option<i64>,
    phase: Option<Phase>,
    /// The last lines that the steps under way have said.
    said: HashMap<u32, VecDeque<String>>,
}

/// How many lines of a step are remembered: as many as come with a fault, and some.
const REMEMBERED: usize = 100;

impl Observer for Plain {
    fn see(&mut self, event: &Event) {
        let began = *self.began.get_or_insert(event.at);
        let seconds = (event.at - began).max(0) as f64 / 1000.0;
        for line in self.lines(&event.what) {
            let _ = writeln!(io::stderr(), "[{seconds:6.1}s] {}", printable_line(&line));
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
            What::StepOutput { step, line } => {
                let said = self.said.entry(*step).or_default();
                said.push_back(line.clone());
                if said.len() > REMEMBERED {
                    said.pop_front();
                }
                vec![format!("{:9} | {line}", "")]
            }
            What::StepDone { step, note, .. } => {
                self.said.remove(step);
                if note.is_empty() { Vec::new() } else { vec![format!("{:9}   {note}", "")] }
            }
            What::RunEnded { .. } => Vec::new(),
            What::StepFailed { step, fault, .. } => {
                let mut said = self.said.remove(step).unwrap_or_default();
                let unsaid = unsaid(&fault.tail, said.make_contiguous());
                let mut lines: Vec<String> = unsaid.iter().map(|line| format!("{:9} | {line}", "")).collect();
                lines.push(format!("{:9} FAILED: {}", "", fault.message));
                lines
            }
            What::TurnedBack { why } => vec![turned(why)],
            What::Interrupted { why } => vec![why.clone()],
        }
    }
}

/// What of the end of an output was not said line by line, as it came.
fn unsaid<'t>(tail: &'t [String], said: &[String]) -> &'t [String] {
    let overlap = (0..=tail.len()).rev().find(|&count| said.ends_with(&tail[..count]));
    &tail[overlap.unwrap_or_default()..]
}

/// Why a run goes back, in a line.
pub(super) fn turned(why: &Turn) -> String {
    match why {
        Turn::StepFailed { .. } => "going back".to_owned(),
        Turn::Cancelled { by } => format!("cancelled by {by}: going back"),
        Turn::Unclaimed => "nobody claimed the interrupted run: going back".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::journal::Fault;

    use super::*;

    #[test]
    fn what_a_command_said_is_shown_once() {
        let shown = |said: &[&str], tail: &[&str]| {
            let mut plain = Plain::default();
            let mut lines = vec![];
            for line in said {
                lines.extend(plain.lines(&What::StepOutput { step: 3, line: (*line).to_owned() }));
            }
            let mut fault = Fault::new("the job migrate failed: exit code 1", "");
            fault.tail = tail.iter().map(|line| (*line).to_owned()).collect();
            lines.extend(plain.lines(&What::StepFailed {
                step: 3,
                direction: Direction::Forward,
                fault,
                millis: 1,
            }));
            assert_eq!(lines.pop().unwrap().trim(), "FAILED: the job migrate failed: exit code 1");
            lines.iter().map(|line| line.trim().trim_start_matches("| ").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(&["a", "b", "c"], &["b", "c"]), ["a", "b", "c"]);
        assert_eq!(shown(&["a", "b"], &["a", "b", "c"]), ["a", "b", "c"], "it ended before all was read");
        assert_eq!(shown(&[], &["the log of a service"]), ["the log of a service"]);
        assert_eq!(shown(&["a"], &[]), ["a"]);
    }
}
