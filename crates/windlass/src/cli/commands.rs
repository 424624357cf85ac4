//! Commands that messages name, as whoever reads them has to type them.
//!
//! A hint says `windlass rollback`, wherever it was written: by core, by the host side, by a verb. Typed
//! so it would be about the environment `local` and the manifest here. So what is told gets the options
//! of this call that say which environment and manifest are meant, in this one place.

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;

use clap::CommandFactory;
use windlass_core::event::{RunRecord, What};
use windlass_core::journal::{Fault, Verdict};
use windlass_core::manifest::LOCAL;

use super::args::{Arguments, Options};

/// Verbs that ask neither for an environment nor for a manifest.
const WITHOUT: [&[&str]; 5] = [&["init"], &["import"], &["schema"], &["completion"], &["secrets", "keygen"]];

static OF_THIS_CALL: OnceLock<Addressee> = OnceLock::new();

/// What commands are about.
#[derive(Debug, Default)]
struct Addressee {
    /// Options with their values, as they are typed.
    options: Vec<(&'static str, String)>,
}

/// Says what this call is about. The first word counts.
pub(super) fn are_about(options: &Options) {
    let _first = OF_THIS_CALL.set(Addressee::of(&options.environment, options.file.as_deref()));
}

/// A message with its commands completed.
pub(super) fn complete(text: &str) -> Cow<'_, str> {
    OF_THIS_CALL.get().map_or(Cow::Borrowed(text), |addressee| addressee.complete(text))
}

/// The same for what a run tells.
pub(super) fn complete_event(what: &mut What) {
    match what {
        What::StepFailed { fault, .. } => complete_fault(fault),
        What::RunEnded { verdict, record } => {
            complete_verdict(verdict);
            complete_record(record);
        }
        _ => {}
    }
}

/// The same for what a run did.
pub(super) fn complete_record(record: &mut RunRecord) {
    record.verdict.iter_mut().for_each(complete_verdict);
}

fn complete_verdict(verdict: &mut Verdict) {
    match verdict {
        Verdict::Done => {}
        Verdict::Refused(fault) | Verdict::Failed(fault) | Verdict::RolledBack(fault) => {
            complete_fault(fault);
        }
        Verdict::DoneWithProblems(faults) => faults.iter_mut().for_each(complete_fault),
        Verdict::Stuck { cause, left } => {
            complete_fault(cause);
            left.iter_mut().for_each(complete_fault);
        }
    }
}

fn complete_fault(fault: &mut Fault) {
    for text in [&mut fault.message, &mut fault.hint].into_iter().chain(&mut fault.stays) {
        complete_in_place(text);
    }
}

/// The same for a text that is kept.
pub(super) fn complete_in_place(text: &mut String) {
    if let Cow::Owned(complete) = complete(text) {
        *text = complete;
    }
}

impl Addressee {
    fn of(environment: &str, file: Option<&Path>) -> Self {
        let environment = (environment != LOCAL).then(|| ("--env", environment.to_owned()));
        let file = file.map(|file| ("--file", quoted(&file.display().to_string())));
        Self { options: environment.into_iter().chain(file).collect() }
    }

    fn complete<'t>(&self, text: &'t str) -> Cow<'t, str> {
        const PROGRAM: &str = "windlass ";
        if self.options.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut complete, mut done) = (String::new(), 0);
        for (at, _) in text.match_indices(PROGRAM) {
            let begins_a_word = text[..at].chars().next_back().is_none_or(|c| " `(\n".contains(c));
            let behind = at + PROGRAM.len();
            let verb = verb(&text[behind..]);
            let names: Vec<&str> = verb.split(' ').collect();
            if !begins_a_word || verb.is_empty() || WITHOUT.contains(&names.as_slice()) {
                continue;
            }
            let end = behind + verb.len();
            let rest = text[end..].split(['`', ';', ',', '\n']).next().unwrap_or_default();
            complete.push_str(&text[done..end]);
            for (option, value) in self.options.iter().filter(|(option, _)| !rest.contains(option)) {
                complete.push_str(&format!(" {option} {value}"));
            }
            done = end;
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        complete.push_str(&text[done..]);
        Cow::Owned(complete)
    }
}

/// The verb that a text begins with, with those below it; empty: it begins with none.
fn verb(text: &str) -> &str {
    let (mut command, mut end) = (Arguments::command(), 0);
    loop {
        let from = if end == 0 { 0 } else { end + 1 };
        let rest = text.get(from..).filter(|_| end == 0 || text[end..].starts_with(' ')).unwrap_or_default();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let word = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let Some(below) = command.find_subcommand(word).cloned() else { return &text[..end] };
        command = below;
        end = from + word.len();
    }
}

/// A word as a shell reads it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(environment: &str, file: Option<&str>, text: &str) -> String {
        Addressee::of(environment, file.map(Path::new)).complete(text).into_owned()
    }

    #[test]
    fn commands_get_what_this_call_is_about() {
        for (text, expected) in [
            ("run windlass deploy first", "run windlass deploy --env prod first"),
            ("Back to r1: windlass rollback", "Back to r1: windlass rollback --env prod"),
            (
                "`windlass resume` goes on, `windlass abort` goes back",
                "`windlass resume --env prod` goes on, `windlass abort --env prod` goes back",
            ),
            ("windlass run -- ./undo now", "windlass run --env prod -- ./undo now"),
            ("windlass secrets set NAME", "windlass secrets set --env prod NAME"),
            ("windlass host enable", "windlass host enable --env prod"),
            // They are complete as they are.
            ("make it: windlass secrets init --env prod", "make it: windlass secrets init --env prod"),
            ("windlass init, windlass check", "windlass init, windlass check --env prod"),
            ("windlass secrets keygen", "windlass secrets keygen"),
            ("another windlass is writing it", "another windlass is writing it"),
            ("see windlass --help", "see windlass --help"),
            ("/opt/windlass deploy", "/opt/windlass deploy"),
            ("nothing to complete", "nothing to complete"),
        ] {
            assert_eq!(completed("prod", None, text), expected);
        }
    }

    #[test]
    fn a_call_about_the_usual_leaves_them_alone() {
        assert_eq!(completed("local", None, "windlass deploy"), "windlass deploy");
        assert_eq!(
            completed("local", Some("my shop/windlass.toml"), "windlass deploy"),
            "windlass deploy --file 'my shop/windlass.toml'"
        );
        assert_eq!(
            completed("prod", Some("x.toml"), "windlass status --env prod"),
            "windlass status --file x.toml --env prod"
        );
    }
}
