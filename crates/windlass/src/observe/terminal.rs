//! For people at a terminal: phases with their time, the steps under way, the end of their output.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use windlass_core::event::{Event, What};
use windlass_core::journal::{Direction, Fault};
use windlass_core::plan::Phase;

use super::plain::turned;
use super::{Observer, printable_line};

/// How many lines of a command's output stand under it while it runs.
const TAIL: usize = 4;

/// Draws a run.
pub struct Terminal {
    bars: MultiProgress,
    phase: Option<(Phase, Direction, Instant)>,
    spinner: Option<ProgressBar>,
    open: Vec<(u32, String)>,
    tail: VecDeque<String>,
    notes: Vec<String>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self {
            bars: MultiProgress::new(),
            phase: None,
            spinner: None,
            open: Vec::new(),
            tail: VecDeque::new(),
            notes: Vec::new(),
        }
    }
}

impl Observer for Terminal {
    fn see(&mut self, event: &Event) {
        match &event.what {
            What::RunBegan { headline, .. } => self.line(&style(printable_line(headline)).bold().to_string()),
            What::StepBegan { step, phase, direction, line } => {
                self.enter(*phase, *direction);
                self.open.push((*step, printable_line(line).into_owned()));
                self.tail.clear();
                self.draw();
            }
            What::StepOutput { line, .. } => {
                self.tail.push_back(printable_line(line).into_owned());
                while self.tail.len() > TAIL {
                    self.tail.pop_front();
                }
                self.draw();
            }
            What::StepDone { step, note, .. } => {
                self.close(*step, note);
                self.draw();
            }
            What::StepFailed { step, fault, .. } => {
                let line = self.open.iter().find(|(id, _)| id == step).map(|(_, line)| line.clone());
                self.open.retain(|(id, _)| id != step);
                self.fail(&line.unwrap_or_default(), fault);
            }
            What::TurnedBack { why } => {
                self.finish_phase(false);
                self.line(&style(printable_line(&turned(why))).yellow().to_string());
            }
            What::Interrupted { why } => {
                self.finish_phase(false);
                self.line(&style(printable_line(why)).red().to_string());
            }
            What::RunEnded { .. } => self.finish_phase(true),
        }
    }
}

impl Terminal {
    fn enter(&mut self, phase: Phase, direction: Direction) {
        if self.phase.is_some_and(|(known, way, _)| known == phase && way == direction) {
            return;
        }
        self.finish_phase(true);
        self.phase = Some((phase, direction, Instant::now()));
        let spinner = self.bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {spinner:.cyan} {prefix:16} {took:>7}  {msg}") {
            // Told anew with each tick: a step may say nothing for a long time.
            let took = |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _nobody_to_tell = out.write_str(&seconds(state.elapsed()));
            };
            spinner.set_style(style.with_key("took", took).tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
        }
        spinner.set_prefix(phase.title());
        spinner.enable_steady_tick(Duration::from_millis(100));
        self.spinner = Some(spinner);
    }

    fn close(&mut self, step: u32, note: &str) {
        self.open.retain(|(id, _)| *id != step);
        if !note.is_empty() {
            self.notes.push(printable_line(note).into_owned());
        }
    }

    fn fail(&mut self, line: &str, fault: &Fault) {
        self.finish_phase(false);
        for output in &fault.tail {
            self.line(&format!("    {} {}", style("|").dim(), printable_line(output)));
        }
        self.line(&format!("  {} {line}", style("✗").red().bold()));
        self.line(&format!("    {}", style(printable_line(&fault.message)).red()));
    }

    fn finish_phase(&mut self, well: bool) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
            self.bars.remove(&spinner);
        }
        let Some((phase, direction, began)) = self.phase.take() else { return };
        if well {
            let took = seconds(began.elapsed());
            let title = match direction {
                Direction::Forward => phase.title().to_owned(),
                Direction::Back => format!("{} undone", phase.title()),
            };
            let notes = match self.notes.len() {
                0 => String::new(),
                1..=3 => self.notes.join("; "),
                more => format!("{}; and {} more", self.notes[..2].join("; "), more - 2),
            };
            let mark = style("✓").green();
            self.line(&format!("  {mark} {title:16} {took:>7}  {}", style(notes).dim()));
        }
        self.notes.clear();
        self.open.clear();
        self.tail.clear();
    }

    fn draw(&self) {
        let Some(spinner) = &self.spinner else { return };
        let mut text = match self.open.as_slice() {
            [] => String::new(),
            [(_, line)] => line.clone(),
            [(_, line), rest @ ..] => format!("{line}, and {} more", rest.len()),
        };
        for line in &self.tail {
            text.push_str(&format!("\n      {} {line}", style("|").dim()));
        }
        spinner.set_message(text);
    }

    fn line(&self, text: &str) {
        let _ = self.bars.println(text);
    }
}

/// A time as it stands beside a phase.
fn seconds(took: Duration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}
