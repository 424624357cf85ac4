//! What a run has said so far, for whoever comes late or listens slowly.

use std::collections::VecDeque;

use windlass_core::event::{Event, What};

/// How many lines of output are kept: a job that prints for hours must not fill the memory with what
/// its log has.
const MOST_LINES: usize = 10_000;

/// The events of a run, numbered from zero, without the oldest lines of output.
#[derive(Default)]
pub(in crate::host) struct Story {
    told: Vec<(usize, Event)>,
    output: VecDeque<(usize, Event)>,
    /// The step whose line was dropped last.
    dropped: u32,
    length: usize,
}

impl Story {
    /// Goes on with an event; answers how many there were by now.
    pub(in crate::host) fn push(&mut self, event: Event) -> usize {
        if matches!(event.what, What::StepOutput { .. }) {
            if self.output.len() == MOST_LINES
                && let Some((_, Event { what: What::StepOutput { step, .. }, .. })) = self.output.pop_front()
            {
                self.dropped = step;
            }
            self.output.push_back((self.length, event));
        } else {
            self.told.push((self.length, event));
        }
        self.length += 1;
        self.length
    }

    /// The event with this number, and the number to ask for next. Where lines are missing, one line
    /// says so.
    pub(in crate::host) fn event(&self, number: usize) -> Option<(Event, usize)> {
        let told = self.told.get(self.told.partition_point(|(own, _)| *own < number));
        let output = self.output.get(self.output.partition_point(|(own, _)| *own < number));
        let (own, event) = told.into_iter().chain(output).min_by_key(|(own, _)| *own)?;
        if *own == number {
            return Some((event.clone(), number + 1));
        }
        let line = format!("[{} lines are left out here; windlass logs shows them]", own - number);
        let what = What::StepOutput { step: self.dropped, line };
        Some((Event { at: event.at, what }, *own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(story: &Story) -> Vec<String> {
        let mut number = 0;
        std::iter::from_fn(|| {
            let (event, next) = story.event(number)?;
            number = next;
            Some(match event.what {
                What::StepOutput { step, line } => format!("{step}: {line}"),
                other => format!("{other:?}"),
            })
        })
        .collect()
    }

    fn line(step: u32, line: &impl ToString) -> Event {
        Event { at: 0, what: What::StepOutput { step, line: line.to_string() } }
    }

    #[test]
    fn everything_is_told_in_its_order() {
        let mut story = Story::default();
        story.push(Event { at: 0, what: What::Interrupted { why: "x".to_owned() } });
        story.push(line(1, &"a"));
        assert_eq!(story.push(Event { at: 0, what: What::Interrupted { why: "y".to_owned() } }), 3);
        assert_eq!(told(&story), ["Interrupted { why: \"x\" }", "1: a", "Interrupted { why: \"y\" }"]);
    }

    #[test]
    fn of_too_many_lines_the_last_are_told() {
        let mut story = Story::default();
        story.push(Event { at: 0, what: What::Interrupted { why: "x".to_owned() } });
        for number in 0..MOST_LINES + 7 {
            story.push(line(4, &number));
        }
        let told = told(&story);
        assert_eq!(told.len(), MOST_LINES + 2);
        assert_eq!(told[1], "4: [7 lines are left out here; windlass logs shows them]");
        assert_eq!((told[2].as_str(), story.told.len()), ("4: 7", 1));
    }
}
