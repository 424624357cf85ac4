//! Places where a test may have the process die, as if by a power cut.
//!
//! `WINDLASS_FAILPOINT=after-intent:7` kills the process right after the intent of step 7 was
//! written; `after-act` and `after-result` are the other two boundaries of a step, and a `!` before
//! the number means the way back. `WINDLASS_FAILPOINT=@FILE` names a file that names the place; it is
//! removed before the process dies, so that the one that is started in its stead lives.
//!
//! With `panic ` before it the process does not die there but panics, as if by a fault of its own.
//!
//! `write:12` is the 12th place beside a write that must outlive a power cut: each has one right
//! before and one right after it. All processes of an environment count together, in `FILE.writes`,
//! one byte for each; so a run with a number too high tells how many places there are. Every crash in
//! the test suite is one that could really happen there; nothing else is simulated.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

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
    beside_a_write();
    let written = write();
    beside_a_write();
    written
}

fn beside_a_write() {
    let Some(wanted) = wanted() else { return };
    let Some(number) = wanted.place.strip_prefix("write:") else { return };
    if wanted.count().is_some_and(|count| number.parse() == Ok(count)) {
        wanted.die();
    }
}

/// Where it is to die.
struct Wanted {
    place: String,
    /// Whether it is to panic instead.
    panics: bool,
    /// The file that said so.
    file: Option<PathBuf>,
}

fn wanted() -> Option<Wanted> {
    let wanted = std::env::var("WINDLASS_FAILPOINT").ok()?;
    let (text, file) = match wanted.strip_prefix('@') {
        Some(file) => (std::fs::read_to_string(file).ok()?, Some(PathBuf::from(file))),
        None => (wanted, None),
    };
    let (panics, place) = match text.strip_prefix("panic ") {
        Some(place) => (true, place.to_owned()),
        None => (false, text),
    };
    Some(Wanted { place, panics, file })
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
            #[expect(clippy::panic, reason = "a test asked for it")]
            if self.panics {
                panic!("the place {} was reached", self.place);
            }
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}
