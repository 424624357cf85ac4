//! Places where a test may have the process die, as if by a power cut.
//!
//! `WINDLASS_FAILPOINT=after-intent:7` kills the process right after the intent of step 7 was
//! written; `after-act` and `after-result` are the other two boundaries of a step, and a `!` before
//! the number means the way back. `WINDLASS_FAILPOINT=@FILE` names a file that names the place, or several, a line
//! each; a line is removed before the process dies there, so that the one that is started in its stead lives.
//!
//! With `panic ` before it the process does not die there but panics, as if by a fault of its own; with `stop ` it goes
//! no further and nobody is started in its stead, until the test lets it go on, or has taken the power away.
//!
//! `fail before:7` has step 7 fail before anything of it is done, and `fail after:7` when all of it is; the process
//! lives. `fail write:3` has the third file that is replaced meanwhile not be written, for want of room.
//!
//! `write:12` is the 12th place beside a write that must outlive a power cut: each has one right
//! before and one right after it. Of them `journal:12` counts those of the journal's file alone, and `other:12` all
//! others. All processes of an environment count together, in `FILE.writes`, one byte for each (`j` for the journal's);
//! so a run with a number too high tells how many places there are. `stop write:each` stops whoever comes to any of
//! them, again and again. Keepers are told by a variable of their own, which what they keep is not given. Every crash
//! and every failure in the test suite is one that could really happen there; nothing else is simulated. `FILE.lease` says
//! how many seconds a lease lasts.

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
    around_one_of(Kind::Other, write)
}

/// The same for a write to the journal's file.
pub(crate) fn around_journal<T>(write: impl FnOnce() -> T) -> T {
    around_one_of(Kind::Journal, write)
}

/// The same for the replacing of a file, which can fail too.
pub(crate) fn around_file(write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    match Wanted::counted(&["fail write:"], b"f") {
        Some(wanted) if wanted.take() => Err(rustix::io::Errno::NOSPC.into()),
        _ => around(write),
    }
}

/// How long a lease lasts: as usual, unless a test has better things to do than to wait for its end.
pub(crate) fn lease(usual: Duration) -> Duration {
    let named = std::env::var(VARIABLE).unwrap_or_default();
    let file = named.strip_prefix('@').map(|file| PathBuf::from(file).with_added_extension("lease"));
    let seconds = file.and_then(|file| std::fs::read_to_string(file).ok()?.parse().ok());
    seconds.map_or(usual, Duration::from_secs)
}

fn around_one_of<T>(kind: Kind, write: impl FnOnce() -> T) -> T {
    beside_a_write(kind);
    let written = write();
    beside_a_write(kind);
    written
}

/// Kinds of writes that must outlive a power cut.
#[derive(Clone, Copy)]
enum Kind {
    Journal,
    Other,
}

fn beside_a_write(kind: Kind) {
    let (name, letter) = match kind {
        Kind::Journal => ("journal:", b"j"),
        Kind::Other => ("other:", b"."),
    };
    if let Some(wanted) = Wanted::counted(&["write:", name], letter) {
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

/// In the place of a number: all of them.
const EACH: &str = "each";

/// Where the place, or the file, is named.
const VARIABLE: &str = "WINDLASS_FAILPOINT";

/// The same for keepers; what has such a name is theirs alone.
const KEEPERS_VARIABLE: &str = "WINDLASS_KEEPER_FAILPOINT";

/// What a keeper is to be told, where this process is told something.
pub(crate) fn for_keepers() -> Option<(&'static str, std::ffi::OsString)> {
    std::env::var_os(VARIABLE).map(|named| (KEEPERS_VARIABLE, named))
}

impl Wanted {
    fn find(is: impl Fn(&str) -> bool) -> Option<Self> {
        let named = std::env::var(VARIABLE).or_else(|_| std::env::var(KEEPERS_VARIABLE)).ok()?;
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
    fn counted(kinds: &[&str], letter: &[u8]) -> Option<Self> {
        let wanted = Self::find(|named| kinds.iter().any(|kind| named.starts_with(kind)))?;
        let count = wanted.count(letter)?;
        (wanted.is_each() || wanted.number()?.parse() == Ok(count)).then_some(wanted)
    }

    fn number(&self) -> Option<&str> {
        self.line.rsplit_once(':').map(|(_, number)| number)
    }

    fn is_each(&self) -> bool {
        self.number() == Some(EACH)
    }

    /// Counts this place, with those that other processes pass at the same time.
    fn count(&self, letter: &[u8]) -> Option<u64> {
        let tally = self.file.as_ref()?.with_added_extension("writes");
        let mut tally = std::fs::File::options().create(true).append(true).open(tally).ok()?;
        tally.write_all(letter).ok()?;
        tally.stream_position().ok()
    }

    /// Whether nobody was here before: what is wanted happens once.
    fn take(&self) -> bool {
        let Some(file) = &self.file else { return true };
        let Ok(text) = std::fs::read_to_string(file) else { return false };
        let others: Vec<&str> = text.lines().filter(|line| *line != self.line).collect();
        let taken = match others.is_empty() {
            true => std::fs::remove_file(file),
            // In one step, for who looks at what is left.
            false => {
                let next = file.with_added_extension("next");
                std::fs::write(&next, others.join("\n")).and_then(|()| std::fs::rename(&next, file))
            }
        };
        taken.is_ok()
    }

    fn die(self) {
        if self.is_each() || self.take() {
            #[expect(clippy::panic, reason = "a test asked for it")]
            if let Some(place) = self.line.strip_prefix(PANIC) {
                panic!("the place {place} was reached");
            }
            let signal = if self.line.starts_with(STOP) { Signal::STOP } else { Signal::KILL };
            let _ = kill_process(getpid(), signal);
        }
    }
}
