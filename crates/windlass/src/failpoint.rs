//! Places where a test may have the process die, as if by a power cut.
//!
//! `WINDLASS_FAILPOINT=after-intent:7` kills the process right after the intent of step 7 was
//! written; `after-act` and `after-result` are the other two boundaries of a step, and a `!` before
//! the number means the way back. `WINDLASS_FAILPOINT=@FILE` names a file that names the place, or several, a line
//! each; a line is removed before the process dies there, so that the one that is started in its stead lives.
//!
//! With `panic ` before it the process does not die there but panics, as if by a fault of its own; with `stop ` it goes
//! no further and nobody is started in its stead, until the test has taken the power away.
//!
//! `fail before:7` has step 7 fail before anything of it is done, and `fail after:7` when all of it is; the process
//! lives. `fail write:3` has the third file that is replaced meanwhile not be written, for want of room.
//!
//! `write:12` is the 12th place beside a write that must outlive a power cut: each has one right
//! before and one right after it. Of them `journal:12` counts those of the journal's file alone, and `other:12` all
//! others. All processes of an environment count together, in `FILE.writes`, one byte for each; so a run with a number
//! too high tells how many places there are. Every crash and every failure in the test suite is one that could really
//! happen there; nothing else is simulated. `FILE.lease` says how many seconds a lease lasts.

use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use windlass_core::journal::{Direction, Fault};

/// Kills this process, without any cleaning up, if the environment names this place.
pub(crate) fn pass(place: &str, step: u32, direction: Direction) {
    if let Some(wanted) = Wanted::at(place, step, direction) {
        wanted.die();
    }
}

/// Does what a step does, unless the environment says that it is to fail although nothing is wrong with it.
pub(crate) async fn failing(
    step: u32,
    direction: Direction,
    act: impl Future<Output = Result<String, Fault>>,
) -> Result<String, Fault> {
    let fails = |place: &str| Wanted::at(place, step, direction).is_some_and(|wanted| wanted.take());
    let fault = || Fault::new("it was made to fail", "a test did that");
    if fails("fail before") {
        return Err(fault());
    }
    let done = act.await?;
    if fails("fail after") { Err(fault()) } else { Ok(done) }
}

/// Makes a write that must outlive a power cut, with a place to die before it and one after it.
pub(crate) fn around<T>(write: impl FnOnce() -> T) -> T {
    around_one_of("other:", write)
}

/// The same for a write to the journal's file.
pub(crate) fn around_journal<T>(write: impl FnOnce() -> T) -> T {
    around_one_of("journal:", write)
}

/// The same for the replacing of a file, which can fail too.
pub(crate) fn around_file(write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    match Wanted::counted(&["fail write:"]) {
        Some(wanted) if wanted.take() => Err(rustix::io::Errno::NOSPC.into()),
        _ => around(write),
    }
}

/// How long a lease lasts: as usual, unless a test has better things to do than to wait for its end.
pub(crate) fn lease(usual: Duration) -> Duration {
    let named = std::env::var("WINDLASS_FAILPOINT").unwrap_or_default();
    let file = named.strip_prefix('@').map(|file| PathBuf::from(file).with_added_extension("lease"));
    let seconds = file.and_then(|file| std::fs::read_to_string(file).ok()?.parse().ok());
    seconds.map_or(usual, Duration::from_secs)
}

fn around_one_of<T>(kind: &str, write: impl FnOnce() -> T) -> T {
    beside_a_write(kind);
    let written = write();
    beside_a_write(kind);
    written
}

fn beside_a_write(kind: &str) {
    if let Some(wanted) = Wanted::counted(&["write:", kind]) {
        wanted.die();
    }
}

/// A place that the environment names.
struct Wanted {
    line: String,
    /// The file that said so.
    file: Option<PathBuf>,
}

/// What a process does at a place where it does not die.
const PANIC: &str = "panic ";
const STOP: &str = "stop ";

impl Wanted {
    fn find(is: impl Fn(&str) -> bool) -> Option<Self> {
        let named = std::env::var("WINDLASS_FAILPOINT").ok()?;
        let (text, file) = match named.strip_prefix('@') {
            Some(file) => (std::fs::read_to_string(file).ok()?, Some(PathBuf::from(file))),
            None => (named, None),
        };
        let line = text
            .lines()
            .find(|line| is(line.strip_prefix(PANIC).or_else(|| line.strip_prefix(STOP)).unwrap_or(line)))?;
        Some(Self { line: line.to_owned(), file })
    }

    /// This place of a step.
    fn at(place: &str, step: u32, direction: Direction) -> Option<Self> {
        let back = if direction == Direction::Back { "!" } else { "" };
        Self::find(|named| named == format!("{place}:{back}{step}"))
    }

    /// The next of those of these kinds, which are told by their number alone, if it is wanted.
    fn counted(kinds: &[&str]) -> Option<Self> {
        let wanted = Self::find(|named| kinds.iter().any(|kind| named.starts_with(kind)))?;
        let count = wanted.count()?;
        let number = wanted.line.rsplit_once(':')?.1.parse();
        (number == Ok(count)).then_some(wanted)
    }

    /// Counts this place, with those that other processes pass at the same time.
    fn count(&self) -> Option<u64> {
        let tally = self.file.as_ref()?.with_added_extension("writes");
        let mut tally = std::fs::File::options().create(true).append(true).open(tally).ok()?;
        tally.write_all(b".").ok()?;
        tally.stream_position().ok()
    }

    /// Whether nobody was here before: what is wanted happens once.
    fn take(&self) -> bool {
        let Some(file) = &self.file else { return true };
        let Ok(text) = std::fs::read_to_string(file) else { return false };
        let others: Vec<&str> = text.lines().filter(|line| *line != self.line).collect();
        let taken = match others.is_empty() {
            true => std::fs::remove_file(file),
            false => std::fs::write(file, others.join("\n")),
        };
        taken.is_ok()
    }

    fn die(self) {
        if self.take() {
            #[expect(clippy::panic, reason = "a test asked for it")]
            if let Some(place) = self.line.strip_prefix(PANIC) {
                panic!("the place {place} was reached");
            }
            let signal = if self.line.starts_with(STOP) { Signal::STOP } else { Signal::KILL };
            let _ = kill_process(getpid(), signal);
        }
    }
}
