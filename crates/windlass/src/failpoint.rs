//! Places where a test may have the process die, as if by a power cut.
//!
//! `WINDLASS_FAILPOINT=after-intent:7` kills the process right after the intent of step 7 was
//! written; `after-act` and `after-result` are the other two boundaries of a step, and a `!` before
//! the number means the way back. `WINDLASS_FAILPOINT=@FILE` names a file that names the place; it is
//! removed before the process dies, so that the one that is started in its stead lives.
//!
//! With `panic ` before it the process does not die there but panics, as if by a fault of its own; with `stop ` it goes
//! no further and nobody is started in its stead, until the test has taken the power away.
//!
//! `write:12` is the 12th place beside a write that must outlive a power cut: each has one right
//! before and one right after it. Of them `journal:12` counts those of the journal's file alone, and `other:12` all
//! others. All processes of an environment count together, in `FILE.writes`, one byte for each; so a run with a number
//! too high tells how many places there are. Every crash in the test suite is one that could really happen there;
//! nothing else is simulated.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use rustix::process::{Signal, getpid, kill_process};
use windlass_core::journal::Direction;

/// Kills this process, without any cleaning up, if the environment names this place.
pub(crate) fn pass(place: &str, step: u32, direction: Direction) {
    let Some(wanted) = wanted() else { return };
    let back = if direction == Direction::Back { "!" } else { "" };
    if wanted.place == format!("{place}:{back}{step}") {
        wanted.die();
    }
}

/// Makes a write that must outlive a power cut, with a place to die before it and one after it.
pub(crate) fn around<T>(write: impl FnOnce() -> T) -> T {
    around_one_of("other:", write)
}

/// The same for a write to the journal's file.
pub(crate) fn around_journal<T>(write: impl FnOnce() -> T) -> T {
    around_one_of("journal:", write)
}

fn around_one_of<T>(kind: &str, write: impl FnOnce() -> T) -> T {
    beside_a_write(kind);
    let written = write();
    beside_a_write(kind);
    written
}

fn beside_a_write(kind: &str) {
    let Some(wanted) = wanted() else { return };
    let number = wanted.place.strip_prefix("write:").or_else(|| wanted.place.strip_prefix(kind));
    let Some(number) = number else { return };
    if wanted.count().is_some_and(|count| number.parse() == Ok(count)) {
        wanted.die();
    }
}

/// Where it is to die.
struct Wanted {
    place: String,
    /// What it does there.
    act: Act,
    /// The file that said so.
    file: Option<PathBuf>,
}

/// What a process does at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Die,
    Panic,
    Stop,
}

fn wanted() -> Option<Wanted> {
    let wanted = std::env::var("WINDLASS_FAILPOINT").ok()?;
    let (text, file) = match wanted.strip_prefix('@') {
        Some(file) => (std::fs::read_to_string(file).ok()?, Some(PathBuf::from(file))),
        None => (wanted, None),
    };
    let (act, place) = match text.split_once(' ') {
        Some(("panic", place)) => (Act::Panic, place.to_owned()),
        Some(("stop", place)) => (Act::Stop, place.to_owned()),
        _ => (Act::Die, text),
    };
    Some(Wanted { place, act, file })
}

impl Wanted {
    /// Counts this place, with those that other processes pass at the same time.
    fn count(&self) -> Option<u64> {
        let tally = self.file.as_ref()?.with_added_extension("writes");
        let mut tally = std::fs::File::options().create(true).append(true).open(tally).ok()?;
        tally.write_all(b".").ok()?;
        tally.stream_position().ok()
    }

    fn die(self) {
        if self.file.as_deref().is_none_or(|file: &Path| std::fs::remove_file(file).is_ok()) {
            let signal = match self.act {
                #[expect(clippy::panic, reason = "a test asked for it")]
                Act::Panic => panic!("the place {} was reached", self.place),
                Act::Die => Signal::KILL,
                Act::Stop => Signal::STOP,
            };
            let _ = kill_process(getpid(), signal);
        }
    }
}
